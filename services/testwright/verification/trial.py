"""The only place that runs a candidate's tests alone and again and again, and sorts them by what they did."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import anyio

from testwright.errors import TestwrightError, VerificationError
from testwright.verification import events, judging
from testwright.verification._runner.plan import Plan
from testwright.verification.candidate import Candidate, Case
from testwright.verification.conditions import REFERENCE, Condition
from testwright.verification.guard import Guard, guard
from testwright.verification.judging import Outcome, Second
from testwright.verification.measurement import Measurement, measurement
from testwright.verification.runs import Bench, Observation
from testwright_schemas import CaseVerdict


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of it.

    Attributes:
        passing: tests that passed throughout, in the order of the files.
        verdicts: on all others.
        measurement: of the reference run.
        suite: folder with the candidate.
        python: full version of the interpreter.
        outputs: the end of what pytest said of each test that failed.
    """

    passing: tuple[str, ...]
    verdicts: tuple[CaseVerdict, ...]
    measurement: Measurement | None
    suite: Path
    python: str
    outputs: Mapping[str, str] = field(default_factory=dict[str, str])


async def try_out(bench: Bench, candidate: Candidate) -> Trial:
    """Run every test that may count alone, then all together in each condition.

    Raises:
        VerificationError: the target cannot be imported, so that no test can say anything.
    """
    suite = await bench.lay_out("candidate", {source.flat: source.text for source in candidate.sources})
    # A property without an assertion of its own still finds errors: it may fail, but never pass.
    runnable = [case.id for case in candidate.cases.values() if not case.flaw or case.is_property]
    watch = await guard([bench.inquiry.root, suite], bench.inquiry.scratch / "kept", needed=_is_exposed(bench))
    alone = await _apart(bench, suite, runnable, watch)
    if runnable and not any(outcome.passed for outcome in alone.outcomes.values()):
        await _require_import(bench, suite)
    lasting = [case for case in runnable if _may_be_repeated(alone.outcomes.get(case))]
    repeats = await _repeat(bench, suite, lasting) if lasting else []
    if await watch.disturbed():
        alone = _blamed(alone, lasting)
    second = await _look_again(bench, suite, lasting, alone, repeats)
    passing: list[str] = []
    verdicts = [*candidate.rejected, *_made_at_run_time(candidate, alone)]
    for case in candidate.cases.values():
        verdict = _judge(case, runnable, (alone, *repeats), second)
        if verdict is None:
            passing.append(case.id)
        else:
            verdicts.append(verdict)
    measured = measurement(repeats[0].heard.events) if repeats else None
    outputs = {case: text for run in (*reversed(repeats), alone) for case, text in _said(run)}
    return Trial(tuple(passing), tuple(verdicts), measured, suite, alone.heard.python, outputs)


def _is_exposed(bench: Bench) -> bool:
    return bench.inquiry.sandbox.isolation != "bubblewrap"


async def _apart(bench: Bench, suite: Path, cases: list[str], watch: Guard) -> Observation:
    """Run each test alone; a second time without those that changed the project, because others saw it changed."""
    first = await bench.observe(bench.plan("apart", suite, cases))
    if not await watch.disturbed():
        return first
    guilty = {case: outcome for case, outcome in first.outcomes.items() if outcome.touched}
    others = [case for case in cases if case not in guilty]
    second = await bench.observe(bench.plan("apart", suite, others)) if guilty and others else first
    merged = Observation({**second.outcomes, **guilty}, first.heard)
    return _blamed(merged, others) if not guilty or await watch.disturbed() else merged


def _blamed(observation: Observation, cases: Sequence[str]) -> Observation:
    """Return what was observed, with these tests suspected together: one of them changed what it may not."""
    what = ("changes files of the project, or another of the tests run with it does",)
    blamed = {
        case: replace(outcome, touched=what)
        for case, outcome in observation.outcomes.items()
        if case in cases and not outcome.touched
    }
    return replace(observation, outcomes={**observation.outcomes, **blamed})


def _said(observation: Observation) -> Iterator[tuple[str, str]]:
    return ((case, outcome.detail) for case, outcome in observation.outcomes.items() if outcome.detail)


async def _require_import(bench: Bench, suite: Path) -> None:
    heard = await bench.run(bench.plan("import", suite, []))
    lost = "it is not done in time" if heard.late else "it ends the process"
    reason = next((event.reason for event in heard.events if isinstance(event, events.Imported)), lost)
    if reason:
        module = bench.inquiry.target.module
        raise VerificationError(
            "target-not-importable", f"{module} cannot be imported: {reason}", log=heard.completed.stderr[-20_000:]
        )


def _may_be_repeated(outcome: Outcome | None) -> bool:
    return outcome is not None and outcome.name in {"passed", "failed"} and not outcome.touched


async def _repeat(bench: Bench, suite: Path, cases: list[str]) -> list[Observation]:
    """Run in each condition; the first, the reference, is measured."""
    plan = bench.plan("together", suite, cases)
    return await observe_all(
        bench, [(replace(plan, measure=index == 0), condition) for index, condition in enumerate(bench.conditions())]
    )


async def _look_again(
    bench: Bench, suite: Path, cases: list[str], alone: Observation, repeats: Sequence[Observation]
) -> Second | None:
    """Run again in equal conditions where a test did not always do the same; ``None`` where all did."""
    outcomes = {case: alone.outcomes[case] for case in cases}
    doubtful = judging.unstable(outcomes, [repeat.outcomes for repeat in repeats])
    if not doubtful:
        return None
    # The first shuffled repeat in which one of them failed, or else the first there is, without its other changes.
    shuffled = [
        (condition, repeat)
        for condition, repeat in zip(bench.conditions(), repeats, strict=True)
        if condition.shuffle is not None
    ]
    guilty = [condition for condition, repeat in shuffled if any(_failed(repeat, case) for case in doubtful)]
    order = (guilty or [condition for condition, _ in shuffled] or [REFERENCE])[0]
    together = bench.plan("together", suite, cases)
    again = await observe_all(
        bench,
        [
            (bench.plan("apart", suite, doubtful), REFERENCE),
            (together, REFERENCE),
            (together, replace(REFERENCE, shuffle=order.shuffle)),
        ],
    )
    return Second(*(observation.outcomes for observation in again))


async def observe_all(bench: Bench, runs: Sequence[tuple[Plan, Condition]]) -> list[Observation]:
    """Make several observations, as many at a time as there are cores; in their order."""
    limiter = anyio.CapacityLimiter(bench.inquiry.cores)
    result: dict[int, Observation] = {}

    async def one(index: int, plan: Plan, condition: Condition) -> None:
        async with limiter:
            result[index] = await bench.observe(plan, condition)

    try:
        async with anyio.create_task_group() as group:
            for index, (plan, condition) in enumerate(runs):
                group.start_soon(one, index, plan, condition)
    except* TestwrightError as errors:
        # All fail for the same reason, if any does.
        raise errors.exceptions[0] from None
    return [result[index] for index in range(len(runs))]


def _failed(observation: Observation, case: str) -> bool:
    return case not in observation.outcomes or not observation.outcomes[case].passed


def _judge(
    case: Case, runnable: Sequence[str], observations: Sequence[Observation], second: Second | None
) -> CaseVerdict | None:
    if case.id not in runnable:
        return CaseVerdict(id=case.id, verdict="vacuous", reason=case.flaw)
    alone, *repeats = observations
    verdict = judging.judge(case, alone.outcomes, [repeat.outcomes for repeat in repeats], second)
    if verdict is not None and verdict.verdict == "not-collected":
        return CaseVerdict(id=case.id, verdict="not-collected", reason=_why_uncollected(case, alone) or verdict.reason)
    return verdict


def _why_uncollected(case: Case, observation: Observation) -> str:
    reports = (event for event in observation.heard.events if isinstance(event, events.Uncollected))
    return next((report.reason for report in reports if case.id.startswith(f"{report.file}::")), "")


def _made_at_run_time(candidate: Candidate, observation: Observation) -> list[CaseVerdict]:
    """Judge tests that pytest finds and the source does not show, inherited ones for instance."""
    known = candidate.cases
    reports = (event for event in observation.heard.events if isinstance(event, events.Collected))
    unseen = sorted({case for report in reports for case in report.cases} - known.keys())
    reason = "made at run time: its source, and so what it asserts, cannot be seen"
    return [CaseVerdict(id=case, verdict="vacuous", reason=reason) for case in unseen]
