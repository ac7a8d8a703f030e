"""Suite: candidates, verdicts and what they were judged by."""

from typing import Literal, TypeVar

from testwright_schemas._base import Count, Digest, Percent, Record, Seconds

N = TypeVar("N", int, float)

Verdict = Literal[
    "kept",
    "failing",
    "flaky",
    "vacuous",
    "order-dependent",
    "redundant",
    "suspected-bug",
    "unsafe",
    "too-slow",
    "not-collected",
]
Isolation = Literal["bubblewrap", "docker", "landlock", "process-group", "none"]
"""How far the run was kept from the machine: ``bubblewrap`` and ``docker`` (a container for each run) have no network
and their own file system view;
``process-group`` has limits and a cleared environment only; ``none`` ran nothing of the user's (echo)."""


class Artifact(Record, frozen=True, kw_only=True):
    """A file in the object store ``testwright-artifacts``."""

    name: str
    digest: Digest
    size: Count


class Coverage(Record, frozen=True, kw_only=True):
    """Coverage of the target module by the kept tests, in percent as coverage.py reports it.

    ``branch`` is ``None`` where the module has no branches.
    """

    line: Percent
    branch: Percent | None = None
    covered_lines: Count = 0
    total_lines: Count = 0
    covered_branches: Count = 0
    total_branches: Count = 0


class Mutation(Record, frozen=True, kw_only=True):
    """Mutants killed by the kept tests; ``score`` is killed / total in percent, ``None`` where nothing was scored.

    ``sampled`` says that not every mutant was run: the budget ended or the number was capped.
    """

    killed: Count = 0
    total: Count = 0
    score: Percent | None = None
    sampled: bool = False


class CaseVerdict(Record, frozen=True, kw_only=True):
    """The verdict on one test: ``id`` is its pytest node id, ``reason`` says why in one line."""

    id: str
    verdict: Verdict
    reason: str = ""


class Usage(Record, frozen=True, kw_only=True):
    """What an engine consumed. Unknown cost is ``None``, never 0."""

    model: str | None = None
    input_tokens: Count | None = None
    output_tokens: Count | None = None
    cost_usd: float | None = None
    wall_s: Seconds = 0.0

    def plus(self, other: "Usage") -> "Usage":
        """Return the sum, with the model that was used last.

        What is not known of one that has used a model is not known of the sum; one without a model has used nothing
        that could be unknown.
        """
        asked = [usage for usage in (self, other) if usage.model is not None]
        return Usage(
            model=other.model or self.model,
            input_tokens=_sum([usage.input_tokens for usage in asked]),
            output_tokens=_sum([usage.output_tokens for usage in asked]),
            cost_usd=_sum([usage.cost_usd for usage in asked]),
            wall_s=self.wall_s + other.wall_s,
        )


def _sum(parts: list[N | None]) -> N | None:
    known = [part for part in parts if part is not None]
    return sum(known[1:], known[0]) if known and len(known) == len(parts) else None


class Survivor(Record, frozen=True, kw_only=True):
    """A change of the target that the suite does not notice: ``text`` is the unchanged line."""

    line: int
    operator: str
    text: str


class Brief(Record, frozen=True, kw_only=True):
    """What another round of the same task should mend, after what earlier rounds have achieved.

    Attributes:
        line: line coverage reached so far, in percent.
        missing_lines: of the target, not run by any accepted test.
        missing_branches: from line, to line (negative: leaves the function or module that begins there).
        survivors: mutants that no accepted test notices.
        rejected: tests of the last round that were not kept, with the reason.
        accepted: files of the suite that was accepted so far.
    """

    line: Percent | None = None
    missing_lines: tuple[int, ...] = ()
    missing_branches: tuple[tuple[int, int], ...] = ()
    survivors: tuple[Survivor, ...] = ()
    rejected: tuple[CaseVerdict, ...] = ()
    accepted: tuple[Artifact, ...] = ()


class Judgement(Record, frozen=True, kw_only=True):
    """Everything that verification found out about a candidate.

    ``omitted`` verdicts did not fit into a message, those on kept tests last of all; the report has them all.
    ``brief`` says what another round could mend.
    """

    cases: tuple[CaseVerdict, ...] = ()
    omitted: Count = 0
    coverage: Coverage | None = None
    mutation: Mutation = Mutation()
    files: tuple[Artifact, ...] = ()
    report: Artifact | None = None
    isolation: Isolation = "none"
    python: str = ""
    wall_s: Seconds = 0.0
    brief: Brief | None = None

    @property
    def kept(self) -> int:
        """Number of tests that were kept."""
        return sum(case.verdict == "kept" for case in self.cases)
