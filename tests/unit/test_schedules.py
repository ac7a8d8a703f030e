"""Submissions that are made later, on the whole product in memory and in virtual time."""

import hashlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest
from msgspec.structs import replace

from tests.support.tasks import NOW, TARGET
from tests.support.world import World
from tests.support.world import world as running_world
from testwright.background import beside
from testwright.errors import InvalidSubmissionError, ScheduleNotFoundError
from testwright.pacing import until
from testwright.scheduled import Known, fold, status
from testwright.snapshots.bundle import Bundle
from testwright.submission import Terms
from testwright.submitter import scheduling
from testwright.submitter.actor import submitter
from testwright_schemas import (
    CancelSchedule,
    JobScheduled,
    JobSubmitted,
    LimitsSet,
    Policy,
    Publish,
    Schedule,
    ScheduleCancelled,
    ScheduleDue,
    ScheduleFired,
    ScheduleJob,
    ScheduleRejected,
    Snapshot,
    SubmitJob,
    Target,
    TaskFinished,
    TaskSpec,
    Timetable,
    Unschedule,
    envelope,
    subjects,
)

pytestmark = pytest.mark.virtual_time

SOURCES = b"sources"
SNAPSHOT = Snapshot(digest=hashlib.sha256(SOURCES).hexdigest(), size=len(SOURCES), files=1)
BUNDLE = Bundle(SNAPSHOT, SOURCES, (TARGET,), Path(), {}, "shop")
POLICY = Policy(engines=("echo",), mutants=False)
MINUTE = 60.0


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with running_world() as running:
        yield running


async def passed(seconds: float) -> None:
    await until(anyio.current_time() + seconds)


async def scheduled(world: World, timetable: Timetable, policy: Policy = POLICY) -> ScheduleJob:
    command = await world.client.schedules.add(BUNDLE, timetable, policy, Terms(join=True))
    with anyio.fail_after(60):
        await world.client.schedules.answer(command.schedule_id)
    return command


async def test_what_is_scheduled_for_a_time_is_submitted_then_under_the_ids_that_were_given(world: World) -> None:
    command = await scheduled(world, Timetable(at=world.server.now() + timedelta(minutes=10)))
    task_id = command.submission.tasks[0].task_id
    await passed(9 * MINUTE)
    assert world.engine.began == []
    assert (await world.client.schedules.status(command.schedule_id)).state == "waiting"

    await passed(2 * MINUTE)

    assert (await world.client.wait(task_id, timeout=60)).outcome == "completed"
    known = await world.client.schedules.status(command.schedule_id)
    assert (known.state, known.last_job, known.next_at) == ("done", command.submission.job_id, None)
    assert await left(world) == []


async def left(world: World) -> list[str]:
    """Return the subjects of timers that are still set or due."""
    filters = [subjects.TIMERS_SET_ALL, subjects.TIMERS_SUBMIT_ALL]
    return [stored.subject async for stored in world.bus.last_per_subject(subjects.TIMERS, filters)]


@pytest.mark.parametrize("timetable", [Timetable(every_s=600), Timetable(cron="*/10 * * * *")])
async def test_what_recurs_makes_a_new_job_each_time_that_does_its_own_work(world: World, timetable: Timetable) -> None:
    command = await scheduled(world, timetable)
    await passed(31 * MINUTE)

    tasks = await world.client.tasks("completed")
    assert len({task.id for task in tasks}) == len(world.engine.began)
    # By the time of day there may be four tens of minutes in it.
    assert len(tasks) == 3 or (timetable.cron and len(tasks) == 4)
    [known] = await world.client.schedules.list()
    assert (known.id, known.state, known.modules) == (command.schedule_id, "waiting", (TARGET.module,))
    assert known.next_at is not None
    assert known.last_job is not None
    assert await world.client.tasks_of(known.last_job) == (tasks[-1].id,)


async def test_a_schedule_that_is_cancelled_submits_nothing_more(world: World) -> None:
    command = await scheduled(world, Timetable(every_s=600))
    await passed(11 * MINUTE)

    await world.client.schedules.cancel(command.schedule_id, "enough")
    await passed(60 * MINUTE)

    assert len(world.engine.began) == 1
    known = await world.client.schedules.status(command.schedule_id)
    assert (known.state, known.message) == ("cancelled", "enough")
    assert await left(world) == []


async def test_a_schedule_ends_with_its_sources_and_says_so(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduling, "MAX_AHEAD", timedelta(days=3))
    command = await scheduled(world, Timetable(every_s=24 * 3600))

    await passed(3.5 * 24 * 3600)

    assert len(world.engine.began) == 3
    known = await world.client.schedules.status(command.schedule_id)
    assert known.state == "cancelled"
    assert "submit it again" in known.message
    assert await left(world) == []


@pytest.mark.parametrize(
    ("timetable", "policy", "reason"),
    [
        (Timetable(at=NOW + timedelta(days=36_500)), POLICY, "within 29 days"),
        (Timetable(every_s=30 * 24 * 3600), POLICY, "within 29 days"),
        (Timetable(every_s=60), replace(POLICY, engines=("magic",)), "no engine 'magic'"),
    ],
)
async def test_what_cannot_be_kept_is_rejected(world: World, timetable: Timetable, policy: Policy, reason: str) -> None:
    command = await scheduled(world, timetable, policy)

    known = await world.client.schedules.status(command.schedule_id)
    assert known.state == "rejected"
    assert reason in known.message
    assert await left(world) == []


async def test_a_timetable_that_nobody_could_keep_is_refused_at_once(world: World) -> None:
    with pytest.raises(InvalidSubmissionError, match="cron"):
        await world.client.schedules.add(BUNDLE, Timetable(cron="every day"))
    with pytest.raises(InvalidSubmissionError, match="more than a year"):
        await world.client.schedules.add(BUNDLE, Timetable(every_s=1e300))
    with pytest.raises(InvalidSubmissionError, match="too far off"):
        await world.client.schedules.add(BUNDLE, Timetable(at=datetime.max.replace(tzinfo=UTC)))


@pytest.mark.parametrize("odd", ["schedule-none", "*", "a.b", ""])
async def test_a_schedule_that_nobody_made_is_not_found(world: World, odd: str) -> None:
    with pytest.raises(ScheduleNotFoundError):
        await world.client.schedules.status(odd)
    with pytest.raises(ScheduleNotFoundError):
        await world.client.schedules.cancel(odd)


async def test_what_came_due_while_no_submitter_ran_is_submitted_once_later() -> None:
    async with running_world(submitting=False) as world:
        at = world.server.now() + timedelta(minutes=1)
        command = await world.client.schedules.add(BUNDLE, Timetable(at=at), POLICY)
        async with world.server.connect("first") as bus, beside(submitter(bus, world.server.now, ("echo",)).run):
            await world.client.schedules.answer(command.schedule_id)
        await passed(10 * MINUTE)
        async with world.server.connect("second") as bus, beside(submitter(bus, world.server.now, ("echo",)).run):
            result = await world.client.wait(command.submission.tasks[0].task_id, timeout=60)

    assert isinstance(result, TaskFinished)
    assert result.created_at >= at
    assert world.engine.began == [TARGET.module]


async def test_what_is_refused_when_it_is_due_has_come_due_and_says_why(world: World) -> None:
    command = await scheduled(world, Timetable(at=world.server.now() + timedelta(minutes=1)))
    full = LimitsSet(namespace="default", tasks=1, set_at=world.server.now())
    await world.bus.publish(subjects.event(full), envelope.encode(full), message_id="full")
    world.engine.hold()
    await world.client.submit_bundle(BUNDLE, POLICY)
    await passed(2 * MINUTE)

    known = await world.client.schedules.status(command.schedule_id)
    assert (known.state, known.last_job) == ("done", command.submission.job_id)
    refused = await world.bus.last(
        subjects.EVENTS, subjects.job_event("default", command.submission.job_id, "rejected")
    )
    assert refused is not None
    assert b"1 of at most 1 tasks have not ended" in refused.data


async def test_what_was_submitted_halfway_when_its_schedule_was_cancelled_is_submitted_as_a_whole() -> None:
    async with running_world(submitting=False) as world:
        two = replace_targets(BUNDLE, TARGET, replace(TARGET, module="shop.cart", path="src/shop/cart.py"))
        at = world.server.now() + timedelta(minutes=1)
        async with world.server.connect("first") as bus, beside(submitter(bus, world.server.now, ("echo",)).run):
            command = await world.client.schedules.add(two, Timetable(at=at), POLICY)
            await world.client.schedules.answer(command.schedule_id)
        begun = JobSubmitted(
            namespace="default",
            job_id=command.submission.job_id,
            task_ids=tuple(spec.task_id for spec in command.submission.tasks),
            created_at=at,
        )
        ended = ScheduleCancelled(namespace="default", schedule_id=command.schedule_id)
        for message in (begun, ended):
            await world.bus.publish(subjects.event(message), envelope.encode(message), message_id=str(type(message)))
        async with world.server.connect("second") as bus, beside(submitter(bus, world.server.now, ("echo",)).run):
            await passed(2 * MINUTE)
            results = [await world.client.wait(task_id, timeout=600) for task_id in begun.task_ids]

    assert [result.outcome for result in results] == ["completed", "completed"]


def replace_targets(bundle: Bundle, *targets: Target) -> Bundle:
    return Bundle(bundle.snapshot, bundle.data, targets, bundle.root, bundle.skipped, bundle.project)


SUBMISSION = SubmitJob(
    namespace="default",
    job_id="job-1",
    tasks=(TaskSpec(task_id="task-1", target=TARGET),),
    snapshot=SNAPSHOT,
    policy=POLICY,
    submitted_at=NOW,
    join=True,
)
DUE = ScheduleDue(namespace="default", schedule_id="schedule-1")
COMMAND = ScheduleJob(
    namespace="default", schedule_id="schedule-1", submission=SUBMISSION, timetable=Timetable(every_s=60)
)


def accepted(**timetable: Any) -> JobScheduled:
    return JobScheduled(
        namespace="default",
        schedule_id="schedule-1",
        submission=SUBMISSION,
        timetable=Timetable(**timetable),
        created_at=NOW,
        until=NOW + scheduling.MAX_AHEAD,
    )


def test_a_schedule_is_told_of_before_it_is_set_and_both_again_if_it_comes_again() -> None:
    first = scheduling.schedule(COMMAND, Known(), ["echo"], NOW)
    again = scheduling.schedule(COMMAND, Known(set=accepted(every_s=60)), ["echo"], NOW)

    assert first == again
    assert [type(effect) for effect in first] == [Publish, Schedule]


@pytest.mark.parametrize(
    "known",
    [
        Known(cancelled=ScheduleCancelled(namespace="default", schedule_id="schedule-1")),
        Known(rejected=ScheduleRejected(namespace="default", schedule_id="schedule-1", field="", reason="")),
    ],
)
def test_a_schedule_that_has_ended_is_not_set_again(known: Known) -> None:
    assert scheduling.schedule(COMMAND, known, ["echo"], NOW) == ()


def test_one_that_has_happened_is_not_set_again() -> None:
    fired = ScheduleFired(namespace="default", schedule_id="schedule-1", job_id="job-1", due_at=NOW)
    once = replace(COMMAND, timetable=Timetable(at=NOW))

    assert scheduling.schedule(once, Known(set=accepted(at=NOW), fired=fired), ["echo"], NOW) == ()


def test_being_told_twice_of_one_time_makes_one_job_and_of_two_times_two() -> None:
    known = Known(set=accepted(every_s=60))

    first, again, next_ = [scheduling.submission(DUE, known, NOW + timedelta(seconds=s)) for s in (60, 60, 120)]

    assert first is not None
    assert next_ is not None
    assert first == again
    assert first.job_id != next_.job_id
    assert first.tasks[0].task_id != next_.tasks[0].task_id
    assert not first.join


def test_a_schedule_of_another_namespace_is_refused() -> None:
    foreign = replace(COMMAND, submission=replace(SUBMISSION, namespace="theirs"))

    [said] = scheduling.schedule(foreign, Known(), ["echo"], NOW)

    assert isinstance(said, Publish)
    assert isinstance(said.message, ScheduleRejected)


def test_a_cancelled_schedule_takes_its_timer_back_and_so_does_a_late_reminder() -> None:
    command = CancelSchedule(namespace="default", command_id="c", schedule_id="schedule-1")
    cancelled = ScheduleCancelled(namespace="default", schedule_id="schedule-1")

    assert [type(effect) for effect in scheduling.cancel(command)] == [Publish, Unschedule]
    assert scheduling.is_over(Known(set=accepted(every_s=60), cancelled=cancelled), NOW)
    assert scheduling.stop(DUE, Known(set=accepted(every_s=60), cancelled=cancelled)) == (Unschedule(timer=DUE),)


def test_nothing_is_known_of_a_schedule_without_events() -> None:
    assert status(fold([]), NOW) is None
