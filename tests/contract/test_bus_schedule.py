"""What every bus promises about messages that are due later."""

from datetime import timedelta

import pytest

from tests.support.buses import World, taken, timer
from testwright.bus import Bus, Slot, Stored
from testwright_schemas import Timetable, subjects
from testwright_schemas.envelope import MESSAGE_ID

SET, DUE = timer("default.t1.deadline")
OTHER_SET, OTHER_DUE = timer("default.t2.deadline")
QUEUE = [subjects.TIMERS_CONSUMER]


async def test_a_scheduled_message_is_delivered_at_its_time(world: World, bus: Bus) -> None:
    at = world.now() + timedelta(seconds=0.5)

    await bus.schedule(SET, b"too late", at=at, target=DUE, headers={"ce-id": "t1/deadline"})

    async with bus.slot(subjects.TIMERS, QUEUE) as slot:
        fired = (await taken(slot)).message
    assert (fired.stream, fired.subject, fired.data) == (subjects.TIMERS, DUE, b"too late")
    assert fired.time >= at
    assert fired.headers["ce-id"] == "t1/deadline"


async def test_a_fired_message_has_no_id_so_the_same_timer_may_fire_again(world: World, bus: Bus) -> None:
    async with bus.slot(subjects.TIMERS, QUEUE) as slot:
        for _ in range(2):
            await bus.schedule(SET, b"retry", at=world.now(), target=DUE, headers={"ce-id": "t1/retry"})

            delivery = await taken(slot)
            await delivery.ack()

            assert MESSAGE_ID not in delivery.message.headers


async def test_a_schedule_is_stored_until_it_fires(world: World, bus: Bus) -> None:
    receipt = await bus.schedule(SET, b"too late", at=world.now() + timedelta(seconds=0.5), target=DUE)
    waiting = await bus.last(subjects.TIMERS, SET)

    async with bus.slot(subjects.TIMERS, QUEUE) as slot:
        await taken(slot)

    assert waiting is not None
    assert (receipt.stream, receipt.sequence) == (subjects.TIMERS, waiting.sequence)
    assert waiting.data == b"too late"
    assert await bus.last(subjects.TIMERS, SET) is None


async def test_a_time_in_the_past_fires_at_once(world: World, bus: Bus) -> None:
    await bus.schedule(SET, b"long ago", at=world.now() - timedelta(hours=1), target=DUE)

    async with bus.slot(subjects.TIMERS, QUEUE) as slot:
        assert (await taken(slot)).message.data == b"long ago"


async def test_a_second_schedule_on_a_subject_replaces_the_first(world: World, bus: Bus) -> None:
    await bus.schedule(SET, b"first", at=world.now() + timedelta(seconds=0.5), target=DUE)
    await bus.schedule(SET, b"second", at=world.now() + timedelta(seconds=1), target=DUE)
    await bus.schedule(OTHER_SET, b"other", at=world.now() + timedelta(seconds=1.5), target=OTHER_DUE)

    async with bus.slot(subjects.TIMERS, QUEUE) as slot:
        bodies = [await _acked(slot) for _ in range(2)]

    assert bodies == [b"second", b"other"]


async def test_a_schedule_that_is_taken_back_does_not_fire(world: World, bus: Bus) -> None:
    await bus.schedule(SET, b"taken back", at=world.now() + timedelta(seconds=0.5), target=DUE)
    await bus.schedule(OTHER_SET, b"other", at=world.now() + timedelta(seconds=1), target=OTHER_DUE)

    await bus.unschedule(SET)

    async with bus.slot(subjects.TIMERS, QUEUE) as slot:
        assert (await taken(slot)).message.data == b"other"
    assert await bus.last(subjects.TIMERS, SET) is None


async def test_taking_back_what_is_not_scheduled_changes_nothing(world: World, bus: Bus) -> None:
    await bus.schedule(OTHER_SET, b"other", at=world.now(), target=OTHER_DUE)

    await bus.unschedule(SET)

    async with bus.slot(subjects.TIMERS, QUEUE) as slot:
        assert (await taken(slot)).message.data == b"other"


async def test_schedules_fire_in_the_order_of_their_times(world: World, bus: Bus) -> None:
    now = world.now()
    for tenths in (15, 5, 10):
        set_, due = timer(f"default.t{tenths}.deadline")
        await bus.schedule(set_, b"%d" % tenths, at=now + timedelta(seconds=tenths / 10), target=due)

    async with bus.slot(subjects.TIMERS, QUEUE) as slot:
        bodies = [await _acked(slot) for _ in range(3)]

    assert bodies == [b"5", b"10", b"15"]


@pytest.mark.parametrize(
    "timetable",
    [Timetable(every_s=1), Timetable(cron="* * * * * *", time_zone="Europe/Warsaw")],
)
async def test_what_recurs_comes_again_until_it_is_taken_back(world: World, bus: Bus, timetable: Timetable) -> None:
    await bus.schedule(SET, b"again", at=timetable, target=DUE, headers={"ce-id": "again"})

    async with bus.slot(subjects.TIMERS, QUEUE) as slot:
        first, second = [(await _taken_and_acked(slot)) for _ in range(2)]
        kept = await bus.last(subjects.TIMERS, SET)
        await bus.unschedule(SET)
        await bus.schedule(OTHER_SET, b"other", at=world.now() + timedelta(seconds=1.3), target=OTHER_DUE)
        last = (await taken(slot)).message

    assert (first.data, second.data, last.data) == (b"again", b"again", b"other")
    assert timedelta(seconds=0.5) < second.time - first.time < timedelta(seconds=1.5)
    assert first.headers["ce-id"] == "again"
    assert MESSAGE_ID not in first.headers
    assert kept is not None


async def test_a_cron_expression_of_five_fields_and_a_timetable_with_a_time_are_taken(world: World, bus: Bus) -> None:
    await bus.schedule(OTHER_SET, b"monthly", at=Timetable(cron="30 6 1 * *"), target=OTHER_DUE)
    await bus.schedule(SET, b"once", at=Timetable(at=world.now() + timedelta(seconds=0.5)), target=DUE)

    async with bus.slot(subjects.TIMERS, QUEUE) as slot:
        assert (await taken(slot)).message.data == b"once"
    assert await bus.last(subjects.TIMERS, SET) is None
    assert await bus.last(subjects.TIMERS, OTHER_SET) is not None


async def _taken_and_acked(slot: Slot) -> Stored:
    delivery = await taken(slot)
    await delivery.ack()
    return delivery.message


async def _acked(slot: Slot) -> bytes:
    return (await _taken_and_acked(slot)).data
