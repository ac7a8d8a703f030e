"""The only place that sums up a verification: verdicts, the delivered file's docstring, the report. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from testwright import __version__ as version
from testwright.verification.briefing import brief
from testwright.verification.candidate import Candidate
from testwright.verification.conditions import Condition
from testwright.verification.delivery import Delivery
from testwright.verification.inquiry import Finding, Inquiry
from testwright.verification.report import (
    EnvironmentRecord,
    MutantRecord,
    Report,
    RunRecord,
    Suspicion,
    sha256,
)
from testwright.verification.runs import PINS
from testwright.verification.scoring import Score, is_killed
from testwright.verification.trial import Trial
from testwright_schemas import Artifact, CaseVerdict, Coverage, Mutation

MOST_SOURCE = 1_000_000
"""Characters of the target that the report keeps."""
MOST_OUTPUTS = 100
"""Tests whose output the report keeps."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the runs took place in, and how they went."""

    environment: EnvironmentRecord = field(default_factory=EnvironmentRecord)
    conditions: tuple[Condition, ...] = ()
    runs: tuple[RunRecord, ...] = ()


@dataclass(frozen=True, slots=True)
class Summary:
    """Everything that was found.

    Attributes:
        inquiry: what was asked.
        found: the candidate as it was read.
        trial: what its tests did.
        score: what became of the mutants.
        delivery: the file to deliver.
        evidence: how it was found.
        redundant: verdicts on tests that pass and add nothing.
    """

    inquiry: Inquiry
    found: Candidate
    trial: Trial
    score: Score
    delivery: Delivery
    evidence: Evidence = field(default_factory=Evidence)
    redundant: Sequence[CaseVerdict] = field(default=())

    @property
    def _coverage(self) -> Coverage | None:
        measured = self.delivery.measured
        return measured.coverage if measured and self.delivery.ids else None

    @property
    def _mutation(self) -> Mutation:
        return self.score.mutation(self.delivery.ids)

    def finding(self, laps: Mapping[str, float]) -> Finding:
        """Return the answer; ``laps`` are seconds by step."""
        report = self._report(laps)
        return Finding(
            cases=tuple(self._verdicts()),
            coverage=self._coverage,
            mutation=self._mutation,
            files=self._files(),
            report=report.encode(),
            isolation=self.inquiry.sandbox.isolation,
            python=self.trial.python,
            wall_s=sum(laps.values()),
            brief=brief(report),
        )

    def _files(self) -> dict[str, bytes]:
        delivery = self.delivery
        return {delivery.name: delivery.content(self._header())} if delivery.ids else {}

    def _verdicts(self) -> Iterator[CaseVerdict]:
        for case, id_ in self.delivery.ids.items():
            yield CaseVerdict(id=id_, verdict="kept", reason=f"from {case}")
        yield from sorted((*self.trial.verdicts, *self.redundant, *self.delivery.dropped), key=lambda each: each.id)

    def _header(self) -> str:
        """Return the docstring of the delivered file; no time of day, so that the same work gives the same file."""
        origin, coverage, mutation = self.inquiry.provenance, self._coverage, self._mutation
        facts: list[str] = []
        if coverage is not None:
            facts.append(f"lines {coverage.line:.1f} %")
            facts += [] if coverage.branch is None else [f"branches {coverage.branch:.1f} %"]
        if mutation.score is not None:
            sample = " of a sample" if mutation.sampled else ""
            facts.append(f"{mutation.killed} of {mutation.total} mutants{sample} noticed")
        lines = [
            f"Tests of {self.inquiry.target.module}, written by {origin.engine}, verified by testwright {version}."
        ]
        if facts:
            lines += ["", f"Coverage: {', '.join(facts)}."]
        if self.inquiry.requirements:
            lines += ["", f"Besides pytest they need {', '.join(self.inquiry.requirements)}."]
        return "\n".join(lines) + "\n"

    def _report(self, laps: Mapping[str, float]) -> Report:
        inquiry, measured = self.inquiry, self.delivery.measured
        total = measured.total if measured is not None and self.delivery.ids else None
        files = self._files()
        return Report(
            testwright=version,
            engine=inquiry.provenance.engine,
            task_id=inquiry.provenance.task_id,
            module=inquiry.target.module,
            target=inquiry.target,
            policy=inquiry.policy,
            snapshot=inquiry.provenance.snapshot_digest,
            candidate=inquiry.provenance.candidate_digest,
            environment=self.evidence.environment,
            python=self.trial.python,
            pins=(*PINS, *inquiry.requirements),
            isolation=inquiry.sandbox.isolation,
            seed=inquiry.policy.seed,
            conditions=tuple(each.describe() for each in self.evidence.conditions),
            runs=self.evidence.runs,
            verdicts=tuple(self._verdicts()),
            outputs=dict(islice(self.trial.outputs.items(), MOST_OUTPUTS)),
            delivered=tuple(sorted(files)),
            files=tuple(
                Artifact(name=name, digest=sha256(files[name]), size=len(files[name])) for name in sorted(files)
            ),
            coverage=self._coverage,
            covered_lines=measured.covered_lines if measured and total else (),
            source=self._source(),
            executed_lines=tuple(total.executed_lines) if total else (),
            missing_lines=tuple(total.missing_lines) if total else (),
            missing_branches=tuple(total.missing_branches) if total else (),
            mutation=self._mutation,
            mutation_note=self.score.note,
            mutants=tuple(self._mutants()),
            survivors=self.score.survivors(self.delivery.ids),
            suspicions=tuple(self._suspicions()),
            usage=inquiry.provenance.usage,
            timings_s=dict(laps),
        )

    def _source(self) -> str:
        path = self.inquiry.root / self.inquiry.target.path
        return path.read_bytes().decode(errors="replace")[:MOST_SOURCE]

    def _mutants(self) -> Iterator[MutantRecord]:
        for each in sorted(self.score.mutants, key=lambda mutant: mutant.number):
            yield MutantRecord(
                number=each.number,
                line=each.line,
                operator=each.operator,
                before=each.before,
                after=each.after,
                fate=each.fate,
                killer=self.delivery.ids.get(each.by, each.by),
                killed=is_killed(each, self.delivery.ids),
            )

    def _suspicions(self) -> Iterator[Suspicion]:
        for verdict in self.trial.verdicts:
            if verdict.verdict == "suspected-bug":
                yield Suspicion(id=verdict.id, reason=verdict.reason, source=self.found.source_of(verdict.id))
