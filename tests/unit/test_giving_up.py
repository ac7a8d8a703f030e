"""What becomes of a message that fails again and again, on a bus in memory and in virtual time."""

import re
from datetime import timedelta
from typing import Any, cast

import anyio
import pytest

from tests.support.buses import MemoryWorld
from tests.support.tasks import NOW, finished, submitted
from testwright.actor import LAST_DELIVERY, MAX_DELIVERIES
from testwright.background import beside
from testwright.bus import Bus, Stored
from testwright.collector.actor import collector
from testwright.errors import BusClosedError, PublishTimeoutError
from testwright.pacing import until
from testwright.submitter.actor import submitter
from testwright.voice import Voice
from testwright_schemas import (
    JobFinished,
    MessageDeadLettered,
    Publish,
    ScheduleJob,
    SubmitJob,
    TaskFinished,
    TaskSpec,
    Timetable,
    envelope,
    subjects,
)

pytestmark = pytest.mark.virtual_time

ENGINES = ("echo", "ghostwriter")


def submission(*ids: str) -> SubmitJob:
    task = submitted()
    return SubmitJob(
        namespace="default",
        job_id=task.job_id,
        tasks=tuple(TaskSpec(task_id=id_, target=task.target) for id_ in ids),
        snapshot=task.snapshot,
        policy=task.policy,
        submitted_at=NOW,
    )


async def say(world: MemoryWorld, message: Any) -> None:
    voice = Voice(await world.connect("someone"), "someone", world.server.now)
    await voice.say(Publish(message=message), {})


async def settled(world: MemoryWorld, after_s: float) -> list[Stored]:
    """Return every event there is after a while."""
    await until(anyio.current_time() + after_s)
    bus = await world.connect("reader")
    return [stored async for stored in bus.last_per_subject(subjects.EVENTS, [subjects.EVENTS_ALL])]


def letters(events: list[Stored]) -> list[MessageDeadLettered]:
    return [envelope.decode(e.data, MessageDeadLettered) for e in events if subjects.is_dead(e.subject)]


async def test_a_job_whose_submission_fails_halfway_again_and_again_ends_with_the_tasks_that_are_there(
    world: MemoryWorld,
) -> None:
    command = submission("task-1", "task-2", "task-3")
    refused = subjects.task_event("default", "task-2", "submitted")
    bus = cast("Bus", Mute(await world.connect("submitter"), refused, times=10**9))
    actors = collector(await world.connect("collector"), world.server.now), submitter(bus, world.server.now, ENGINES)
    async with beside(*(actor.run for actor in actors)):
        await say(world, command)
        await settled(world, 3600)
        await say(world, finished("cancelled", "task-1"))
        await say(world, finished("cancelled", "task-3"))
        events = await settled(world, 3600)

    ends = [envelope.decode(e.data, TaskFinished) for e in events if re.search(r"task-\d.finished", e.subject)]
    assert {end.task_id: end.error and end.error.cause for end in ends} == {
        "task-1": None,
        "task-2": "dead-lettered",
        "task-3": None,
    }
    [job] = [envelope.decode(e.data, JobFinished) for e in events if re.search("job-1.finished", e.subject)]
    assert (job.counts.failed, job.counts.cancelled) == (1, 2)
    [letter] = letters(events)
    assert letter.reason == "failed 20 times: ValueError('not that')"


async def test_a_job_of_a_schedule_that_fails_halfway_again_and_again_ends(world: MemoryWorld) -> None:
    command = submission("task-1")
    once = Timetable(at=world.server.now() + timedelta(minutes=1))
    refused = subjects.task_event("default", "task-1", "submitted")
    bus = cast("Bus", Mute(await world.connect("submitter"), refused, times=10**9))
    actors = collector(await world.connect("collector"), world.server.now), submitter(bus, world.server.now, ENGINES)
    async with beside(*(actor.run for actor in actors)):
        await say(
            world,
            ScheduleJob(namespace="default", schedule_id="schedule-1", submission=command, timetable=once),
        )
        events = await settled(world, 3600)

    [job] = [envelope.decode(e.data, JobFinished) for e in events if re.search("job-1.finished", e.subject)]
    assert job.counts.failed == 1
    assert [letter.reason for letter in letters(events)] == ["failed 20 times: ValueError('not that')"]


async def test_a_message_outlasts_a_server_that_confirms_nothing_for_hours(world: MemoryWorld) -> None:
    command = submission("task-1")
    full = PublishTimeoutError("not confirmed within 30 s")
    times = LAST_DELIVERY + 50
    bus = Mute(await world.connect("submitter"), subjects.job_event("default", "job-1", "submitted"), times, full)
    async with beside(submitter(cast("Bus", bus), world.server.now, ENGINES).run):
        await say(world, command)
        events = await settled(world, 4 * 3600)

    assert bus.refused == times
    assert letters(events) == []
    assert [event.subject.split(".")[3] for event in events if event.subject.endswith("submitted")] == ["job", "task"]


async def test_failures_of_a_message_are_counted_from_the_last_one_that_was_the_servers(world: MemoryWorld) -> None:
    full, where = PublishTimeoutError("not confirmed within 30 s"), subjects.job_event("default", "job-1", "submitted")
    wrong = Mute(await world.connect("submitter"), where, times=10**9)
    bus = Mute(cast("Bus", wrong), where, 30, full)
    async with beside(submitter(cast("Bus", bus), world.server.now, ENGINES).run):
        await say(world, submission("task-1"))
        events = await settled(world, 3600)

    [letter] = letters(events)
    assert (bus.refused, wrong.refused, letter.deliveries) == (30, MAX_DELIVERIES, 30 + MAX_DELIVERIES)
    assert letter.reason == "failed 20 times: ValueError('not that')"


async def test_a_message_that_takes_its_actor_down_again_and_again_is_given_up(world: MemoryWorld) -> None:
    where = subjects.job_event("default", "job-1", "submitted")
    await say(world, submission("task-1"))
    deaths = 0
    for _ in range(LAST_DELIVERY + 5):
        async with world.server.connect("submitter") as bus:
            deadly = Mute(bus, where, times=1, error=BusClosedError("killed"))
            with anyio.move_on_after(60):
                try:
                    await submitter(cast("Bus", deadly), world.server.now, ENGINES).run()
                except* BusClosedError:
                    pass
            deaths += deadly.refused

    [letter] = letters(await settled(world, 1))
    assert (deaths, letter.reason) == (LAST_DELIVERY, "delivered 400 times")


class Mute:
    """A bus that does not let something be said, so many times."""

    def __init__(self, bus: Bus, subject: str, times: int, error: Exception | None = None) -> None:
        self._bus = bus
        self._subject = subject
        self._times = times
        self._error = error or ValueError("not that")
        self.refused = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bus, name)

    async def publish(self, subject: str, data: bytes, **options: Any) -> Any:
        """Publish, or raise."""
        if subject == self._subject and self._times:
            self._times -= 1
            self.refused += 1
            raise type(self._error)(*self._error.args)  # anew: one that is raised again grows a traceback
        return await self._bus.publish(subject, data, **options)
