"""What only the bus in memory can do: virtual time, and connections that are cut or killed."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import anyio
import msgspec
import pytest

from tests.support.buses import ACK_WAIT_S, LOW, TOPOLOGY, MemoryWorld, heard, memory_world, taken, timer, told, work
from testwright.bus import Bus
from testwright.bus.memory import MemoryBus, MemoryServer
from testwright.bus.topology import declare
from testwright.errors import (
    BlobCorruptError,
    BlobNotFoundError,
    BusClosedError,
    BusError,
    BusTimeoutError,
    PublishTimeoutError,
)
from testwright.pacing import until
from testwright_schemas import subjects

pytestmark = pytest.mark.virtual_time

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
FINISHED = subjects.task_event("default", "t1", "finished")
SET, DUE = timer("default.t1.deadline")
HOUR_S = 3600.0


@pytest.fixture
async def world() -> AsyncIterator[MemoryWorld]:
    """Run a memory server whose wall time starts with the year 2026."""
    async with memory_world(TOPOLOGY, epoch=EPOCH) as world:
        yield world


async def test_a_timer_set_for_tomorrow_fires_tomorrow_and_that_is_now(world: MemoryWorld) -> None:
    bus = await world.connect("tester")
    await bus.schedule(SET, b"good morning", at=EPOCH + timedelta(days=1), target=DUE)

    async with bus.slot(subjects.TIMERS, [subjects.TIMERS_CONSUMER]) as slot:
        fired = await slot.next()

    assert fired.message.time == EPOCH + timedelta(days=1)
    assert world.server.now() == EPOCH + timedelta(days=1)


async def test_an_id_may_be_used_again_once_the_window_has_passed(world: MemoryWorld) -> None:
    bus = await world.connect("tester")
    await bus.publish(FINISHED, b"1", message_id="same")
    await until(anyio.current_time() + 119)
    within = await bus.publish(FINISHED, b"2", message_id="same")
    await until(anyio.current_time() + 2)

    behind = await bus.publish(FINISHED, b"3", message_id="same")

    assert (within.duplicate, behind.duplicate) == (True, False)


async def test_messages_and_content_are_forgotten_when_they_are_too_old(world: MemoryWorld) -> None:
    bus = await world.connect("tester")
    await told(bus, FINISHED, b"done")
    digest = await bus.put(subjects.SNAPSHOTS, "default", b"hello")
    await until(anyio.current_time() + timedelta(days=30, seconds=1).total_seconds())

    assert await bus.last(subjects.EVENTS, FINISHED) is None
    with pytest.raises(BlobNotFoundError):
        await bus.fetch(subjects.SNAPSHOTS, "default", digest)


async def test_a_queue_hands_out_no_more_than_may_be_unanswered() -> None:
    consumers = tuple(msgspec.structs.replace(each, max_ack_pending=1) for each in declare(["echo"]).consumers)
    topology = msgspec.structs.replace(TOPOLOGY, consumers=consumers)
    async with memory_world(topology) as world:
        bus = await world.connect("tester")
        await told(bus, work("t1"), b"1")
        await told(bus, work("t2"), b"2")
        async with bus.slot(subjects.WORK, [LOW]) as slot, anyio.create_task_group() as tasks:
            first = await taken(slot)
            acked_at = anyio.current_time() + 10

            async def ack() -> None:
                await until(acked_at)
                await first.ack()

            tasks.start_soon(ack)
            second = await taken(slot, within_s=20)
            assert (second.message.data, anyio.current_time()) == (b"2", acked_at)


async def test_content_that_was_tampered_with_is_not_handed_out(world: MemoryWorld) -> None:
    bus = await world.connect("tester")
    digest = await bus.put(subjects.SNAPSHOTS, "default", b"hello")
    blobs = bus._core._blobs  # pyright: ignore[reportPrivateUsage]  no honest way leads to a rotten disk
    blobs[subjects.SNAPSHOTS, "default", digest] = type(blobs[subjects.SNAPSHOTS, "default", digest])(b"other", EPOCH)

    with pytest.raises(BlobCorruptError):
        await bus.fetch(subjects.SNAPSHOTS, "default", digest)


@pytest.mark.parametrize(
    ("subject", "target"),
    [
        pytest.param(SET, FINISHED, id="target in another stream"),
        pytest.param(SET, SET, id="target is itself"),
        pytest.param(FINISHED, subjects.task_event("default", "t2", "finished"), id="stream takes no schedules"),
    ],
)
async def test_a_schedule_that_the_server_cannot_keep_is_refused(world: MemoryWorld, subject: str, target: str) -> None:
    bus = await world.connect("tester")

    with pytest.raises(BusError, match="cannot schedule"):
        await bus.schedule(subject, b"", at=EPOCH, target=target)


async def test_a_server_serves_only_inside_its_context() -> None:
    server = MemoryServer(TOPOLOGY)

    with pytest.raises(RuntimeError, match="inside its context"):
        server.now()


async def use(bus: Bus, how: str) -> None:
    """Use a connection in one of the ways that wait for something."""
    match how:
        case "publish":
            await told(bus, FINISHED, b"done")
        case "read":
            await bus.last(subjects.EVENTS, FINISHED)
        case "take":
            async with bus.slot(subjects.WORK, [LOW]) as slot:
                await slot.next()
        case _:
            async with bus.feed(subjects.EVENTS, [FINISHED]) as feed:
                await anext(feed)


async def fate_of_a_killed_connection(bus: MemoryBus, how: str) -> str:
    """Kill a connection while it is used, and return how the use ended."""
    fate = "it goes on"

    async def end() -> None:
        nonlocal fate
        try:
            await use(bus, how)
        except BusClosedError:
            fate = "told that it is closed"

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(end)
        await anyio.wait_all_tasks_blocked()
        bus.kill()
    return fate


@pytest.mark.parametrize("how", ["take", "follow"])
async def test_whoever_waits_on_a_connection_that_is_killed_is_told(world: MemoryWorld, how: str) -> None:
    bus = await world.connect("tester")

    assert await fate_of_a_killed_connection(bus, how) == "told that it is closed"


@pytest.mark.parametrize("how", ["publish", "read", "take", "follow"])
async def test_whoever_waits_on_a_connection_that_is_cut_off_and_killed_is_told(world: MemoryWorld, how: str) -> None:
    bus = await world.connect("tester")
    bus.partition()

    assert await fate_of_a_killed_connection(bus, how) == "told that it is closed"


@pytest.mark.parametrize("how", ["publish", "read", "take", "follow"])
async def test_a_connection_that_was_killed_refuses_everything(world: MemoryWorld, how: str) -> None:
    bus = await world.connect("tester")
    bus.kill()

    with pytest.raises(BusClosedError):
        await use(bus, how)


async def test_what_a_killed_connection_left_unanswered_comes_back_after_the_ack_wait(world: MemoryWorld) -> None:
    victim, heir = await world.connect("victim"), await world.connect("heir")
    await told(heir, work("t1"), b"do it")
    async with victim.slot(subjects.WORK, [LOW]) as slot:
        orphan = await taken(slot)
        taken_at = anyio.current_time()

        victim.kill()

        async with heir.slot(subjects.WORK, [LOW]) as other:
            again = await taken(other)
    assert (again.message.data, again.count) == (b"do it", 2)
    assert anyio.current_time() == taken_at + ACK_WAIT_S
    for answer in (orphan.ack(), orphan.nak(), orphan.in_progress(), orphan.term("")):
        with pytest.raises(BusClosedError):
            await answer


async def test_a_closed_connection_leaves_the_others_alone(world: MemoryWorld) -> None:
    other = await world.connect("other")
    async with world.server.connect("short-lived") as bus:
        await told(bus, FINISHED, b"done")

    with pytest.raises(BusClosedError):
        await bus.last(subjects.EVENTS, FINISHED)
    assert await other.last(subjects.EVENTS, FINISHED) is not None


async def test_a_publish_of_a_connection_that_is_cut_off_is_stored_when_it_is_healed(world: MemoryWorld) -> None:
    bus, observer = await world.connect("tester"), await world.connect("observer")
    bus.partition()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(told, bus, FINISHED, b"done")
        await until(anyio.current_time() + 20)
        assert await observer.last(subjects.EVENTS, FINISHED) is None

        bus.heal()

    assert await observer.last(subjects.EVENTS, FINISHED) is not None


async def test_a_publish_of_a_connection_that_stays_cut_off_times_out(world: MemoryWorld) -> None:
    bus = await world.connect("tester")
    bus.partition()
    started = anyio.current_time()

    with pytest.raises(PublishTimeoutError, match="finished"):
        await told(bus, FINISHED, b"done")

    assert anyio.current_time() == started + 30


async def test_work_goes_past_a_connection_that_is_cut_off(world: MemoryWorld) -> None:
    cut, whole = await world.connect("cut"), await world.connect("whole")
    bodies: dict[str, bytes] = {}

    async def serve(bus: Bus, name: str) -> None:
        async with bus.slot(subjects.WORK, [LOW]) as slot:
            delivery = await slot.next()
            bodies[name] = delivery.message.data
            await delivery.ack()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(serve, cut, "cut")
        await anyio.wait_all_tasks_blocked()
        cut.partition()
        await told(whole, work("t1"), b"1")
        await serve(whole, "whole")
        await told(whole, work("t2"), b"2")

        cut.heal()

    assert bodies == {"whole": b"1", "cut": b"2"}


async def test_a_feed_that_was_cut_off_goes_on_where_it_was(world: MemoryWorld) -> None:
    bus, publisher = await world.connect("tester"), await world.connect("publisher")
    async with bus.feed(subjects.EVENTS, [FINISHED]) as feed, anyio.create_task_group() as tasks:
        bus.partition()
        await told(publisher, FINISHED, b"1", b"2")
        healed_at = anyio.current_time() + HOUR_S

        async def heal() -> None:
            await until(healed_at)
            bus.heal()

        tasks.start_soon(heal)
        found = await heard(feed, 2, within_s=2 * HOUR_S)
        assert [stored.data for stored in found] == [b"1", b"2"]
        assert anyio.current_time() == healed_at


async def test_a_question_of_a_connection_that_stays_cut_off_times_out(world: MemoryWorld) -> None:
    bus = await world.connect("tester")
    bus.partition()

    with pytest.raises(BusTimeoutError, match=subjects.EVENTS):
        await bus.last(subjects.EVENTS, FINISHED)


async def test_an_answer_of_a_connection_that_stays_cut_off_times_out(world: MemoryWorld) -> None:
    bus = await world.connect("tester")
    await told(bus, work("t1"), b"do it")
    async with bus.slot(subjects.WORK, [LOW]) as slot:
        delivery = await taken(slot)
        bus.partition()
        await delivery.in_progress()

        with pytest.raises(BusTimeoutError, match=LOW):
            await delivery.ack()
