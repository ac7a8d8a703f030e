"""The only place that says what a verification report holds. It is JSON, for people and programs."""

import msgspec

from testwright_schemas import CaseVerdict, Coverage, Isolation, Mutation, Record, Survivor


class Suspicion(Record, frozen=True, kw_only=True):
    """A test that fails reproducibly: either it is wrong or the code is. ``source`` is the test."""

    id: str
    reason: str
    source: str


class Report(Record, frozen=True, kw_only=True):
    """Everything that verification found, with what it takes to do it again.

    Attributes:
        testwright: version.
        engine: that wrote the candidate.
        task_id: of the task.
        module: the target.
        snapshot: digest of the sources.
        python: version of the interpreter.
        pins: packages that tests ran with besides the project's own.
        isolation: of the runs.
        seed: of orders and of the sample of mutants.
        conditions: circumstances of each repeat, besides the run of each test alone.
        verdicts: on each test.
        delivered: names of the files.
        coverage: by the delivered suite.
        missing_lines: of the target, that the delivered suite does not run.
        missing_branches: from line, to line (negative: leaves the function or module that begins there).
        mutation: by the delivered suite.
        mutation_note: why there is no score, or what limits it.
        survivors: mutants not noticed.
        suspicions: failing tests that may have found a bug.
        timings_s: seconds by step.
    """

    testwright: str
    engine: str
    task_id: str
    module: str
    snapshot: str
    python: str
    pins: tuple[str, ...]
    isolation: Isolation
    seed: int
    conditions: tuple[str, ...]
    verdicts: tuple[CaseVerdict, ...]
    delivered: tuple[str, ...] = ()
    coverage: Coverage | None = None
    missing_lines: tuple[int, ...] = ()
    missing_branches: tuple[tuple[int, int], ...] = ()
    mutation: Mutation = Mutation()
    mutation_note: str = ""
    survivors: tuple[Survivor, ...] = ()
    suspicions: tuple[Suspicion, ...] = ()
    timings_s: dict[str, float] = msgspec.field(default_factory=dict[str, float])

    def encode(self) -> bytes:
        """Return the report as JSON with line breaks."""
        return msgspec.json.format(msgspec.json.encode(self), indent=1)
