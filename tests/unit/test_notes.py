"""What a worker that dies leaves for the next one, on a bus in memory and in virtual time."""

from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from typing import Any

import anyio
import pytest
from msgspec.structs import replace
from trio.testing import MockClock

from tests.support.buses import MemoryWorld, memory_world
from tests.support.tasks import NOW, finished, submitted, to_generate
from testwright.background import beside
from testwright.bus import Stored
from testwright.bus.topology import Topology, declare
from testwright.engines import Notes, Progress
from testwright.errors import BusClosedError, WorkError
from testwright.generator.actor import Product, generator
from testwright.generator.core import MAX_LOST
from testwright.generator.notes import MOST_BYTES, MOST_NOTES, Notebook
from testwright.pacing import until
from testwright.voice import Voice
from testwright_schemas import (
    AttemptFailed,
    GenerateSuite,
    Note,
    Publish,
    SuiteGenerated,
    Usage,
    envelope,
    subjects,
)

ENGINES = ("echo",)
TOPOLOGY = declare(ENGINES)
STEP = Usage(model="m", input_tokens=10, output_tokens=1, cost_usd=0.25)
ONE, TWO = Note(text="one", usage=STEP), Note(text="two", usage=STEP)


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """Return an event loop whose time passes only while everybody waits, and then at once."""
    return "trio", {"clock": MockClock(autojump_threshold=0)}


@pytest.fixture
async def world() -> AsyncIterator[MemoryWorld]:
    """Run a memory server with the product's topology."""
    async with memory_world(TOPOLOGY, seed=1, epoch=NOW) as world:
        yield world


class Engine:
    """Leaves notes, and then works for ever, delivers or fails."""

    def __init__(self, *notes: Note, then: Product | WorkError | None = None) -> None:
        self.begun = anyio.Event()
        self.found: list[Note] = []
        self._notes = notes
        self._then = then

    async def produce(self, item: GenerateSuite, snapshot: bytes, progress: Progress, notes: Notes) -> Product:
        """Do so."""
        self.found = list(notes.before)
        for note in self._notes:
            notes.add(note)
        await until(anyio.current_time() + 1)
        self.begun.set()
        if self._then is None:
            await anyio.sleep_forever()
        if isinstance(self._then, WorkError):
            raise self._then
        assert self._then is not None
        return self._then


DELIVERS = Product(archive=b"candidate", files=("test_it.py",), usage=STEP)


async def queued(world: MemoryWorld, **policy: Any) -> GenerateSuite:
    """Queue a work item, and return it."""
    bus = await world.connect("client")
    digest = await bus.put(subjects.SNAPSHOTS, "default", b"sources")
    item = to_generate()
    item = replace(
        item, snapshot=replace(item.snapshot, digest=digest), policy=replace(item.policy, deadline_s=1e5, **policy)
    )
    await say(world, submitted(), item)
    return item


async def say(world: MemoryWorld, *messages: Any) -> None:
    voice = Voice(await world.connect("someone"), "someone", world.server.now)
    for message in messages:
        await voice.say(Publish(message=message), {})


async def dies(world: MemoryWorld, engine: Engine) -> None:
    """Run a worker until its engine has begun, and end it as a crash does."""
    bus = await world.connect("dying")
    with suppress(BusClosedError):
        async with beside(generator(bus, world.server.now, engine.produce, ENGINES, worker="one").run):
            await engine.begun.wait()
            bus.kill()


async def works(world: MemoryWorld, engine: Engine) -> list[Stored]:
    """Run a worker for ten minutes, and return the last event of each kind."""
    bus = await world.connect("other")
    async with beside(generator(bus, world.server.now, engine.produce, ENGINES, worker="two").run):
        await until(anyio.current_time() + 600)
    return [stored async for stored in bus.last_per_subject(subjects.EVENTS, [subjects.EVENTS_ALL])]


async def kept(world: MemoryWorld) -> Sequence[str]:
    bus = await world.connect("reader")
    return [stored.subject async for stored in bus.last_per_subject(subjects.NOTES, [subjects.note()])]


def generated(events: Sequence[Stored]) -> SuiteGenerated:
    [told] = [envelope.decode(e.data, SuiteGenerated) for e in events if e.subject.endswith(".generated")]
    return told


async def test_the_next_worker_finds_what_the_dead_one_left_and_the_task_has_cost_both(world: MemoryWorld) -> None:
    await queued(world)
    await dies(world, Engine(ONE, TWO))
    assert len(await kept(world)) == 2

    second = Engine(then=DELIVERS)
    told = generated(await works(world, second))

    assert second.found == [ONE, TWO]
    assert told.attempt.number == 2
    assert (told.usage, told.spent) == (STEP, replace(STEP, input_tokens=30, output_tokens=3, cost_usd=0.75))
    assert await kept(world) == []


async def test_a_third_worker_finds_what_both_before_have_left_in_order(world: MemoryWorld) -> None:
    await queued(world)
    await dies(world, Engine(ONE))
    await dies(world, Engine(TWO))

    third = Engine(then=DELIVERS)
    told = generated(await works(world, third))

    assert third.found == [ONE, TWO]
    assert told.spent
    assert told.spent.cost_usd == pytest.approx(0.75)


async def test_a_failure_counts_what_the_dead_worker_spent_too_and_another_try_begins_with_a_fresh_mind(
    world: MemoryWorld,
) -> None:
    item = await queued(world)
    await dies(world, Engine(ONE))
    error = WorkError("model-unavailable", "on fire", retryable=True, usage=STEP)
    events = await works(world, Engine(TWO, then=error))

    [told] = [envelope.decode(e.data, AttemptFailed) for e in events if e.subject.endswith("attempt-failed")]
    assert told.spent
    assert told.spent.cost_usd == pytest.approx(0.5)
    assert await kept(world) == []

    again = Engine(then=DELIVERS)
    await say(world, replace(item, attempt=replace(item.attempt, number=3)))
    await works(world, again)
    assert again.found == []


async def test_where_a_task_is_given_up_what_all_its_dead_workers_have_spent_is_counted(world: MemoryWorld) -> None:
    await queued(world)
    for _ in range(MAX_LOST):
        await dies(world, Engine(ONE))

    events = await works(world, Engine(then=DELIVERS))

    [told] = [envelope.decode(e.data, AttemptFailed) for e in events if e.subject.endswith("attempt-failed")]
    assert told.failure.cause == "worker-lost"
    assert told.spent
    assert told.spent.cost_usd == pytest.approx(MAX_LOST * 0.25)
    assert await kept(world) == []


async def test_what_is_left_of_a_task_that_ended_meanwhile_is_taken_away(world: MemoryWorld) -> None:
    await queued(world)
    await dies(world, Engine(ONE))
    await say(world, finished("cancelled"))

    late = Engine(then=DELIVERS)
    await works(world, late)

    assert not late.begun.is_set()
    assert await kept(world) == []


async def test_what_is_left_of_a_task_that_ends_while_it_is_worked_on_is_taken_away(world: MemoryWorld) -> None:
    await queued(world)
    engine = Engine(ONE)
    bus = await world.connect("worker")
    async with beside(generator(bus, world.server.now, engine.produce, ENGINES, worker="one").run):
        await engine.begun.wait()
        assert len(await kept(world)) == 1
        await say(world, finished("cancelled"))
        await until(anyio.current_time() + 60)

    assert await kept(world) == []


async def test_of_a_task_with_a_budget_nothing_is_kept_as_no_other_attempt_is_made(world: MemoryWorld) -> None:
    await queued(world, max_cost_usd=1.0)
    await dies(world, Engine(ONE))
    assert await kept(world) == []

    second = Engine(then=DELIVERS)
    events = await works(world, second)

    [told] = [envelope.decode(e.data, AttemptFailed) for e in events if e.subject.endswith("attempt-failed")]
    assert told.failure.cause == "budget-exhausted"
    assert not second.begun.is_set()


async def test_of_an_engine_that_costs_nothing_nothing_is_kept(world: MemoryWorld) -> None:
    await queued(world)
    engine = Engine(ONE, then=DELIVERS)
    bus = await world.connect("worker")
    free = generator(bus, world.server.now, engine.produce, ENGINES, worker="one", charges=lambda _: False)
    async with beside(free.run):
        await engine.begun.wait()
        assert await kept(world) == []


def without_notes() -> Topology:
    """Return the topology of an earlier version."""
    return replace(TOPOLOGY, streams=tuple(each for each in TOPOLOGY.streams if each.name != subjects.NOTES))


async def test_where_there_is_no_place_for_notes_the_next_worker_begins_from_the_start() -> None:
    async with memory_world(without_notes(), seed=1, epoch=NOW) as world:
        await queued(world)
        await dies(world, Engine(ONE))
        second = Engine(TWO, then=DELIVERS)
        told = generated(await works(world, second))

    assert second.found == []
    assert told.spent == STEP


async def test_an_attempt_does_not_wait_for_a_server_that_confirms_no_note(world: MemoryWorld) -> None:
    item = await queued(world)
    bus = await world.connect("worker")
    notebook = Notebook(bus, item, keeps=True)

    with anyio.fail_after(1):
        async with notebook.open(1):
            bus.partition()
            notebook.add(ONE)
    with anyio.fail_after(10):
        await notebook.discard(left=True)

    assert await kept(world) == []


async def test_an_attempt_leaves_no_more_than_so_many_notes_and_bytes(world: MemoryWorld) -> None:
    item = await queued(world)
    bus = await world.connect("worker")
    many, long = Notebook(bus, item, keeps=True), Notebook(bus, item, keeps=True)

    async with many.open(1):
        for _ in range(MOST_NOTES + 5):
            many.add(ONE)
        await until(anyio.current_time() + 60)
    assert len(await kept(world)) == MOST_NOTES
    await many.discard(left=False)

    async with long.open(2):
        long.add(ONE)
        long.add(Note(text="x" * MOST_BYTES))
        long.add(TWO)
        await until(anyio.current_time() + 60)
    assert len(await kept(world)) == 1


async def test_what_others_have_left_is_not_found_and_not_taken_away(world: MemoryWorld) -> None:
    item = await queued(world)
    bus = await world.connect("worker")
    for other in (
        replace(item, namespace="acme"),
        replace(item, task_id="another"),
        replace(item, attempt=replace(item.attempt, number=7)),
    ):
        theirs = Notebook(bus, other, keeps=True)
        async with theirs.open(7):
            theirs.add(ONE)
            await until(anyio.current_time() + 1)

    mine = Notebook(bus, item, keeps=True)
    async with mine.open(2):
        assert mine.before == []
    await mine.discard(left=True)

    assert len(await kept(world)) == 3
