"""The only place that sums up a verification: verdicts, the delivered file's docstring, the report. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from testwright import __version__ as version
from testwright.verification.candidate import Candidate
from testwright.verification.conditions import conditions
from testwright.verification.delivery import Delivery
from testwright.verification.inquiry import Finding, Inquiry
from testwright.verification.report import Report, Suspicion
from testwright.verification.runs import PINS
from testwright.verification.scoring import Score
from testwright.verification.trial import Trial
from testwright_schemas import CaseVerdict, Coverage, Mutation


@dataclass(frozen=True, slots=True)
class Summary:
    """Everything that was found.

    Attributes:
        inquiry: what was asked.
        found: the candidate as it was read.
        trial: what its tests did.
        score: what became of the mutants.
        delivery: the file to deliver.
        redundant: verdicts on tests that pass and add nothing.
    """

    inquiry: Inquiry
    found: Candidate
    trial: Trial
    score: Score
    delivery: Delivery
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
        delivery = self.delivery
        return Finding(
            cases=tuple(self._verdicts()),
            coverage=self._coverage,
            mutation=self._mutation,
            files={delivery.name: delivery.content(self._header())} if delivery.ids else {},
            report=self._report(laps).encode(),
            isolation=self.inquiry.sandbox.isolation,
            python=self.trial.python,
            wall_s=sum(laps.values()),
        )

    def _verdicts(self) -> Iterator[CaseVerdict]:
        for case, id_ in self.delivery.ids.items():
            yield CaseVerdict(id=id_, verdict="kept", reason=f"from {case}")
        yield from sorted((*self.trial.verdicts, *self.redundant, *self.delivery.dropped), key=lambda each: each.id)

    def _header(self) -> str:
        """Return the docstring of the delivered file; no time of day, so that the same work gives the same file."""
        origin, coverage, mutation = self.inquiry.provenance, self._coverage, self._mutation
        verdicts = list(self._verdicts())
        lines = [
            f"Tests of {self.inquiry.target.module} by {origin.engine}, verified with testwright {version}.",
            "",
            f"Kept {len(self.delivery.ids)} of {len(verdicts)} tests; made for snapshot {origin.snapshot_digest[:12]}.",
        ]
        if coverage is not None:
            branch = "" if coverage.branch is None else f", branches {coverage.branch:.1f} %"
            lines.append(f"Coverage of the module: lines {coverage.line:.1f} %{branch}.")
        if mutation.score is not None:
            sample = " of a sample" if mutation.sampled else ""
            lines.append(f"Mutants noticed: {mutation.killed} of {mutation.total}{sample} ({mutation.score:.1f} %).")
        return "\n".join(lines) + "\n"

    def _report(self, laps: Mapping[str, float]) -> Report:
        inquiry, measured = self.inquiry, self.delivery.measured
        total = measured.total if measured is not None and self.delivery.ids else None
        return Report(
            testwright=version,
            engine=inquiry.provenance.engine,
            task_id=inquiry.provenance.task_id,
            module=inquiry.target.module,
            snapshot=inquiry.provenance.snapshot_digest,
            python=self.trial.python,
            pins=(*PINS, *inquiry.requirements),
            isolation=inquiry.sandbox.isolation,
            seed=inquiry.policy.seed,
            conditions=tuple(each.describe() for each in conditions(inquiry.policy.repeats, inquiry.policy.seed)),
            verdicts=tuple(self._verdicts()),
            delivered=(self.delivery.name,) if self.delivery.ids else (),
            coverage=self._coverage,
            missing_lines=tuple(total.missing_lines) if total else (),
            missing_branches=tuple(total.missing_branches) if total else (),
            mutation=self._mutation,
            mutation_note=self.score.note,
            survivors=self.score.survivors(self.delivery.ids),
            suspicions=tuple(self._suspicions()),
            timings_s=dict(laps),
        )

    def _suspicions(self) -> Iterator[Suspicion]:
        for verdict in self.trial.verdicts:
            if verdict.verdict == "suspected-bug":
                yield Suspicion(id=verdict.id, reason=verdict.reason, source=self.found.source_of(verdict.id))
