"""The only place that does a verification again from its bundle, and says whether what it found still holds."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import PurePosixPath

import anyio
from msgspec import structs

from testwright.environments import Environment, Environments
from testwright.errors import EnvironmentBuildError, VerificationError
from testwright.sandbox import Sandbox
from testwright.verification import events
from testwright.verification._runner.plan import Plan
from testwright.verification.bundle import Bundle
from testwright.verification.inquiry import Inquiry, Progress, Provenance
from testwright.verification.links import account
from testwright.verification.measurement import Measurement, measurement
from testwright.verification.report import MutantRecord, Report
from testwright.verification.runs import COLLECT_LIMIT_S, Bench, Observation, prepare
from testwright.verification.trial import observe_all
from testwright.workspace import Workspace, workspace
from testwright_schemas import Coverage, Isolation, Record

LEAST_BUDGET_S = 60.0
"""Seconds that mutants get at least: they are the noticed ones only, and must all be run."""


class Recheck(Record, frozen=True, kw_only=True):
    """What came of it.

    Attributes:
        holds: whether all of it does.
        differences: why not, one sentence each.
        notes: what else to know.
        tests: that passed in every run.
        expected_tests: that the report says are kept.
        processes: fresh ones in which they were run.
        coverage: now; ``None`` where nothing was measured.
        killed: mutants noticed now, of those that the report says are noticed.
        expected_killed: number of those.
        python: version of the interpreter now.
        isolation: of the runs now.
        wall_s: seconds.
    """

    holds: bool
    differences: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    tests: int = 0
    expected_tests: int = 0
    processes: int = 0
    coverage: Coverage | None = None
    killed: int = 0
    expected_killed: int = 0
    python: str = ""
    isolation: Isolation = "none"
    wall_s: float = 0.0


async def recheck(bundle: Bundle, sandbox: Sandbox, environments: Environments, progress: Progress) -> Recheck:
    """Check the digests of a bundle and, where they are right, run its evidence again.

    Raises:
        EnvironmentBuildError: the environment that the report records cannot be built here.
        VerificationError: pytest cannot run in it (``environment-unusable``).
        SandboxError: the sandbox cannot be started.
    """
    told = account(bundle)
    if told.flaws:
        return Recheck(holds=False, differences=told.flaws)
    report, finished = told.report, told.finished
    if report is None or not report.files or finished is None:
        outcome = f"the task is {finished.outcome}" if finished else "nothing is told"
        return Recheck(holds=True, notes=(f"{outcome}: there is no suite to run again",))
    started = anyio.current_time()
    async with workspace(bundle.snapshot) as space:
        await progress("building the environment")
        environment, notes = await _environment(report, space, environments)
        again = _Again(report, bundle, await _bench(report, space, environment, sandbox, environments))
        try:
            found = await again.run(progress)
        except VerificationError as error:
            if error.cause == "environment-unusable":
                raise
            found = Recheck(holds=False, differences=(str(error),))
    wall_s = round(anyio.current_time() - started, 3)
    if found.python and found.python != report.python:
        notes.append(f"verified with Python {report.python}, run again with {found.python}")
    return structs.replace(found, notes=tuple(notes), isolation=sandbox.isolation, wall_s=wall_s)


async def _environment(report: Report, space: Workspace, environments: Environments) -> tuple[Environment, list[str]]:
    """Return the project's environment if it still is the recorded one, else one built from the recorded lock."""
    target, lock = report.target, report.environment.lock
    python = report.policy.python if report.policy else None
    if target is not None:
        try:
            found = await environments.for_project(space.root, target, python)
            if await environments.lock(found) == lock:
                return found, []
        except EnvironmentBuildError:
            # What a project asks for may be gone, or resolve to something else by now: the lock says what it was.
            pass
    minor = ".".join(report.python.split(".")[:2])
    return await environments.for_tool("evidence", lock, [minor]), ["the environment was built anew from the lock"]


async def _bench(
    report: Report, space: Workspace, environment: Environment, sandbox: Sandbox, environments: Environments
) -> Bench:
    if report.target is None or report.policy is None:
        raise VerificationError("old-report", "the report is of a version that did not record what it takes")
    inquiry = Inquiry(
        root=space.root,
        target=report.target,
        environment=environment,
        files={},
        policy=report.policy,
        scratch=space.scratch,
        sandbox=sandbox,
        environments=environments,
        provenance=Provenance(report.task_id, report.engine, report.snapshot),
    )
    return await prepare(inquiry, report.pins)


class _Again:
    """One suite run again."""

    def __init__(self, report: Report, bundle: Bundle, bench: Bench) -> None:
        self._report = report
        self._bundle = bundle
        self._bench = bench
        kept = (verdict.id for verdict in report.verdicts if verdict.verdict == "kept")
        self._ids = {_flat(id_): id_ for id_ in kept}

    async def run(self, progress: Progress) -> Recheck:
        bench, cases = self._bench, list(self._ids)
        files = {PurePosixPath(name).name: content.decode() for name, content in self._bundle.suite.items()}
        suite = await bench.lay_out("recheck", files)
        await progress(f"running {len(cases)} tests again", tests=len(cases))
        together = bench.plan("together", suite, cases)
        seen = await observe_all(
            bench,
            [
                *((replace(together, measure=n == 0), each) for n, each in enumerate(bench.conditions())),
                (bench.plan("apart", suite, cases), bench.conditions()[0]),
            ],
        )
        failing = set(self._failing(seen))
        measured = measurement(seen[0].heard.events)
        differences = [*self._told(seen, failing), *self._of_coverage(measured)]
        expected = [mutant for mutant in self._report.mutants if mutant.killed and mutant.number]
        killed = 0
        if expected and measured and not failing:
            await progress(f"running {len(expected)} mutants again")
            missed = await self._missed(expected, suite_plan=together, measured=measured)
            killed = len(expected) - len(missed)
            differences += [_not_noticed(mutant) for mutant in missed[:20]]
        return Recheck(
            holds=not differences,
            differences=tuple(differences),
            tests=len(cases) - len(failing),
            expected_tests=len(cases),
            processes=len(seen),
            coverage=measured.coverage if measured else None,
            killed=killed,
            expected_killed=len(expected),
            python=seen[0].heard.python,
        )

    def _failing(self, seen: Sequence[Observation]) -> Iterator[str]:
        for observation in seen:
            outcomes = observation.outcomes
            yield from (case for case in self._ids if case not in outcomes or not outcomes[case].passed)

    def _told(self, seen: Sequence[Observation], failing: set[str]) -> Iterator[str]:
        for case in sorted(failing):
            reasons = (
                run.outcomes[case].reason for run in seen if case in run.outcomes and not run.outcomes[case].passed
            )
            yield f"{self._ids[case]} does not pass: {next(reasons, 'it is not found')}"
        found = {case for event in seen[0].heard.events if isinstance(event, events.Collected) for case in event.cases}
        for case in sorted(found - self._ids.keys()):
            yield f"{case} is a test that the report does not know"

    def _of_coverage(self, measured: Measurement | None) -> Iterator[str]:
        before, now = self._report.coverage, measured.coverage if measured else None
        if before is None:
            return
        if now is None or measured is None:
            yield "coverage cannot be measured"
            return
        lost = sorted(set(self._report.executed_lines) & set(measured.total.missing_lines))
        if lost or now.covered_lines < before.covered_lines:
            which = ", ".join(map(str, lost[:20]))
            yield f"{now.covered_lines} of {now.total_lines} lines run, not {before.covered_lines}; missing: {which}"
        if now.covered_branches < before.covered_branches:
            yield f"{now.covered_branches} of {now.total_branches} branches are taken, not {before.covered_branches}"

    async def _missed(
        self, expected: list[MutantRecord], *, suite_plan: Plan, measured: Measurement
    ) -> list[MutantRecord]:
        policy = self._bench.inquiry.policy
        budget_s = max(2 * policy.mutants_budget_s, LEAST_BUDGET_S)
        plan = replace(
            suite_plan,
            mode="mutate",
            lines={case: measured.lines.get(case, []) for case in self._ids},
            import_lines=measured.import_lines,
            budget_s=budget_s,
            only=[mutant.number for mutant in expected],
        )
        wall_s = budget_s + 3 * (COLLECT_LIMIT_S + self._bench.inquiry.case_limit_s)
        heard = await self._bench.run(plan, wall_s=wall_s)
        noticed = {
            (event.number, event.line, event.operator)
            for event in heard.events
            if isinstance(event, events.Mutant) and event.fate in {"killed", "timeout"}
        }
        return [each for each in expected if (each.number, each.line, each.operator) not in noticed]


def _flat(id_: str) -> str:
    file, _, rest = id_.partition("::")
    return f"{PurePosixPath(file).name}::{rest}"


def _not_noticed(mutant: MutantRecord) -> str:
    return f"the mutant in line {mutant.line} ({mutant.operator}) is not noticed any more"
