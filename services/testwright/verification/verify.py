"""The order of verification: read, try out, measure, score, choose, deliver, sum up."""

import anyio

from testwright.errors import VerificationError
from testwright.verification import candidate, redundancy
from testwright.verification.delivery import Delivery, deliver
from testwright.verification.inquiry import Finding, Inquiry, Progress
from testwright.verification.report import EnvironmentRecord, lock_digest
from testwright.verification.runs import prepare
from testwright.verification.scoring import Score, score
from testwright.verification.summary import Evidence, Summary
from testwright.verification.trial import try_out
from testwright_schemas import CaseVerdict


async def verify(inquiry: Inquiry, progress: Progress) -> Finding:
    """Judge a candidate, test by test, and make the suite to deliver from what is kept.

    Raises:
        VerificationError: nothing can be judged: there is no test file (``empty-candidate``), the target cannot be
            imported (``target-not-importable``) or has the name of what tests run with (``name-clash``), pytest cannot
            run (``environment-unusable``).
        EnvironmentBuildError: pytest cannot be installed for the interpreter.
        SandboxError: the sandbox cannot be started.
    """
    clock = _Clock()
    found = candidate.read(inquiry.files, inquiry.environment.version)
    if not found.cases and not found.rejected:
        raise VerificationError("empty-candidate", "the candidate holds no test")
    await progress(f"checking {len(found.cases)} tests", tests=len(found.cases))
    bench = await prepare(inquiry)
    environment = await _environment(inquiry)
    clock.lap("prepare")
    trial = await try_out(bench, found)
    clock.lap("repeat")
    await progress(f"{len(trial.passing)} of {len(found.cases)} tests pass throughout", tests=len(trial.passing))
    result = Score(note="there is no test to score")
    delivery, redundant = Delivery(), list[CaseVerdict]()
    if trial.measurement is not None and trial.passing:
        chosen, others = redundancy.by_gain(trial.passing, trial.measurement.arcs)
        result = await score(bench, trial, trial.measurement, [*chosen, *others], progress)
        clock.lap("mutants")
        chosen, others = ([case for case in cases if case not in result.hollow] for cases in (chosen, others))
        worth = redundancy.worth_keeping(chosen, others, result.mutants)
        if result.sampled:
            worth.update(redundancy.on_paths_of_their_own(worth, others, trial.measurement.arcs))
        redundant = [_unneeded(case, result) for case in trial.passing if case not in worth]
        kept = [case for case in trial.passing if case in worth]
        delivery = await deliver(bench, found, kept, result.mutants)
        clock.lap("deliver")
    evidence = Evidence(environment, bench.conditions(), tuple(bench.diary))
    finding = Summary(inquiry, found, trial, result, delivery, evidence, tuple(redundant)).finding(clock.laps)
    await progress(
        f"{len(delivery.ids)} tests kept",
        tests=len(delivery.ids),
        coverage=finding.coverage.line if finding.coverage else None,
    )
    return finding


async def _environment(inquiry: Inquiry) -> EnvironmentRecord:
    lock = await inquiry.environments.lock(inquiry.environment)
    return EnvironmentRecord(
        digest=inquiry.environment.digest,
        lock=lock,
        lock_digest=lock_digest(lock),
        built=inquiry.policy.python is None,
    )


def _unneeded(case: str, score: Score) -> CaseVerdict:
    if case in score.hollow:
        return CaseVerdict(id=case, verdict="vacuous", reason="passes even where the module under test is ruined")
    tried = len(score.mutants)
    also = f" and notices none of {tried} mutants that others do not" if tried else ""
    return CaseVerdict(id=case, verdict="redundant", reason=f"adds no coverage{also}")


class _Clock:
    """Seconds by step."""

    def __init__(self) -> None:
        self._started = self._last = anyio.current_time()
        self.laps: dict[str, float] = {}

    def lap(self, step: str) -> None:
        now = anyio.current_time()
        self.laps[step] = round(now - self._last, 3)
        self._last = now
