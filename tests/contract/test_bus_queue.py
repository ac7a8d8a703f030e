"""What every bus promises to those who take work from its queues."""

import anyio
import pytest

from tests.support.buses import ACK_WAIT_S, HIGH, LOW, World, taken, told, work
from testwright.bus import Bus, Delivery, Slot
from testwright.errors import StreamNotFoundError
from testwright_schemas import PRIORITIES, subjects

ALL = [subjects.generate_consumer("echo", priority) for priority in PRIORITIES]


async def test_a_delivery_tells_what_it_is(bus: Bus) -> None:
    await bus.publish(work("t1"), b"do it", message_id="t1/1", headers={"ce-id": "t1/1"})

    async with bus.slot(subjects.WORK, [LOW]) as slot:
        delivery = await taken(slot)

    assert (delivery.consumer, delivery.count) == (LOW, 1)
    assert (delivery.message.stream, delivery.message.sequence) == (subjects.WORK, 1)
    assert (delivery.message.subject, delivery.message.data) == (work("t1"), b"do it")
    assert delivery.message.headers["ce-id"] == "t1/1"


async def test_messages_of_a_queue_come_in_the_order_they_were_published(bus: Bus) -> None:
    tasks = [f"t{number}" for number in range(5)]
    for task in tasks:
        await told(bus, work(task), task.encode())

    async with bus.slot(subjects.WORK, [LOW]) as slot:
        bodies = [(await taken(slot)).message.data.decode() for _ in tasks]

    assert bodies == tasks


async def test_a_free_slot_takes_the_highest_priority_first(bus: Bus) -> None:
    for priority in reversed(PRIORITIES):
        await told(bus, work(f"t-{priority}", priority), priority.encode())

    async with bus.slot(subjects.WORK, ALL) as slot:
        bodies = [(await taken(slot)).message.data.decode() for _ in PRIORITIES]

    assert tuple(bodies) == PRIORITIES


async def test_a_slot_takes_only_from_its_own_queues(bus: Bus) -> None:
    await told(bus, work("t1", "low"), b"low")
    await told(bus, work("t2", "high"), b"high")

    async with bus.slot(subjects.WORK, [HIGH]) as slot:
        delivery = await taken(slot)

    assert delivery.message.data == b"high"


@pytest.mark.parametrize("priority", PRIORITIES)
async def test_a_waiting_slot_is_woken_by_any_of_its_queues(world: World, bus: Bus, priority: str) -> None:
    arrived: list[Delivery] = []
    other = await world.connect()
    async with bus.slot(subjects.WORK, ALL) as slot, anyio.create_task_group() as tasks:

        async def wait() -> None:
            arrived.append(await taken(slot))

        tasks.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        await other.publish(f"{subjects.PREFIX}.work.generate.echo.{priority}.default.t1", b"do it", message_id="1")

    assert [delivery.message.data for delivery in arrived] == [b"do it"]


async def test_a_slot_that_gives_up_waiting_loses_nothing(bus: Bus) -> None:
    async with bus.slot(subjects.WORK, [LOW]) as slot:
        await _give_up(slot)
        await told(bus, work("t1"), b"do it")

        delivery = await taken(slot)

    assert (delivery.message.data, delivery.count) == (b"do it", 1)


async def test_what_arrives_for_a_slot_that_gave_up_goes_to_another_at_once(world: World, bus: Bus) -> None:
    other = await world.connect()
    async with bus.slot(subjects.WORK, [LOW]) as slot, other.slot(subjects.WORK, [LOW]) as elsewhere:
        await _give_up(slot)
        await told(bus, work("t1"), b"do it")

        delivery = await taken(elsewhere, within_s=ACK_WAIT_S * 0.9)

    assert delivery.message.data == b"do it"


async def test_giving_up_while_a_message_arrives_never_loses_it(world: World, bus: Bus) -> None:
    other = await world.connect()
    async with bus.slot(subjects.WORK, [LOW]) as hasty, other.slot(subjects.WORK, [LOW]) as patient:
        for number in range(20):
            async with anyio.create_task_group() as tasks:
                taker = anyio.CancelScope()

                async def take(scope: anyio.CancelScope = taker) -> None:
                    with scope:
                        delivery = await hasty.next()
                        with anyio.CancelScope(shield=True):
                            await delivery.nak()

                tasks.start_soon(take)
                await anyio.wait_all_tasks_blocked()
                await told(bus, work(f"t{number}"), str(number).encode())
                taker.cancel()
            delivery = await taken(patient, within_s=ACK_WAIT_S * 0.9)
            await delivery.ack()
            assert delivery.message.data == str(number).encode()


async def test_a_slot_that_fetches_ahead_keeps_the_order_and_loses_nothing(bus: Bus) -> None:
    tasks = [f"t{number}" for number in range(20)]
    for task in tasks:
        await told(bus, work(task), task.encode())
    bodies: list[str] = []

    async with bus.slot(subjects.WORK, [LOW], ahead=4) as slot:
        for _ in tasks:
            delivery = await taken(slot)
            bodies.append(delivery.message.data.decode())
            await delivery.done()

    assert bodies == tasks


async def test_what_a_slot_has_fetched_ahead_goes_to_another_when_it_is_closed(world: World, bus: Bus) -> None:
    tasks = [f"t{number}" for number in range(4)]
    for task in tasks:
        await told(bus, work(task), task.encode())
    other = await world.connect()

    async with other.slot(subjects.WORK, [LOW]) as elsewhere:
        async with bus.slot(subjects.WORK, [LOW], ahead=4) as slot:
            await (await taken(slot)).done()
        left = {(await taken(elsewhere, within_s=ACK_WAIT_S * 0.9)).message.data.decode() for _ in tasks[1:]}

    assert left == set(tasks[1:])


async def test_what_comes_for_a_slot_that_is_at_work_goes_to_another(world: World, bus: Bus) -> None:
    other = await world.connect()
    async with bus.slot(subjects.WORK, ALL) as busy, other.slot(subjects.WORK, [HIGH]) as free:
        await _wait_for(busy, bus, work("t0"))
        await _wait_for(busy, bus, work("t1"))
        await told(bus, work("t2", "high"), b"do it")

        delivery = await taken(free, within_s=ACK_WAIT_S * 0.9)

    assert delivery.message.data == b"do it"


async def test_of_what_came_while_a_slot_was_at_work_it_takes_the_most_urgent_first(bus: Bus) -> None:
    async with bus.slot(subjects.WORK, ALL) as slot:
        await _wait_for(slot, bus, work("t0", "high"))
        await _wait_for(slot, bus, work("t1", "high"))
        for priority in reversed(PRIORITIES):
            await told(bus, work(f"t-{priority}", priority), priority.encode())
            await told(bus, work(f"another-{priority}", priority), priority.encode())

        bodies = [(await taken(slot)).message.data.decode() for _ in 2 * PRIORITIES]

    assert bodies == [priority for priority in PRIORITIES for _ in range(2)]


async def test_two_slots_never_get_the_same_message(world: World, bus: Bus) -> None:
    bodies = [b"%d" % number for number in range(40)]
    got: list[bytes] = []
    done = anyio.Event()

    async def serve(connection: Bus) -> None:
        async with connection.slot(subjects.WORK, [LOW]) as slot:
            while True:
                delivery = await slot.next()
                got.append(delivery.message.data)
                await delivery.ack()
                if len(got) >= len(bodies):
                    done.set()

    async with anyio.create_task_group() as tasks:
        for _ in range(4):
            tasks.start_soon(serve, await world.connect())
        for body in bodies:
            await told(bus, work(f"t{body.decode()}"), body)
        with anyio.fail_after(10):
            await done.wait()
        tasks.cancel_scope.cancel()

    assert sorted(got) == sorted(bodies)


async def test_a_queue_of_kept_messages_hands_out_those_from_before_anyone_asked(bus: Bus) -> None:
    submitted = subjects.task_event("default", "t1", "submitted")
    progressed = subjects.task_event("default", "t1", "progressed")
    await told(bus, submitted, b"submitted")
    await told(bus, progressed, b"of no interest to the collector")
    await told(bus, subjects.task_event("default", "t1", "finished"), b"finished")

    async with bus.slot(subjects.EVENTS, [subjects.COLLECTOR_CONSUMER]) as slot:
        bodies = [(await taken(slot)).message.data for _ in range(2)]

    assert bodies == [b"submitted", b"finished"]


async def test_a_queue_that_does_not_exist_is_named(bus: Bus) -> None:
    with pytest.raises(StreamNotFoundError, match="nobody"):
        async with bus.slot(subjects.WORK, ["nobody"]) as slot:
            await taken(slot)


async def _wait_for(slot: Slot, bus: Bus, subject: str) -> None:
    """Have a slot take what comes while it waits."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(taken, slot)
        await anyio.wait_all_tasks_blocked()
        await told(bus, subject, b"the first")


async def _give_up(slot: Slot) -> None:
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(slot.next)
            await anyio.wait_all_tasks_blocked()
            scope.cancel()
