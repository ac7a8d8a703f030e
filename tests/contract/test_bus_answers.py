"""What every bus promises about the answers to its deliveries, and about those that nobody answers."""

import anyio

from tests.support.buses import ACK_WAIT_S, LOW, World, taken, told, work
from testwright.bus import Bus
from testwright.pacing import until
from testwright_schemas import subjects


async def test_what_is_acked_is_gone(bus: Bus) -> None:
    await told(bus, work("t1"), b"do it")

    async with bus.slot(subjects.WORK, [LOW]) as slot:
        await (await taken(slot)).ack()

    assert await bus.last(subjects.WORK, work("t1")) is None


async def test_what_is_done_does_not_come_again(bus: Bus) -> None:
    await told(bus, work("t1"), b"do it")
    async with bus.slot(subjects.WORK, [LOW]) as slot:
        delivery = await taken(slot)
        await delivery.done()
        await until(anyio.current_time() + 1.5 * ACK_WAIT_S)
        await told(bus, work("t2"), b"and this")

        assert (await taken(slot)).message.data == b"and this"


async def test_what_is_acked_stays_in_a_stream_that_keeps_its_messages(bus: Bus) -> None:
    finished = subjects.task_event("default", "t1", "finished")
    await told(bus, finished, b"done")

    async with bus.slot(subjects.EVENTS, [subjects.COLLECTOR_CONSUMER]) as slot:
        await (await taken(slot)).ack()

    assert await bus.last(subjects.EVENTS, finished) is not None


async def test_what_is_handed_back_is_delivered_again_at_once(world: World, bus: Bus) -> None:
    await told(bus, work("t1"), b"do it")
    other = await world.connect()
    async with bus.slot(subjects.WORK, [LOW]) as slot, other.slot(subjects.WORK, [LOW]) as elsewhere:
        first = await taken(slot)

        await first.nak()

        again = await taken(elsewhere, within_s=ACK_WAIT_S * 0.9)

    assert (again.message.sequence, again.count) == (first.message.sequence, 2)


async def test_what_is_handed_back_comes_before_what_is_new(bus: Bus) -> None:
    await told(bus, work("t1"), b"1")
    await told(bus, work("t2"), b"2")
    async with bus.slot(subjects.WORK, [LOW]) as slot:
        await (await taken(slot)).nak()

        bodies = [(await taken(slot)).message.data for _ in range(2)]

    assert bodies == [b"1", b"2"]


async def test_what_is_handed_back_with_a_delay_is_delivered_after_it(bus: Bus) -> None:
    await told(bus, work("t1"), b"1")
    async with bus.slot(subjects.WORK, [LOW]) as slot:
        started = anyio.current_time()
        await (await taken(slot)).nak(delay_s=2 * ACK_WAIT_S)
        await told(bus, work("t2"), b"2")

        other = await taken(slot)
        await other.ack()
        again = await taken(slot)

    assert other.message.data == b"2"
    assert (again.message.data, again.count) == (b"1", 2)
    assert anyio.current_time() - started >= 2 * ACK_WAIT_S


async def test_what_nobody_answers_is_delivered_again_and_counted(bus: Bus) -> None:
    await told(bus, work("t1"), b"do it")
    async with bus.slot(subjects.WORK, [LOW]) as slot:
        started = anyio.current_time()

        counts = [(await taken(slot)).count for _ in range(3)]

    assert counts == [1, 2, 3]
    assert anyio.current_time() - started >= 2 * ACK_WAIT_S


async def test_signs_of_progress_hold_off_the_redelivery(world: World, bus: Bus) -> None:
    await told(bus, work("t1"), b"do it")
    other = await world.connect()
    happened: list[str] = []

    async with bus.slot(subjects.WORK, [LOW]) as slot, other.slot(subjects.WORK, [LOW]) as elsewhere:
        delivery = await taken(slot)

        async def wait() -> None:
            again = await taken(elsewhere)
            happened.append("delivered again")
            await again.ack()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait)
            for _ in range(4):
                await until(anyio.current_time() + ACK_WAIT_S / 2)
                await delivery.in_progress()
            happened.append("handed back")
            await delivery.nak()

    assert happened == ["handed back", "delivered again"]


async def test_what_is_terminated_is_gone(bus: Bus) -> None:
    await told(bus, work("t1"), b"nonsense")
    await told(bus, work("t2"), b"2")
    async with bus.slot(subjects.WORK, [LOW]) as slot:
        await (await taken(slot)).term("cannot be decoded")

        # The first message would come again before the second does.
        bodies = [(await taken(slot)).message.data for _ in range(2)]

    assert bodies == [b"2", b"2"]
    assert await bus.last(subjects.WORK, work("t1")) is None


async def test_an_ack_that_comes_late_takes_the_message_from_whoever_has_it_now(bus: Bus) -> None:
    await told(bus, work("t1"), b"do it")
    async with bus.slot(subjects.WORK, [LOW]) as slot:
        stale = await taken(slot)
        current = await taken(slot)

        await stale.ack()
        assert await bus.last(subjects.WORK, work("t1")) is None
        await current.ack()

    assert (stale.count, current.count) == (1, 2)


async def test_whoever_hands_back_late_takes_the_message_from_whoever_has_it_now(bus: Bus) -> None:
    await told(bus, work("t1"), b"do it")
    async with bus.slot(subjects.WORK, [LOW]) as slot:
        stale, _current = await taken(slot), await taken(slot)

        await stale.nak()

        assert (await taken(slot, within_s=ACK_WAIT_S * 0.9)).count == 3


async def test_late_signs_of_progress_count_for_whoever_has_the_message_now(bus: Bus) -> None:
    await told(bus, work("t1"), b"do it")
    async with bus.slot(subjects.WORK, [LOW]) as slot:
        stale, _current = await taken(slot), await taken(slot)
        taken_at = anyio.current_time()
        await until(taken_at + ACK_WAIT_S / 2)

        await stale.in_progress()

        await taken(slot)
        assert anyio.current_time() >= taken_at + ACK_WAIT_S * 1.4


async def test_an_ack_that_comes_late_prevents_a_delivery_that_is_due(bus: Bus) -> None:
    await told(bus, subjects.task_event("default", "t1", "finished"), b"1")
    async with bus.slot(subjects.EVENTS, [subjects.COLLECTOR_CONSUMER]) as slot:
        delivery = await taken(slot)
        await until(anyio.current_time() + ACK_WAIT_S * 1.3)

        await delivery.ack()

        await told(bus, subjects.task_event("default", "t2", "finished"), b"2")
        assert (await taken(slot)).message.data == b"2"


async def test_a_second_ack_changes_nothing(bus: Bus) -> None:
    await told(bus, work("t1"), b"do it")
    async with bus.slot(subjects.WORK, [LOW]) as slot:
        delivery = await taken(slot)

        await delivery.ack()
        await delivery.ack()

    assert await bus.last(subjects.WORK, work("t1")) is None
