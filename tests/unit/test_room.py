"""How slots adapt to memory, as decisions and on a bus in memory, in virtual time."""

import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from functools import partial
from typing import Any, cast

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.support.buses import MemoryWorld, memory_world
from tests.support.tasks import NOW, to_generate
from testwright import app, room, settings
from testwright.background import beside
from testwright.bus import Delivery, Slot
from testwright.bus.topology import declare
from testwright.engines import Notes, Progress
from testwright.generator.actor import Product, generator
from testwright.pacing import until
from testwright.room import Gate, Place, Room, State
from testwright.voice import Voice
from testwright_schemas import GenerateSuite, Publish, subjects

pytestmark = pytest.mark.virtual_time

EACH_MB = 1000
STATES: tuple[State, ...] = ("waits", "asks", "works")


class Machine:
    """What is free, and what those at work hold of it, in MiB, as a test says."""

    def __init__(self, free: int) -> None:
        self.free = free
        self.held = 0
        self.waiting: dict[str, int] = {}

    def gate(self, *actors: str) -> Gate:
        """Return a gate that looks here, and tells here how many slots of these actors wait."""
        gate = Gate(EACH_MB, lambda: self.free, lambda _: self.held)
        for actor in actors:
            gate.tell(actor, lambda waiting, actor=actor: self.waiting.update({actor: waiting}))  # type: ignore[misc]
        return gate


class Queue:
    """A slot of a bus that gives out what a test puts there."""

    def __init__(self) -> None:
        self._given = anyio.Semaphore(0)
        self.asking = 0

    async def next(self) -> Delivery:
        self.asking += 1
        try:
            await self._given.acquire()
        finally:
            self.asking -= 1
        return cast("Delivery", None)

    def give(self) -> None:
        """Give work to whoever asks first."""
        self._given.release()


class Crew:
    """Slots of actors behind one gate: each works until it is told to end."""

    def __init__(self, gate: Gate, group: Any, stack: AsyncExitStack) -> None:
        self.queues: dict[str, Queue] = {}
        self.working: dict[str, list[anyio.Event]] = {}
        self._gate, self._group, self._stack = gate, group, stack

    async def open(self, actor: str, slots: int) -> None:
        queue = self.queues.setdefault(actor, Queue())
        for _ in range(slots):
            self._group.start_soon(
                self._serve, actor, await self._stack.enter_async_context(self._gate.slot(actor, queue))
            )
        await anyio.wait_all_tasks_blocked()

    async def _serve(self, actor: str, slot: Slot) -> None:
        while True:
            await slot.next()
            ended = anyio.Event()
            self.working.setdefault(actor, []).append(ended)
            await ended.wait()

    async def give(self, actor: str, count: int = 1) -> None:
        for _ in range(count):
            self.queues[actor].give()
        await anyio.wait_all_tasks_blocked()

    async def end(self, actor: str) -> None:
        self.working[actor].pop(0).set()
        await anyio.wait_all_tasks_blocked()

    def asking(self, actor: str) -> int:
        return self.queues[actor].asking

    def at_work(self, actor: str) -> int:
        return len(self.working.get(actor, ()))


@pytest.fixture
async def hire() -> AsyncIterator[Any]:
    """Return what makes a crew of a gate."""
    async with AsyncExitStack() as stack, anyio.create_task_group() as group:
        yield partial(Crew, group=group, stack=stack)
        group.cancel_scope.cancel()


@given(
    places=st.lists(st.tuples(st.sampled_from(["generator", "verifier"]), st.sampled_from(STATES)), max_size=12),
    free=st.integers(0, 20_000),
    held=st.integers(0, 20_000),
)
def test_places_are_given_as_long_as_all_can_have_their_memory_and_each_actor_has_one(
    places: list[tuple[str, State]], free: int, held: int
) -> None:
    room, made = Room(EACH_MB), [Place(actor) for actor, _ in places]
    for place, (_, state) in zip(made, places, strict=True):
        room.move(place, state)

    while (chosen := room.next(room.spare(free, held))) is not None:
        room.move(chosen, "asks")
    for excess in room.excess(room.spare(free, held)):
        room.move(excess, "waits")

    given = [place for place in made if place.state != "waits"]
    asking = [place for place in given if place.state == "asks"]
    working = len(given) - len(asking)
    wanted = len(given) * EACH_MB - min(held, working * EACH_MB)
    actors = {actor for actor, _ in places}
    assert {place.actor for place in given} == actors
    assert wanted <= free or all(len([each for each in given if each.actor == one.actor]) == 1 for one in asking)
    assert len(given) == len(places) or wanted + EACH_MB > free


async def test_a_slot_asks_only_while_one_more_attempt_fits_beside_those_that_run(hire: Any) -> None:
    machine = Machine(free=2500)
    crew = hire(machine.gate("generator"))

    await crew.open("generator", 4)

    assert (crew.asking("generator"), machine.waiting["generator"]) == (2, 2)


async def test_one_slot_of_each_actor_works_however_short_memory_is(hire: Any) -> None:
    crew = hire(Machine(free=0).gate())
    await crew.open("generator", 3)
    await crew.open("verifier", 3)

    await crew.give("generator", 2)
    await crew.give("verifier", 2)

    assert (crew.at_work("generator"), crew.at_work("verifier")) == (1, 1)
    await crew.end("generator")
    assert crew.at_work("generator") == 1


async def test_what_those_at_work_hold_already_is_not_counted_twice(hire: Any) -> None:
    machine = Machine(free=3000)
    crew = hire(machine.gate())
    await crew.open("generator", 4)
    await crew.give("generator", 2)
    machine.free, machine.held = 1900, 1100

    await crew.give("generator")

    assert crew.at_work("generator") == 3
    assert crew.asking("generator") == 0


async def test_more_than_they_may_take_is_credited_to_nobody(hire: Any) -> None:
    machine = Machine(free=1500)
    crew = hire(machine.gate("generator"))
    await crew.open("generator", 2)
    machine.free, machine.held = 900, 9000

    await crew.give("generator")

    assert (crew.asking("generator"), machine.waiting["generator"]) == (0, 1)


async def test_slots_open_later_where_memory_was_short_at_the_start(
    hire: Any, caplog: pytest.LogCaptureFixture
) -> None:
    machine = Machine(free=1000)
    crew = hire(machine.gate("generator"))
    with caplog.at_level(logging.INFO):
        await crew.open("generator", 3)
        assert machine.waiting["generator"] == 2
        assert caplog.text.count("fewer-slots actor=generator") == 2
        machine.free = 9000
        await crew.give("generator")

    assert (crew.asking("generator"), machine.waiting["generator"]) == (2, 0)
    assert caplog.text.count("more-slots actor=generator") == 2


async def test_the_end_of_an_attempt_lets_another_slot_go_on(hire: Any) -> None:
    machine = Machine(free=2000)
    crew = hire(machine.gate("generator"))
    await crew.open("generator", 3)
    await crew.give("generator", 2)
    machine.free = 3000

    await crew.end("generator")

    assert (crew.asking("generator"), machine.waiting["generator"]) == (2, 0)


@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
async def test_a_slot_that_asks_is_withdrawn_once_memory_has_become_short(
    hire: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "BELIEVED_S", 0.0)
    machine = Machine(free=9000)
    crew = hire(machine.gate("generator"))
    await crew.open("generator", 3)
    machine.free = 1500

    await crew.give("generator")
    await crew.give("generator", 2)

    assert (crew.at_work("generator"), crew.asking("generator"), machine.waiting["generator"]) == (1, 0, 2)
    machine.free = 9000
    await crew.end("generator")
    assert (crew.at_work("generator"), crew.asking("generator"), machine.waiting["generator"]) == (2, 1, 0)


async def test_slots_take_no_turns_where_one_waits(hire: Any, caplog: pytest.LogCaptureFixture) -> None:
    machine = Machine(free=2000)
    crew = hire(machine.gate())
    with caplog.at_level(logging.WARNING):
        await crew.open("generator", 3)
        await crew.give("generator", 4)

        await crew.end("generator")
        await crew.end("generator")

    assert crew.at_work("generator") == 2
    assert caplog.text.count("fewer-slots") == 1


async def test_a_slot_that_is_ended_while_it_waits_or_works_leaves_its_place_to_others() -> None:
    machine = Machine(free=1000)
    gate, queue = machine.gate("generator"), Queue()
    async with gate.slot("generator", queue) as last, anyio.create_task_group() as group:
        async with gate.slot("generator", queue) as first:
            queue.give()
            await first.next()
            async with gate.slot("generator", queue) as second:
                with anyio.move_on_after(1):
                    await second.next()
            group.start_soon(last.next)
            await anyio.wait_all_tasks_blocked()
            assert (queue.asking, machine.waiting["generator"]) == (0, 1)
        await anyio.wait_all_tasks_blocked()
        assert (queue.asking, machine.waiting["generator"]) == (1, 0)
        queue.give()


async def test_looking_is_spared_while_there_is_room_for_all() -> None:
    looks: list[int] = []

    def free() -> int:
        looks.append(1)
        return 9000

    gate, queue = Gate(EACH_MB, free, lambda _: 0), Queue()
    async with gate.slot("generator", queue) as slot, gate.slot("verifier", queue) as other:
        for _ in range(20):
            queue.give()
            queue.give()
            await slot.next()
            await other.next()

    assert len(looks) == 1


async def test_attempts_wait_for_memory_and_are_all_made(caplog: pytest.LogCaptureFixture) -> None:
    machine, running, most = Machine(free=2000), [0], [0]

    async def produce(item: GenerateSuite, snapshot: bytes, progress: Progress, notes: Notes) -> Product:
        running[0] += 1
        most[0] = max(most[0], running[0])
        await until(anyio.current_time() + 10)
        running[0] -= 1
        return Product(archive=b"candidate", files=("test_it.py",))

    async with memory_world(declare(["echo"]), seed=1, epoch=NOW) as world:
        bus = await world.connect("generator")
        gate = machine.gate("generator")
        actor = generator(bus, world.server.now, produce, ("echo",), worker="worker", slots=4, gate=gate)
        async with beside(actor.run):
            await order(world, 6)
            await until(anyio.current_time() + 25)
            assert most == [2]
            machine.free = 9000
            await order(world, 6)
            await until(anyio.current_time() + 600)
        assert most == [4]
        assert running == [0]


async def order(world: MemoryWorld, count: int) -> None:
    """Queue attempts of as many tasks."""
    bus = await world.connect("collector")
    voice = Voice(bus, "collector", world.server.now)
    digest = await bus.put(subjects.SNAPSHOTS, "default", b"sources")
    item = replace(to_generate(), snapshot=replace(to_generate().snapshot, digest=digest))
    for number in range(count):
        await voice.say(Publish(message=replace(item, task_id=f"{world.server.now():task-%M%S}-{number}")), {})


@pytest.mark.parametrize("concurrency", [1, 8])
async def test_generator_and_verifier_of_a_process_share_a_gate_where_there_is_something_to_decide(
    concurrency: int,
) -> None:
    options = app.Options(concurrency=concurrency, engines=("echo",))
    async with memory_world(declare(["echo"])) as world:
        actors = [app.build(role, await world.connect(role), settings.load(), options) for role in app.ROLES]

    gates = {actor.name: reaction.gate for actor in actors for reaction in actor.reactions}
    assert gates.pop("generator") is gates.pop("verifier") is (options.gate if concurrency > 1 else None)
    assert set(gates.values()) == {None}
