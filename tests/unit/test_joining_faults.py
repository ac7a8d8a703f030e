"""Nobody who has joined another waits in vain, however late things are stored and whoever dies between two of them."""

import contextlib
from typing import Any

import anyio
import pytest
from msgspec.structs import replace

from tests.support.tasks import finished, history
from tests.support.world import world as running_world
from tests.unit.test_joining import LATER, Mortal, ask, bundled, joined_task, messages
from testwright.background import beside
from testwright.bus.memory import MemoryBus
from testwright.pacing import until
from testwright.submission import Terms
from testwright.submitter import joining
from testwright.submitter.actor import submitter
from testwright_schemas import TaskError, TaskJoined, TaskSubmitted, envelope, subjects

pytestmark = pytest.mark.virtual_time

SLOW_S = 2.0
ACK_WAIT_S = 31.0
SUPERSEDE = Terms(join=True, supersede=True)


class Slow:
    """A connection by which submitted tasks are stored late, as one whose confirmation was lost is."""

    def __init__(self, bus: MemoryBus) -> None:
        self._bus = bus

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bus, name)

    async def publish(self, subject: str, *arguments: Any, **options: Any) -> Any:
        if ".task." in subject and subject.endswith(".submitted"):
            await until(anyio.current_time() + SLOW_S)
        return await self._bus.publish(subject, *arguments, **options)


async def test_a_task_that_is_stored_late_has_the_result_that_it_joins_at_once() -> None:
    async with running_world(submitting=False) as world, world.server.connect("slow") as bus:
        slow: Any = Slow(bus)
        async with beside(submitter(slow, world.server.now, ("echo",)).run):
            first = await ask(world)
            await world.client.wait(first, timeout=60)
            second = await world.client.wait(await ask(world), timeout=60)

    assert (second.outcome, second.joined) == ("completed", first)


async def test_a_newer_task_that_is_stored_late_ends_the_older_ones_of_its_module() -> None:
    async with running_world(submitting=False) as world, world.server.connect("slow") as bus:
        slow: Any = Slow(bus)
        async with beside(submitter(slow, world.server.now, ("echo",)).run):
            world.engine.hold()
            older = await ask(world)
            await world.engine.has_begun(1)
            await ask(world, SUPERSEDE, bundle=bundled(b"changed"))
            ended = await world.client.wait(older, timeout=60)

    assert (ended.outcome, ended.error and ended.error.cause) == ("cancelled", "superseded")


class Overtaken:
    """A connection by which a task is said to do the work itself only when it has just been cancelled."""

    def __init__(self, bus: MemoryBus) -> None:
        self._bus = bus
        self.heirs: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bus, name)

    async def publish(self, subject: str, data: bytes, **options: Any) -> Any:
        if ".task." in subject and subject.endswith(".submitted") and self.heirs:
            task = envelope.decode(data, TaskSubmitted)
            if task.task_id == self.heirs[0] and task.joined_to is None:
                error = TaskError(cause="cancelled", message="enough")
                end = replace(finished("cancelled", self.heirs.pop()), job_id=task.job_id, error=error)
                await self._bus.publish(subjects.event(end), envelope.encode(end), message_id="overtaken")
        return await self._bus.publish(subject, data, **options)


async def test_an_heir_that_ends_as_it_inherits_does_no_work_and_the_next_one_does() -> None:
    async with running_world(submitting=False) as world, world.server.connect("overtaken") as bus:
        overtaken: Any = Overtaken(bus)
        async with beside(submitter(overtaken, world.server.now, ("echo",)).run):
            world.engine.hold()
            first = await ask(world)
            await world.engine.has_begun(1)
            second, third = await ask(world), await ask(world)
            overtaken.heirs.append(second)
            await world.client.cancel(first)
            await until(anyio.current_time() + ACK_WAIT_S)
            world.engine.go.set()
            ends = [await world.client.wait(id_, timeout=600) for id_ in (second, third)]
        begun = await world.bus.last(subjects.EVENTS, subjects.task_event("default", second, "started"))

    assert [end.outcome for end in ends] == ["cancelled", "completed"]
    assert begun is None


@pytest.mark.parametrize("steps", range(6, 15))
async def test_a_submitter_may_die_at_any_step_of_an_inheritance_and_all_have_the_result(steps: int) -> None:
    async with running_world(submitting=False) as world:
        world.engine.hold()
        async with world.server.connect("first") as bus, beside(submitter(bus, world.server.now, ("echo",)).run):
            first = await ask(world)
            await world.engine.has_begun(1)
            others = [await ask(world) for _ in range(3)]
        await world.client.cancel(first)
        async with world.server.connect("mortal") as bus:
            with contextlib.suppress(BaseExceptionGroup), anyio.move_on_after(1):
                mortal: Any = Mortal(bus, steps)
                await submitter(mortal, world.server.now, ("echo",)).run()
        async with world.server.connect("heir") as bus, beside(submitter(bus, world.server.now, ("echo",)).run):
            await until(anyio.current_time() + ACK_WAIT_S)
            world.engine.go.set()
            results = [await world.client.wait(id_, timeout=600) for id_ in others]

    assert {result.outcome for result in results} == {"completed"}


def test_whoever_was_moved_to_an_heir_before_is_told_of_again_as_its_entry_may_be_missing() -> None:
    end = replace(finished("cancelled"), error=TaskError(cause="cancelled", message=""))
    second, third = joined_task("task-2"), joined_task("task-3")

    said = messages(joining.follow(end, [history(second), history(third, replace(third, joined_to="task-2"))], LATER))

    assert TaskJoined(namespace="default", task_id="task-3", source_id="task-2") in said


@pytest.mark.parametrize(("attempts", "heirs"), [(0, ["task-2"]), (1, [])])
def test_a_budget_of_a_job_that_could_not_pay_for_its_task_is_not_that_of_who_has_joined_it(
    attempts: int, heirs: list[str]
) -> None:
    error = TaskError(cause="budget-exhausted", message="")
    end = replace(finished("failed"), error=error, attempts=attempts)

    said = messages(joining.follow(end, [history(joined_task("task-2"))], LATER))

    assert [task.task_id for task in said if isinstance(task, TaskSubmitted)] == heirs
