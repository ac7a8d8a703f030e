"""The only place that says what a verification report holds. It is JSON, for people and programs."""

import hashlib
from typing import Literal

import msgspec

from testwright_schemas import (
    Artifact,
    CaseVerdict,
    Coverage,
    Isolation,
    Mutation,
    Policy,
    Record,
    Survivor,
    Target,
    Usage,
    envelope,
)


class Suspicion(Record, frozen=True, kw_only=True):
    """A test that fails reproducibly: either it is wrong or the code is. ``source`` is the test."""

    id: str
    reason: str
    source: str


class EnvironmentRecord(Record, frozen=True, kw_only=True):
    """What the tests ran in.

    Attributes:
        digest: of what the environment was built from.
        lock: every package in it, as pinned requirement lines.
        lock_digest: SHA-256 of those lines, each with a newline.
        built: whether we built it; ``False`` for an interpreter that the policy names.
    """

    digest: str = ""
    lock: tuple[str, ...] = ()
    lock_digest: str = ""
    built: bool = True


class RunRecord(Record, frozen=True, kw_only=True):
    """How one process of tests went.

    Attributes:
        mode: ``apart`` ran each test in a fork of its own, ``together`` all in one process, ``mutate`` on mutants.
        condition: its circumstances, in words.
        outcomes: number of tests by how they ended.
        exceptions: how those ended that did not pass, by id; the first hundred.
        ended: whether it came to its own end.
        returncode: of the process, negative for a signal.
        timed_out: whether it was killed for its time.
        wall_s: seconds.
        stderr: the end of what it printed there.
    """

    mode: str
    condition: str
    outcomes: dict[str, int] = msgspec.field(default_factory=dict[str, int])
    exceptions: dict[str, str] = msgspec.field(default_factory=dict[str, str])
    ended: bool = True
    returncode: int = 0
    timed_out: bool = False
    wall_s: float = 0.0
    stderr: str = ""


class MutantRecord(Record, frozen=True, kw_only=True):
    """One change of the target and what became of it.

    Attributes:
        number: its place among all mutants of the module, from 1.
        line: of the target.
        operator: what is changed, in words.
        before: the statement, or header, that it changes.
        after: the same, changed.
        fate: ``killed`` by a test, ``timeout``, or ``survived``.
        killer: the test that noticed it first; empty where the module no longer could be imported.
        killed: whether the delivered suite counts as noticing it.
    """

    number: int
    line: int
    operator: str
    before: str = ""
    after: str = ""
    fate: Literal["killed", "survived", "timeout", "invalid"]
    killer: str = ""
    killed: bool = False


class Report(Record, frozen=True, kw_only=True):
    """Everything that verification found, with what it takes to do it again.

    Attributes:
        testwright: version.
        engine: that wrote the candidate.
        task_id: of the task.
        module: the target.
        target: where it is; ``None`` in reports of versions that did not say.
        policy: what was asked for; ``None`` as above.
        snapshot: digest of the sources.
        candidate: digest of the archive that was judged.
        python: version of the interpreter.
        environment: what the tests ran in.
        pins: packages that tests ran with besides the project's own.
        isolation: of the runs.
        seed: of orders and of the sample of mutants.
        conditions: circumstances of each repeat, besides the run of each test alone.
        runs: how each process went, in order.
        verdicts: on each test.
        outputs: the end of what pytest said of tests that failed, by id; the first hundred.
        delivered: names of the files.
        files: the same with their digests.
        coverage: by the delivered suite.
        source: of the target.
        executed_lines: of the target, that the delivered suite runs.
        covered_lines: of the target, that the delivered suite runs.
        missing_lines: of the target, that the delivered suite does not run.
        missing_branches: from line, to line (negative: leaves the function or module that begins there).
        mutation: by the delivered suite.
        mutation_note: why there is no score, or what limits it.
        mutants: each that was run.
        survivors: mutants not noticed.
        suspicions: failing tests that may have found a bug.
        usage: what the engine consumed.
        timings_s: seconds by step.
    """

    testwright: str
    engine: str
    task_id: str
    module: str
    target: Target | None = None
    policy: Policy | None = None
    snapshot: str
    candidate: str = ""
    python: str
    environment: EnvironmentRecord = EnvironmentRecord()
    pins: tuple[str, ...]
    isolation: Isolation
    seed: int
    conditions: tuple[str, ...]
    runs: tuple[RunRecord, ...] = ()
    verdicts: tuple[CaseVerdict, ...]
    outputs: dict[str, str] = msgspec.field(default_factory=dict[str, str])
    delivered: tuple[str, ...] = ()
    files: tuple[Artifact, ...] = ()
    coverage: Coverage | None = None
    source: str = ""
    executed_lines: tuple[int, ...] = ()
    covered_lines: tuple[int, ...] = ()
    missing_lines: tuple[int, ...] = ()
    missing_branches: tuple[tuple[int, int], ...] = ()
    mutation: Mutation = Mutation()
    mutation_note: str = ""
    mutants: tuple[MutantRecord, ...] = ()
    survivors: tuple[Survivor, ...] = ()
    suspicions: tuple[Suspicion, ...] = ()
    usage: Usage = Usage()
    timings_s: dict[str, float] = msgspec.field(default_factory=dict[str, float])

    def encode(self) -> bytes:
        """Return the report as JSON with line breaks."""
        return msgspec.json.format(msgspec.json.encode(self), indent=1)


def decode(data: bytes) -> Report:
    """Return the report that ``encode`` wrote.

    Raises:
        msgspec.DecodeError: it is none.
    """
    return envelope.decode(data, Report)


def sha256(data: bytes) -> str:
    """Return the digest of a file."""
    return hashlib.sha256(data).hexdigest()


def lock_digest(lock: tuple[str, ...]) -> str:
    """Return the digest of a lock."""
    return sha256("".join(f"{line}\n" for line in lock).encode())
