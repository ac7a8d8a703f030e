"""Servers that crash, come back or hang, and what those who use them notice of it: nothing but a delay."""

import contextlib
from collections.abc import AsyncIterator

import anyio
import pytest

from tests.support.buses import HIGH, LOW, NOTHING, heard, taken, told, work
from tests.support.buses import TOPOLOGY as IMPATIENT
from tests.support.nats_server import World, nats_world
from testwright.bus import Bus, Stored
from testwright.bus.topology import declare
from testwright.errors import BusTimeoutError, PublishTimeoutError
from testwright_schemas import subjects

pytestmark = pytest.mark.nats

TOPOLOGY = declare(["echo"])


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """Run a server with the product's topology."""
    async with nats_world() as server:
        await server.apply(TOPOLOGY)
        yield server


@pytest.fixture
async def bus(world: World) -> Bus:
    """Return a connection to the server."""
    return await world.connect("tester")


def event(number: int) -> str:
    return subjects.task_event("default", f"t{number}", "finished")


async def test_a_slot_that_waits_gets_what_is_queued_after_a_restart(world: World, bus: Bus) -> None:
    bodies: list[bytes] = []
    async with bus.slot(subjects.WORK, [HIGH, LOW]) as slot, anyio.create_task_group() as tasks:

        async def wait() -> None:
            delivery = await taken(slot)
            bodies.append(delivery.message.data)
            assert delivery.count == 1

        tasks.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        await world.restart()

        await told(bus, work("t1"), b"do it")

    assert bodies == [b"do it"]


async def test_a_slot_gets_what_was_queued_before_a_restart(world: World, bus: Bus) -> None:
    await told(bus, work("t1"), b"do it")
    await world.restart()

    async with bus.slot(subjects.WORK, [LOW]) as slot:
        delivery = await taken(slot)

    assert delivery.message.data == b"do it"


async def test_what_was_taken_before_a_crash_is_acked_after_it_or_comes_again(world: World, bus: Bus) -> None:
    await told(bus, work("t1"), b"do it")
    async with bus.slot(subjects.WORK, [LOW]) as slot:
        delivery = await taken(slot)
        await world.restart()

        try:
            await delivery.ack()
        except BusTimeoutError:
            # The server was killed before it wrote down that the message was taken: it hands it out anew.
            await (await taken(slot)).ack()

    assert await bus.last(subjects.WORK, work("t1")) is None


async def test_a_publish_waits_for_a_server_that_is_away(world: World, bus: Bus) -> None:
    await world.kill()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(told, bus, event(1), b"done")
        await anyio.wait_all_tasks_blocked()

        await world.start()

    stored = await bus.last(subjects.EVENTS, event(1))
    assert stored is not None
    assert (stored.sequence, stored.data) == (1, b"done")


async def test_a_publish_gives_up_in_time(world: World) -> None:
    impatient = await world.connect("impatient", publish_timeout_s=0.2)
    await world.kill()

    with pytest.raises(PublishTimeoutError):
        await told(impatient, event(1), b"done")
    with pytest.raises(BusTimeoutError):
        await impatient.last(subjects.EVENTS, event(1))


async def test_a_feed_misses_nothing_and_repeats_nothing_across_crashes(world: World, bus: Bus) -> None:
    publisher = await world.connect("publisher")
    found: list[Stored] = []

    async def crash() -> None:
        for _ in range(3):
            await heard_so_far(len(found) + 40)
            await world.restart()

    async def publish() -> None:
        for number in range(200):
            await told(publisher, event(number), b"%d" % number)

    progress = anyio.Condition()

    async def heard_so_far(count: int) -> None:
        async with progress:
            while len(found) < min(count, 200):
                await progress.wait()

    async with bus.feed(subjects.EVENTS, [subjects.task_event()]) as feed, anyio.create_task_group() as tasks:
        tasks.start_soon(publish)
        tasks.start_soon(crash)
        for _ in range(200):
            found.extend(await heard(feed, 1, within_s=30))
            async with progress:
                progress.notify_all()

    assert [stored.data for stored in found] == [b"%d" % number for number in range(200)]


class Crew:
    """Workers and submitters on connections of their own, and what they have done so far."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.done: set[bytes] = set()
        self._progress = anyio.Condition()

    async def run(self, world: World, crashes: int) -> None:
        async with anyio.create_task_group() as tasks:
            for index in range(4):
                tasks.start_soon(self._serve, await world.connect(f"worker-{index}"))
                tasks.start_soon(self._submit, await world.connect(f"submitter-{index}"), index)
            for crash in range(crashes):
                await self._done(self.total * (crash + 1) // (crashes + 1))
                await world.restart()
            await self._done(self.total)
            tasks.cancel_scope.cancel()

    async def _serve(self, bus: Bus) -> None:
        async with bus.slot(subjects.WORK, [HIGH, LOW]) as slot:
            while True:
                delivery = await slot.next()
                # An answer to what a server delivered just before it crashed may be lost; the message comes again.
                with contextlib.suppress(BusTimeoutError):
                    await delivery.ack()
                    self.done.add(delivery.message.data)
                async with self._progress:
                    self._progress.notify_all()

    async def _submit(self, bus: Bus, start: int) -> None:
        for number in range(start, self.total, 4):
            await told(bus, work(f"t{number}", "high" if number % 3 else "low"), b"%d" % number)

    async def _done(self, count: int) -> None:
        async with self._progress:
            while len(self.done) < count:
                await self._progress.wait()


async def test_nothing_gets_stuck_on_its_way_to_slots_that_compete(world: World) -> None:
    crew = Crew(total=600)

    with anyio.fail_after(0.9 * TOPOLOGY.consumers[0].ack_wait_s):
        await crew.run(world, crashes=0)

    assert len(crew.done) == 600


async def test_all_work_is_done_though_the_server_crashes_under_it(world: World) -> None:
    await world.apply(IMPATIENT)
    crew = Crew(total=200)

    with anyio.fail_after(60):
        await crew.run(world, crashes=3)

    assert len(crew.done) == 200


async def test_a_server_that_hangs_for_a_moment_is_waited_for(world: World, bus: Bus) -> None:
    impatient = await world.connect("impatient", publish_timeout_s=0.3)
    confirmed = anyio.Event()

    async def tell() -> None:
        await told(bus, event(1), b"done")
        confirmed.set()

    async def ask_until_frozen() -> None:
        for _ in range(10_000):  # the signal may take a moment
            await told(impatient, event(2), b"is it frozen?")

    found = list[Stored]()
    async with bus.feed(subjects.EVENTS, [event(1)]) as feed, anyio.create_task_group() as tasks:
        world.freeze()
        with pytest.raises(PublishTimeoutError):
            await ask_until_frozen()
        tasks.start_soon(tell)
        with anyio.move_on_after(1):
            await confirmed.wait()
        assert not confirmed.is_set()
        world.thaw()

        found += await heard(feed, 1)
        with anyio.fail_after(10):
            await confirmed.wait()

    assert [stored.data for stored in found] == [b"done"]


async def test_a_reading_goes_on_where_the_server_left_it(world: World, bus: Bus) -> None:
    for number in range(300):
        await told(bus, event(number), b"%d" % number)
    bodies: list[bytes] = []

    async for stored in bus.last_per_subject(subjects.EVENTS, [subjects.task_event()]):
        bodies.append(stored.data)
        if len(bodies) == 10:
            await world.restart()

    assert bodies == [b"%d" % number for number in range(300)]


async def test_the_state_of_the_connection_is_told(world: World) -> None:
    states: list[str] = []

    def note(state: str, _detail: str) -> None:
        states.append(state)

    bus = await world.connect("told", on_state=note)

    await world.restart()
    await bus.last(subjects.EVENTS, event(1))

    assert states == ["connected", "disconnected", "connected"]


async def test_a_topology_may_be_applied_again_and_changed(world: World, bus: Bus) -> None:
    await told(bus, event(1), b"1")
    changed = declare(["echo", "other"])

    await world.apply(TOPOLOGY)
    await world.apply(changed)
    await world.apply(NOTHING)

    assert await bus.last(subjects.EVENTS, event(1)) is not None
    async with bus.slot(subjects.WORK, [subjects.generate_consumer("other", "low")]) as slot:
        with anyio.move_on_after(0.1) as scope:
            await slot.next()
    assert scope.cancelled_caught
