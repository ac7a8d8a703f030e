"""The only place that says what verification is asked and what it answers."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from testwright.environments import Environment, Environments
from testwright.sandbox import Sandbox
from testwright_schemas import Brief, CaseVerdict, Coverage, Isolation, Mutation, Policy, Target, Usage

Progress = Callable[..., Awaitable[None]]
"""Called as ``progress(message, tests=…, coverage=…)``, like ``testwright.engines.Progress``."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a candidate comes from, for the header of the delivered file and for the report.

    Attributes:
        task_id: of the task.
        engine: that wrote it.
        snapshot_digest: of the sources it is for.
        candidate_digest: of the archive that it came in.
        usage: what the engine consumed.
    """

    task_id: str
    engine: str
    snapshot_digest: str
    candidate_digest: str = ""
    usage: Usage = field(default_factory=Usage)


@dataclass(frozen=True, slots=True)
class Inquiry:
    """A candidate to judge, with everything that takes.

    Attributes:
        root: the unpacked snapshot; it is only read.
        target: the module that the candidate tests.
        environment: an interpreter with what the module needs; it need not have pytest.
        files: the candidate, by relative name.
        policy: repeats, seed, mutants, ...
        scratch: an empty folder of its own.
        sandbox: the only way to run anything.
        environments: builds the overlay with pytest and coverage.
        provenance: where the candidate comes from.
        requirements: packages that the tests need besides pytest, as pinned requirement lines.
        case_limit_s: seconds that one test may take.
        cores: processes at a time.
    """

    root: Path
    target: Target
    environment: Environment
    files: Mapping[str, bytes]
    policy: Policy
    scratch: Path
    sandbox: Sandbox
    environments: Environments
    provenance: Provenance
    requirements: tuple[str, ...] = ()
    case_limit_s: float = 10.0
    cores: int = 2


@dataclass(frozen=True, slots=True)
class Finding:
    """What verification found.

    Attributes:
        cases: a verdict on each test; a kept one has its id in the delivered file, any other that in the candidate.
        coverage: of the target by the delivered suite, ``None`` where nothing is delivered.
        mutation: mutants that the delivered suite kills.
        files: the suite to deliver, by relative name; empty if no test is kept.
        report: JSON of ``testwright.verification.report.Report``.
        isolation: how far the runs were kept from the machine.
        python: version of the interpreter that ran them, e.g. ``3.12.1``.
        wall_s: seconds that all of it took.
        brief: what another round could mend, without the accepted files.
    """

    cases: tuple[CaseVerdict, ...]
    coverage: Coverage | None
    mutation: Mutation
    files: Mapping[str, bytes]
    report: bytes
    isolation: Isolation
    python: str
    wall_s: float
    brief: Brief | None = None
