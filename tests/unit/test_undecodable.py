"""An event that nobody can read harms nobody else: what is about it goes on, and its task ends all the same."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio
import msgspec
import pytest

from tests.support.buses import MemoryWorld
from tests.support.runs import Runner, shell
from tests.support.tasks import NOW, cancel_requested, finished, generated, started, submitted, verified
from tests.support.world import world as running
from tests.unit.test_giving_up import letters, say, settled
from tests.unit.test_schedules import BUNDLE
from testwright import limits
from testwright.background import beside
from testwright.bus import Bus
from testwright.client import Client
from testwright.collector.actor import collector
from testwright.errors import UnreadableEndError
from testwright.gateway.live import Live
from testwright.gateway.tables import ALL
from testwright.pacing import until
from testwright.submitter.backlog import Backlog
from testwright.voice import Archive
from testwright.watching import newest, watched
from testwright.workflow import runs
from testwright_schemas import (
    JobSubmitted,
    LimitsSet,
    MessageDeadLettered,
    Policy,
    TaskFinished,
    Timetable,
    envelope,
    subjects,
)

UNREADABLE = {
    "no JSON": b"{",
    "another shape": b'{"type":"attempt-started"}',
    "no UTF-8 in the type": b'{"type":"\xff"}',
    "no UTF-8 in a value": b'{"type":"attempt-started","worker":"\xff"}',
    "brackets": b"[" * 3000 + b"]" * 3000,
    "brackets in a value": b'{"type":"attempt-started","x":' + b"[" * 3000 + b"]" * 3000 + b"}",
    "of another subject": envelope.encode(finished("completed", "task-9")),
}
STARTED = subjects.task_event("default", "task-1", "started")

GARBAGE = UNREADABLE["another shape"]

every_unreadable = pytest.mark.parametrize("data", UNREADABLE.values(), ids=UNREADABLE)


async def garbled(world: MemoryWorld, data: bytes, subject: str = STARTED) -> Bus:
    """Return a connection; what is on the subject then cannot be read."""
    bus = await world.connect("vandal")
    await garble(bus, data, subject)
    return bus


async def garble(bus: Bus, data: bytes, subject: str, *, again: bool = False) -> None:
    await bus.publish(subject, data, message_id=f"garbled/{subject}/{again}")


@every_unreadable
@pytest.mark.virtual_time
async def test_a_task_with_an_event_that_nobody_can_read_ends_all_the_same(world: MemoryWorld, data: bytes) -> None:
    async with beside(collector(await world.connect("collector"), world.server.now).run):
        await say(world, submitted())
        await settled(world, 60)
        await garbled(world, data)
        events = await settled(world, 24 * 3600)

    ends = [event for event in events if event.subject == subjects.task_event("default", "task-1", "finished")]
    assert [envelope.decode(end.data, TaskFinished).outcome for end in ends] == ["failed"]
    assert letters(events) == []


FINISHED = subjects.task_event("default", "task-1", "finished")
JOB = JobSubmitted(namespace="default", job_id="job-1", task_ids=("task-1",), created_at=NOW)


@every_unreadable
@pytest.mark.virtual_time
async def test_a_task_whose_end_nobody_can_read_is_ended_for_good_and_its_job_with_it(
    world: MemoryWorld, data: bytes
) -> None:
    async with beside(collector(await world.connect("collector"), world.server.now).run):
        await say(world, JOB)
        await say(world, submitted())
        bus = await garbled(world, data, FINISHED)
        events = await settled(world, 60)

    [letter] = letters(events)
    assert (letter.task_id, letter.subject) == ("task-1", FINISHED)
    end = await Client(bus).results("task-1")
    assert end
    assert (end.outcome, end.error and end.error.cause) == ("failed", "dead-lettered")
    assert [event.subject for event in events if event.subject == subjects.job_event("default", "job-1", "finished")]


@pytest.mark.virtual_time
async def test_a_task_ends_over_what_nobody_can_read_that_stood_there_before_it(world: MemoryWorld) -> None:
    bus = await garbled(world, GARBAGE, FINISHED)
    async with beside(collector(await world.connect("collector"), world.server.now).run):
        await settled(world, 60)
        await say(world, submitted())
        await say(world, cancel_requested())
        await settled(world, 60)

    end = await Client(bus).results("task-1")
    assert end
    assert end.outcome == "cancelled"


@pytest.mark.virtual_time
async def test_what_nobody_can_read_hides_no_end_and_leads_to_no_second_one(world: MemoryWorld) -> None:
    async with beside(collector(await world.connect("collector"), world.server.now).run):
        await say(world, JOB)
        await say(world, submitted())
        await say(world, finished("completed"))
        bus = await garbled(world, GARBAGE, FINISHED)
        # The server has forgotten by then what was said.
        await settled(world, 3600)
        await garble(bus, GARBAGE, FINISHED, again=True)
        await settled(world, 3600)

    assert await Client(bus).results("task-1") == finished("completed")
    assert (await Client(bus).status("task-1")).state == "completed"
    said = await bus.last(subjects.EVENTS, FINISHED)
    assert said
    assert said.data == GARBAGE


@pytest.mark.virtual_time
@pytest.mark.parametrize("kind", ["submitted", "verified"])
async def test_nothing_that_was_said_of_a_task_is_hidden_by_what_nobody_can_read(world: MemoryWorld, kind: str) -> None:
    async with beside(collector(await world.connect("collector"), world.server.now).run):
        for event in (submitted(), started(), generated(), verified(line=10.0)):
            await say(world, event)
        bus = await garbled(world, GARBAGE, subjects.task_event("default", "task-1", kind))
        await settled(world, 60)

    end = await Client(bus).results("task-1")
    assert end
    assert (end.outcome, end.kept, end.error and end.error.cause) == ("completed", 1, "dead-lettered")


@every_unreadable
async def test_whoever_waits_is_told_what_to_do_about_an_end_that_nobody_can_read(
    world: MemoryWorld, data: bytes
) -> None:
    async def told() -> None:
        with pytest.raises(UnreadableEndError, match="upgrade this client if the actors are newer"):
            await client.wait("task-1")

    await say(world, submitted())
    async with Client(await world.connect("client")).following() as client:
        async with anyio.create_task_group() as waiting:
            waiting.start_soon(told)
            await anyio.wait_all_tasks_blocked()
            await garbled(world, data, FINISHED)
        await told()
        with pytest.raises(UnreadableEndError):
            await client.results("task-1")


async def test_limits_hold_whatever_nobody_can_read_is_told_after_them(world: MemoryWorld) -> None:
    told = LimitsSet(namespace="default", places=3, set_at=NOW)
    await say(world, told)
    bus = await garbled(world, GARBAGE, subjects.event(told))

    assert await limits.Limits(bus).of("default") == told
    assert await limits.known(bus) == [told]


READERS: dict[str, Callable[[Bus], Awaitable[object]]] = {
    "the list of tasks": lambda bus: Client(bus).tasks(),
    "the status of a task": lambda bus: Client(bus).status("task-1"),
    "the histories of tasks": lambda bus: Archive(bus).tasks("default", ["task-1"]),
}


@every_unreadable
@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
async def test_readers_of_stored_events_read_all_others(
    world: MemoryWorld, data: bytes, read: Callable[[Bus], Awaitable[object]]
) -> None:
    await say(world, submitted())
    expected = await read(await world.connect("reader"))

    assert await read(await garbled(world, data)) == expected


@every_unreadable
@pytest.mark.virtual_time
async def test_the_board_shows_what_else_is_there_and_what_comes(world: MemoryWorld, data: bytes) -> None:
    bus = await garbled(world, data)
    live = Live(bus)

    with anyio.fail_after(60):
        async with beside(live.follow):
            await garbled(world, data, subjects.task_event("default", "task-2", "started"))
            await say(world, submitted())
            await live.until(lambda: [row.id for row in live.board.tasks((ALL,))] == ["task-1"])


@every_unreadable
@pytest.mark.virtual_time
async def test_whoever_watches_sees_what_else_happens(world: MemoryWorld, data: bytes) -> None:
    bus = await garbled(world, data)
    await say(world, submitted())

    with anyio.fail_after(60):
        async with watched(bus, [subjects.task_event("default", "task-1")], 0) as events:
            _, event = await anext(events)
            assert event == submitted()
    assert [event async for _, event in newest(bus, [subjects.task_event("default")])] == [submitted()]


@every_unreadable
@pytest.mark.virtual_time
async def test_open_tasks_are_counted_by_the_jobs_that_can_be_read(world: MemoryWorld, data: bytes) -> None:
    bus = await garbled(world, data, subjects.job_event("default", "job-2", "submitted"))
    await say(world, JobSubmitted(namespace="default", job_id="job-1", task_ids=("task-1", "task-2"), created_at=NOW))
    backlog = Backlog(bus)

    with anyio.fail_after(60):
        async with beside(backlog.follow):
            assert await backlog.open_tasks("default") == 2


@every_unreadable
async def test_dead_letters_and_limits_are_listed_without_those_that_nobody_can_read(
    world: MemoryWorld, data: bytes
) -> None:
    await garbled(world, data, subjects.dead_event("default", "letter-1"))
    bus = await garbled(world, data, subjects.limits_event("other", "own"))
    place = {"stream": "EVENTS", "subject": "s", "sequence": 1, "consumer": "c"}
    told = {"namespace": "default", "letter_id": "letter-2", "reason": "r", "deliveries": 1, "data": b"x"}
    letter = msgspec.convert({"type": "message-dead-lettered", **place, **told}, MessageDeadLettered)
    limit = LimitsSet(namespace="default", places=3, set_at=NOW)
    await say(world, letter)
    await say(world, limit)

    assert await Client(bus).dead_letters() == [letter]
    assert await limits.known(bus) == [limit]


@every_unreadable
@pytest.mark.parametrize("kind", ["stage-finished.b", "finished"])
async def test_a_run_with_an_event_that_nobody_can_read_comes_to_its_end(
    tmp_path: Path, data: bytes, kind: str
) -> None:
    async with running() as here:
        run = Runner(here, tmp_path, shell("a", "true"))
        await garble(here.bus, data, subjects.workflow_event("default", run.run_id, kind))

        end = await run()

        assert end.outcome == "completed"
        assert (await runs.known(here.bus, "default", run.run_id)).finished == end


@every_unreadable
@pytest.mark.virtual_time
async def test_a_schedule_with_an_event_that_nobody_can_read_goes_on(data: bytes) -> None:
    async with running() as here:
        schedules = here.client.schedules
        made = await schedules.add(BUNDLE, Timetable(every_s=60), Policy(engines=("echo",), mutants=False))
        await schedules.answer(made.schedule_id)
        await garble(here.bus, data, subjects.schedule_event("default", made.schedule_id, "cancelled"))
        await until(anyio.current_time() + 150)

        known = await schedules.status(made.schedule_id)

    assert known.state == "waiting"
    assert known.last_job
