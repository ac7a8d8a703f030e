"""Runs of workflows in a test's own process, each as if it were a process of its own."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import anyio

from tests.support.world import World
from testwright.bus.memory import MemoryBus
from testwright.engines import Progress
from testwright.sandbox.local import LocalSandbox
from testwright.verification.inquiry import Finding
from testwright.workflow.definition import check
from testwright.workflow.driver import FOLLOWED, begin, drive
from testwright.workflow.stages import Function, Tools
from testwright_schemas import (
    CallFunction,
    CaseVerdict,
    Mutation,
    Plan,
    RunCommand,
    RunWorkflow,
    StageFinished,
    StageSpec,
    Verdict,
    VerifySuite,
    WorkflowFinished,
    subjects,
)


class Rejudge:
    """Judges suites again: one test passes, another has the verdict ``second``."""

    def __init__(self) -> None:
        self.second: Verdict = "kept"
        self.items: list[VerifySuite] = []

    async def __call__(self, item: VerifySuite, snapshot: bytes, candidate: bytes, progress: Progress) -> Finding:
        await progress("judging")
        self.items.append(item)
        return Finding(
            cases=(CaseVerdict(id="test_a", verdict="kept"), CaseVerdict(id="test_b", verdict=self.second)),
            coverage=None,
            mutation=Mutation(),
            files={"test_kept.py": b"def test_a():\n    pass\n"},
            report=b"",
            isolation="none",
            python="3.11",
            wall_s=0.0,
        )


def shell(name: str, script: str, *needs: str, **options: object) -> StageSpec:
    """Return a stage that runs a line of shell."""
    work = RunCommand(argv=("sh", "-c", script), **options)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  of a command
    return StageSpec(name=name, work=work, needs=needs)


def calling(name: str, *needs: str) -> StageSpec:
    """Return a stage that calls the function of its name."""
    return StageSpec(name=name, work=CallFunction(name=name), needs=needs)


class Gate:
    """A function of a stage that a test holds: it says that it has begun, and ends when it is let through."""

    def __init__(self) -> None:
        self.began = anyio.Event()
        self.open = anyio.Event()
        self.calls = 0

    async def __call__(self) -> None:
        self.calls += 1
        self.began.set()
        await self.open.wait()


class Runner:
    """Drives one run on a world."""

    def __init__(self, world: World, root: Path, *stages: StageSpec, run_id: str = "run-1", **options: str) -> None:
        self.world = world
        self.root = root
        self.run_id = run_id
        self.judge = Rejudge()
        self.plan = check(Plan(stages=stages, **options))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  on_failure

    def tools(self, functions: Mapping[str, Function] | None = None) -> Tools:
        """Return what driving takes."""
        return Tools(self.world.server.now, "worker", self.judge, LocalSandbox(), functions or {})

    def command(self) -> RunWorkflow:
        """Return the command that asks for the run."""
        return RunWorkflow(
            namespace="default",
            run_id=self.run_id,
            plan=self.plan,
            root=str(self.root),
            submitted_at=self.world.server.now(),
        )

    async def __call__(self, functions: Mapping[str, Function] | None = None) -> WorkflowFinished:
        """Drive the run to its end."""
        tools = self.tools(functions)
        with anyio.fail_after(30):
            await begin(self.world.bus, tools, self.command())
            return await drive(self.world.bus, tools, "default", self.run_id)

    async def go_on(self, functions: Mapping[str, Function] | None = None) -> WorkflowFinished:
        """Drive the run to its end as a process that did not begin it."""
        async with self.world.server.connect("successor") as bus:
            with anyio.fail_after(30):
                return await drive(bus, self.tools(functions), "default", self.run_id)

    @asynccontextmanager
    async def process(
        self, functions: Mapping[str, Function] | None = None
    ) -> AsyncGenerator[tuple[MemoryBus, Callable[[], Awaitable[None]]]]:
        """Drive the run beside the body; yields its connection, and what kills it as a crash would."""
        gone = anyio.Event()
        tools = self.tools(functions)
        async with self.world.server.connect("process") as bus, anyio.create_task_group() as tg:
            await begin(bus, tools, self.command())
            scope = anyio.CancelScope()

            async def live() -> None:
                try:
                    with scope:
                        await drive(bus, tools, "default", self.run_id)
                finally:
                    gone.set()

            async def kill() -> None:
                bus.kill()
                scope.cancel()
                await gone.wait()

            tg.start_soon(live)
            yield bus, kill
            tg.cancel_scope.cancel()

    async def ends(self) -> dict[str, StageFinished]:
        """Return the ends of stages."""
        wanted = subjects.workflow_event("default", self.run_id, "stage-finished.*")
        found = [FOLLOWED.decode(one.data) async for one in self.world.bus.last_per_subject(subjects.EVENTS, [wanted])]
        return {event.stage: event for event in found if isinstance(event, StageFinished)}
