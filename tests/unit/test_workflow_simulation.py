"""Runs under faults, in virtual time: drivers that are killed, a server that loses, repeats, delays and reorders."""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import anyio
import pytest
import trio
import trio.testing
from msgspec.structs import replace

from testwright.bus import Stored
from testwright.bus.memory import Faults, MemoryBus, MemoryServer
from testwright.bus.topology import declare
from testwright.engines import Progress
from testwright.errors import BusClosedError
from testwright.pacing import until
from testwright.sandbox.local import LocalSandbox
from testwright.verification.inquiry import Finding
from testwright.voice import Voice
from testwright.workflow.actor import workflow
from testwright.workflow.definition import check
from testwright.workflow.driver import FOLLOWED
from testwright.workflow.stages import Tools
from testwright_schemas import (
    CallFunction,
    CancelWorkflow,
    Plan,
    Publish,
    RunWorkflow,
    StageFinished,
    StageSpec,
    StageStarted,
    VerifySuite,
    WorkflowCancelRequested,
    WorkflowClaimed,
    WorkflowFinished,
    subjects,
)

PATIENCE_S = 24 * 3600.0
CALM = Faults()


class Process:
    """A workflow actor that is killed now and then, and begins anew."""

    def __init__(self, server: MemoryServer, name: str, tools: Tools) -> None:
        self._server, self._name, self._tools = server, name, tools
        self._bus: MemoryBus | None = None
        self._scope = anyio.CancelScope()

    async def live(self) -> None:
        while True:
            self._scope = anyio.CancelScope()
            with self._scope:
                try:
                    async with self._server.connect(self._name) as self._bus:
                        await workflow(self._bus, self._tools, slots=1).run()
                except* BusClosedError:
                    pass

    def kill(self) -> None:
        if self._bus:
            self._bus.kill()
        self._scope.cancel()

    async def cut_off(self, seconds: float) -> None:
        """Keep it from the server for a while, long enough for another to take over; its work goes on."""
        bus = self._bus
        if bus:
            bus.partition()
            await until(anyio.current_time() + seconds)
            bus.heal()


async def never(item: VerifySuite, snapshot: bytes, candidate: bytes, progress: Progress) -> Finding:
    raise AssertionError("nothing is collected here")


def a_plan(dice: random.Random) -> Plan:
    names = [f"s{number}" for number in range(dice.randint(2, 7))]
    stages = [
        StageSpec(
            name=name,
            work=CallFunction(name=name),
            needs=tuple(other for other in names[:number] if dice.random() < 0.4),
            optional=dice.random() < 0.2,
        )
        for number, name in enumerate(names)
    ]
    return check(Plan(stages=tuple(stages), on_failure=dice.choice(("finish", "cancel"))))


def function(dice: random.Random) -> Callable[[], object]:
    seconds, fails = dice.uniform(0, 60), dice.random() < 0.2

    async def work() -> None:
        await until(anyio.current_time() + seconds)
        if fails:
            raise ValueError("no")

    return work


async def main(seed: int) -> tuple[Plan, list[Stored]]:
    dice = random.Random(seed)
    rate = 0.0 if seed % 5 == 0 else dice.choice((0.05, 0.2))
    faults = Faults(lose_publish=rate, lose_answer=rate, repeat=rate, delay=rate, reorder=rate)
    plan, events = a_plan(dice), list[Stored]()
    topology = declare(("echo",))
    if dice.random() < 0.5:
        # A server that forgets ids at once: nothing may rest on them.
        streams = tuple(replace(stream, duplicate_window_s=0.0) for stream in topology.streams)
        topology = replace(topology, streams=streams)
    functions = {spec.name: function(dice) for spec in plan.stages}
    async with (
        MemoryServer(topology, faults=faults, seed=seed, epoch=datetime(2026, 1, 1, tzinfo=UTC)) as server,
        anyio.create_task_group() as tg,
        server.connect("client") as bus,
    ):
        tools = Tools(server.now, "worker", never, LocalSandbox(), functions)
        processes = [Process(server, f"workflow-{number}", tools) for number in range(2)]
        for process in processes:
            tg.start_soon(process.live)
        with anyio.fail_after(PATIENCE_S):
            await ask(bus, server, plan, dice, processes)
            await over(bus)
            server.faults = CALM
            await until(anyio.current_time() + 3600)
            wanted = [subjects.workflow_event("default", "run-1")]
            last = [one async for one in bus.last_per_subject(subjects.EVENTS, wanted)][-1].sequence
            async with bus.feed(subjects.EVENTS, wanted, after=0) as feed:
                async for stored in feed:
                    events.append(stored)
                    if stored.sequence >= last:
                        break
        tg.cancel_scope.cancel()
    return plan, events


async def ask(
    bus: MemoryBus, server: MemoryServer, plan: Plan, dice: random.Random, processes: Sequence[Process]
) -> None:
    voice = Voice(bus, "client", server.now)
    command = RunWorkflow(namespace="default", run_id="run-1", plan=plan, root=str(Path()), submitted_at=server.now())
    await voice.say(Publish(message=command), {})
    for _ in range(dice.randint(0, 6)):
        await until(anyio.current_time() + dice.uniform(0, 40))
        process = dice.choice(processes)
        if dice.random() < 0.5:
            process.kill()
        else:
            await process.cut_off(dice.uniform(10, 90))
    if dice.random() < 0.3:
        cancel = CancelWorkflow(namespace="default", run_id="run-1", command_id="cancel-1", reason="enough")
        await voice.say(Publish(message=cancel), {})


async def over(bus: MemoryBus) -> None:
    async with bus.feed(subjects.EVENTS, [subjects.workflow_event("default", "run-1", "finished")], after=0) as ends:
        await anext(ends)


@pytest.mark.parametrize("seed", range(25))
def test_whatever_happens_a_run_ends_once_and_repeats_nothing_that_has_ended(seed: int) -> None:
    random.seed(seed)
    clock = trio.testing.MockClock(autojump_threshold=0)

    plan, events = anyio.run(main, seed, backend="trio", backend_options={"clock": clock})

    # A server that forgets ids may keep what is sent to it twice, word by word.
    told = [FOLLOWED.decode(data) for data in dict.fromkeys(stored.data for stored in events)]
    ends = Counter(event.stage for event in told if isinstance(event, StageFinished))
    assert ends == {spec.name: 1 for spec in plan.stages}
    assert sum(isinstance(event, WorkflowFinished) for event in told) == 1
    told = [event for event in told if not isinstance(event, WorkflowCancelRequested | WorkflowClaimed)]
    assert isinstance(told[-1], WorkflowFinished)
    needs = {spec.name: set(spec.needs) for spec in plan.stages}
    ended: set[str] = set()
    for event in told:
        if isinstance(event, StageFinished):
            ended.add(event.stage)
        elif isinstance(event, StageStarted):
            assert event.stage not in ended
            assert needs[event.stage] <= ended
