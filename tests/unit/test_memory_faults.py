"""A bus in memory that goes wrong: what it may do to messages, what never happens, and always alike for a seed."""

from collections.abc import AsyncIterator

import anyio
import pytest

from tests.support.buses import LOW, TOPOLOGY, MemoryWorld, heard, memory_world, taken, told, work
from testwright.bus import Bus
from testwright.bus.memory import Faults
from testwright.errors import BusTimeoutError, PublishTimeoutError
from testwright.pacing import until
from testwright_schemas import subjects

pytestmark = pytest.mark.virtual_time

FINISHED = subjects.task_event("default", "t1", "finished")
BODIES = [b"%d" % number for number in range(30)]
BAD_DAY = Faults(lose_publish=0.3, lose_answer=0.3, repeat=0.3, delay=0.3, reorder=0.3)


@pytest.fixture
async def world() -> AsyncIterator[MemoryWorld]:
    """Run a memory server on which nothing goes wrong yet."""
    async with memory_world(TOPOLOGY, seed=1) as world:
        yield world


async def queued(bus: Bus) -> None:
    for body in BODIES:
        await told(bus, work(f"t{body.decode()}"), body)


async def drained(bus: Bus) -> list[tuple[bytes, int, float]]:
    """Take and ack everything, again and again until it is gone, and return what came, how often and when."""
    trace: list[tuple[bytes, int, float]] = []
    async with bus.slot(subjects.WORK, [LOW]) as slot:
        while [_ async for _ in bus.last_per_subject(subjects.WORK, [subjects.WORK_ALL])]:
            with anyio.move_on_after(10):
                delivery = await slot.next()
                trace.append((delivery.message.data, delivery.count, anyio.current_time()))
                try:
                    await delivery.ack()
                except BusTimeoutError:
                    continue
    return trace


async def bad_day(seed: int) -> list[tuple[bytes, int, float]]:
    async with memory_world(TOPOLOGY, faults=BAD_DAY, seed=seed) as world:
        bus = await world.connect("tester")
        await queued(bus)
        started = anyio.current_time()
        return [(body, count, round(at - started, 6)) for body, count, at in await drained(bus)]


async def test_what_goes_wrong_is_the_same_for_the_same_seed() -> None:
    assert await bad_day(7) == await bad_day(7)


async def test_what_goes_wrong_differs_from_seed_to_seed() -> None:
    assert await bad_day(7) != await bad_day(8)


@pytest.mark.parametrize("seed", range(10))
async def test_on_a_bad_day_every_message_is_delivered_at_least_once(seed: int) -> None:
    trace = await bad_day(seed)

    assert {body for body, _, _ in trace} == set(BODIES)
    assert len(trace) > len(BODIES)


async def test_lost_confirmations_make_duplicates_in_receipts_but_not_in_the_stream(world: MemoryWorld) -> None:
    world.server.faults = Faults(lose_publish=0.5)
    bus = await world.connect("tester")

    receipts = [await bus.publish(FINISHED, body, message_id=body.decode()) for body in BODIES]

    async with bus.feed(subjects.EVENTS, [FINISHED], after=0) as feed:
        found = await heard(feed, len(BODIES))
    assert [stored.data for stored in found] == BODIES
    assert {receipt.duplicate for receipt in receipts} == {True, False}


async def test_a_publish_whose_confirmation_never_comes_times_out(world: MemoryWorld) -> None:
    world.server.faults = Faults(lose_publish=1)
    bus = await world.connect("tester")

    with pytest.raises(PublishTimeoutError):
        await told(bus, FINISHED, b"done")


async def test_a_lost_ack_is_reported_and_its_message_either_comes_again_or_is_gone(world: MemoryWorld) -> None:
    bus = await world.connect("tester")
    await queued(bus)
    count = 0
    world.server.faults = Faults(lose_answer=1)
    async with bus.slot(subjects.WORK, [LOW]) as slot:
        for _ in BODIES:
            delivery = await taken(slot)
            with pytest.raises(BusTimeoutError):
                await delivery.ack()
            count = max(count, delivery.count)
    world.server.faults = Faults()

    left = [stored async for stored in bus.last_per_subject(subjects.WORK, [subjects.WORK_ALL])]

    assert count > 1
    assert 0 < len(left) < len(BODIES)


async def test_a_repeated_delivery_goes_to_two_slots(world: MemoryWorld) -> None:
    world.server.faults = Faults(repeat=1, max_delay_s=0.5)
    bus = await world.connect("tester")
    await told(bus, work("t1"), b"do it")

    async with bus.slot(subjects.WORK, [LOW]) as slot, bus.slot(subjects.WORK, [LOW]) as elsewhere:
        first = await taken(slot)
        second = await taken(elsewhere, within_s=0.6)

    assert (first.count, second.count) == (1, 2)
    assert first.message == second.message


async def test_a_queue_that_reorders_loses_nothing(world: MemoryWorld) -> None:
    bus = await world.connect("tester")
    await queued(bus)
    world.server.faults = Faults(reorder=0.5)

    bodies = [body for body, _, _ in await drained(bus)]

    assert bodies != BODIES
    assert sorted(bodies) == sorted(BODIES)


async def test_a_feed_that_lags_stays_in_order(world: MemoryWorld) -> None:
    world.server.faults = Faults(delay=0.5)
    bus = await world.connect("tester")
    async with bus.feed(subjects.EVENTS, [FINISHED]) as feed:
        await told(bus, FINISHED, *BODIES)
        started = anyio.current_time()

        found = await heard(feed, len(BODIES), within_s=5 * len(BODIES))

    assert [stored.data for stored in found] == BODIES
    assert anyio.current_time() > started


async def test_a_delivery_that_lags_and_finds_nobody_goes_to_somebody_else(world: MemoryWorld) -> None:
    bus = await world.connect("tester")
    async with bus.slot(subjects.WORK, [LOW]) as slot, bus.slot(subjects.WORK, [LOW]) as elsewhere:
        world.server.faults = Faults(delay=1, max_delay_s=0.5)
        await told(bus, work("t1"), b"do it")
        with anyio.CancelScope() as hasty:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(slot.next)
                await anyio.wait_all_tasks_blocked()
                hasty.cancel()
        world.server.faults = Faults()

        delivery = await taken(elsewhere, within_s=0.6)

    assert (delivery.message.data, delivery.count) == (b"do it", 2)


async def test_a_publish_on_its_way_when_the_wire_is_cut_does_not_arrive_before_it_is_healed(
    world: MemoryWorld,
) -> None:
    bus, observer = await world.connect("tester"), await world.connect("observer")
    world.server.faults = Faults(delay=1)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(told, bus, FINISHED, b"done")
        await anyio.wait_all_tasks_blocked()
        bus.partition()
        await until(anyio.current_time() + 10)
        assert await observer.last(subjects.EVENTS, FINISHED) is None

        bus.heal()

    assert await observer.last(subjects.EVENTS, FINISHED) is not None
