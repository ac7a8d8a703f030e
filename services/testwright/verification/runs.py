"""The only place that starts runs in the sandbox and listens to them."""

import itertools
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice
from pathlib import Path

import anyio

from testwright.errors import EnvironmentBuildError, VerificationError
from testwright.sandbox import Command, Completed, Limits
from testwright.verification import events
from testwright.verification._runner.plan import Mode, Plan
from testwright.verification.conditions import LATER_S, REFERENCE, Condition, conditions
from testwright.verification.events import AnyEvent
from testwright.verification.inquiry import Inquiry
from testwright.verification.judging import Outcome, combine
from testwright.verification.report import RunRecord

PINS = ("pytest==9.2.0", "coverage==7.17.3")
"""What tests run with, besides the project's own packages. The overlay adds what these need."""

CLOCK = "time-machine==3.6.0"
"""What sets the clock ahead in one of the repeats; it lies in an overlay of its own, out of the project's sight."""

COLLECT_LIMIT_S = 60.0
STDERR_CHARS = 2_000
"""Of a run's standard error, from its end, that its record keeps."""
MOST_EXCEPTIONS = 100
"""Tests that did not pass, whose ends the record of a run names."""
MOST_EVENTS = 500_000
"""More than that, only a suite that means harm has to say."""

_SHARES: dict[Mode, float] = {"apart": 1 / 15, "together": 1 / 5}
"""Most of a verification's time that one such run may take. Tests that are not done apart by then count as too slow;
the others can be repeated in time, because a repeat takes no longer than all of them apart do on one core."""
_LEAST_S = 30.0
"""What a run gets of a short time."""

_RUNNER = Path(__file__).with_name("_runner")


@dataclass(frozen=True)
class Heard:
    """What a run said, and how it ended."""

    events: Sequence[AnyEvent]
    completed: Completed

    @cached_property
    def outcomes(self) -> dict[str, Outcome]:
        """How each test ended that came to its end."""
        return combine(event for event in self.events if isinstance(event, events.Finished))

    @property
    def ended(self) -> bool:
        """Whether the run came to its own end."""
        return any(isinstance(event, events.Ended) for event in self.events)

    @property
    def late(self) -> bool:
        """Whether the run, or one step of it, was ended because it took too long."""
        return self.completed.timed_out or any(isinstance(event, events.Overdue) for event in self.events)

    @property
    def python(self) -> str:
        """Full version of the interpreter."""
        return next((event.python for event in self.events if isinstance(event, events.Prepared)), "")

    def lost(self, cases: Collection[str]) -> dict[str, Outcome]:
        """Return the tests that cannot be run again, because one of them ended the run; all where none is to blame."""
        unfinished = [case for case in cases if case not in self.outcomes]
        if self.completed.timed_out:
            return dict.fromkeys(unfinished, Outcome("hung", reason="the time for all tests was over"))
        hung = self.late
        last = next((event for event in reversed(self.events) if isinstance(event, _PLACES)), None)
        match last:
            case events.Started(case=case):
                what = "not done in time with others" if hung else "ended the process of all tests"
                return {case: Outcome("hung" if hung else "died", reason=what)}
            case events.Collecting(file=file):
                what = f"importing {file} " + ("is not done in time" if hung else "ends the process")
                blamed = [case for case in cases if case.startswith(f"{file}::")]
                return dict.fromkeys(blamed or unfinished, Outcome("hung" if hung else "died", reason=what))
            case _:
                return dict.fromkeys(unfinished, Outcome("died", reason="the run ended early"))


_PLACES = (events.Started, events.Collecting, events.Collected)


@dataclass(frozen=True)
class Observation:
    """A run to which every test has an outcome, as far as pytest found it."""

    outcomes: dict[str, Outcome]
    heard: Heard


@dataclass(frozen=True)
class Bench:
    """Where the runs of one verification take place.

    Attributes:
        inquiry: what is verified.
        overlay: folder with pytest and coverage.
        clock: folder with what sets the clock ahead; ``None`` where there is no such thing for the interpreter.
        diary: how each run went, in order.
    """

    inquiry: Inquiry
    overlay: Path
    clock: Path | None = None
    diary: list[RunRecord] = field(default_factory=list[RunRecord])
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    async def lay_out(self, name: str, files: dict[str, str]) -> Path:
        """Write a suite into a folder of its own, with a configuration of ours that keeps any other from being found.

        Returns:
            The folder.
        """
        folder = anyio.Path(self.inquiry.scratch / name)
        await folder.mkdir(parents=True)
        await (folder / "pytest.ini").write_text("[pytest]\n")
        for file, text in files.items():
            await (folder / file).write_text(text, encoding="utf-8")
        return Path(folder)

    def plan(self, mode: Mode, suite: Path, cases: Sequence[str]) -> Plan:
        """Return the plan of a run of these tests."""
        inquiry = self.inquiry
        root = inquiry.root.resolve()
        return Plan(
            mode=mode,
            token=secrets.token_hex(8),
            module=inquiry.target.module,
            path=str(root / inquiry.target.path),
            paths=[str(root / inquiry.target.import_root)],
            overlay=str(self.overlay),
            clock=str(self.clock or ""),
            suite=str(suite.resolve()),
            files=_files(cases),
            cases=list(cases),
            case_limit_s=inquiry.case_limit_s,
            collect_limit_s=COLLECT_LIMIT_S,
            seed=inquiry.policy.seed,
            jobs=inquiry.cores,
        )

    def conditions(self) -> tuple[Condition, ...]:
        """Return the circumstances of each repeat, as far as this interpreter allows them."""
        policy = self.inquiry.policy
        each = conditions(policy.repeats, policy.seed)
        return each if self.clock else tuple(replace(condition, later=False) for condition in each)

    async def run(
        self,
        plan: Plan,
        condition: Condition = REFERENCE,
        wall_s: float | None = None,
        hear: Callable[[AnyEvent], Awaitable[None]] | None = None,
    ) -> Heard:
        """Run once; ``hear`` is told each event as it comes.

        Raises:
            VerificationError: the interpreter cannot even import pytest (``environment-unusable``), or the target has
                the name of something that tests run with (``name-clash``).
        """
        heard: list[AnyEvent] = []

        async def listen(line: str) -> None:
            event = events.decode(line, plan.token)
            if event is not None and len(heard) < MOST_EVENTS:
                heard.append(event)
                if hear is not None:
                    await hear(event)

        planned = replace(plan, later_s=LATER_S) if condition.later and self.clock else plan
        completed = await self.inquiry.sandbox.run(await self._command(planned, condition, wall_s), listen)
        if not heard:
            raise VerificationError(
                "environment-unusable",
                f"{self.inquiry.environment.python} cannot run pytest in the sandbox",
                log=completed.stderr[-20_000:],
            )
        for event in heard[:2]:
            if isinstance(event, events.Clashed):
                raise VerificationError("name-clash", f"{plan.module} cannot be tested: {event.reason}; rename it")
        result = Heard(heard, completed)
        self.diary.append(_record(plan, condition, result))
        return result

    async def observe(self, plan: Plan, condition: Condition = REFERENCE) -> Observation:
        """Run until every test has had its chance: again without those that end the process of all."""
        lost: dict[str, Outcome] = {}
        cases = plan.cases or []
        while True:
            left = [case for case in cases if case not in lost]
            again = replace(plan, cases=left, files=_files(left), shuffle=condition.shuffle)
            heard = await self.run(again, condition)
            if heard.ended or not left:
                return Observation({**heard.outcomes, **lost}, heard)
            gone = heard.lost(left)
            lost.update(gone or dict.fromkeys(left, Outcome("died", reason="the run ended early")))
            if heard.completed.timed_out:
                return Observation({**heard.outcomes, **lost}, heard)

    async def _command(self, plan: Plan, condition: Condition, wall_s: float | None) -> Command:
        inquiry = self.inquiry
        folder = anyio.Path(inquiry.scratch / f"run-{next(self._numbers)}")
        await folder.mkdir(parents=True)
        if condition.cluttered:
            await (folder / "notes").mkdir()
            await (folder / "notes" / "data.json").write_text('{"left": "here"}\n')
            await (folder / "README.txt").write_text("Not empty.\n")
        return Command(
            argv=[str(inquiry.environment.python), "-P", str(_RUNNER / "__main__.py")],
            cwd=Path(folder),
            env=_environment(condition),
            readable=[*self._readable(), Path(plan.suite)],
            private=[Path(folder)],
            stdin=plan.encode(),
            limits=Limits(wall_s=wall_s or self._wall_s(plan)),
        )

    def _readable(self) -> list[Path]:
        overlays = [self.overlay, self.clock] if self.clock else [self.overlay]
        return [self.inquiry.root, *self.inquiry.environment.prefixes, *overlays, _RUNNER]

    def _wall_s(self, plan: Plan) -> float:
        worst = COLLECT_LIMIT_S * (1 + len(plan.files)) + self.inquiry.case_limit_s * len(plan.cases or [])
        timeout_s = self.inquiry.policy.timeout_s
        share_s = max(_SHARES.get(plan.mode, 1.0) * timeout_s, _LEAST_S)
        return min(worst, share_s, timeout_s)


async def prepare(inquiry: Inquiry, pins: Sequence[str] = PINS) -> Bench:
    """Return a bench with the packages that the tests need besides the project's own: ``pins`` and what was asked for.

    Raises:
        EnvironmentBuildError: they cannot be installed.
    """
    requirements = [*pins, *inquiry.requirements]
    overlay = await inquiry.environments.overlay("verification", requirements, like=inquiry.environment)
    return Bench(inquiry, overlay, await _clock(inquiry))


async def _clock(inquiry: Inquiry) -> Path | None:
    try:
        return await inquiry.environments.overlay("clock", [CLOCK], like=inquiry.environment)
    except EnvironmentBuildError as error:
        if error.retryable:
            raise
        # There is none for every interpreter; the conditions in the report then name no later clock.
        return None


def _record(plan: Plan, condition: Condition, heard: Heard) -> RunRecord:
    completed = heard.completed
    shuffled = replace(condition, shuffle=plan.shuffle)
    return RunRecord(
        mode=plan.mode,
        condition=shuffled.describe(),
        outcomes=dict(Counter(outcome.name for outcome in heard.outcomes.values())),
        exceptions=dict(islice(_exceptions(heard), MOST_EXCEPTIONS)),
        ended=heard.ended,
        returncode=completed.returncode,
        timed_out=completed.timed_out,
        wall_s=round(completed.wall_s, 3),
        stderr=completed.stderr[-STDERR_CHARS:].decode(errors="replace"),
    )


def _exceptions(heard: Heard) -> Iterator[tuple[str, str]]:
    for case, outcome in heard.outcomes.items():
        if not outcome.passed:
            yield case, f"{outcome.name}: {outcome.reason}".rstrip(": ")


def _files(cases: Iterable[str]) -> list[str]:
    return sorted({case.partition("::")[0] for case in cases})


def _environment(condition: Condition) -> dict[str, str]:
    return {
        "LC_ALL": condition.locale,
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": str(condition.hash_seed),
        "TZ": condition.zone,
    }
