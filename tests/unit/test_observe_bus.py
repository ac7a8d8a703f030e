"""What spectators are told of a bus: what was new, and how each delivery ended, once."""

from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, nullcontext

import pytest

from tests.support.buses import LOW, MemoryWorld, memory_world, taken, work
from testwright.bus import Delivery
from testwright.bus.topology import declare
from testwright.observe.observation import observed_bus
from testwright.observe.spectator import Answer, Indifferent, Said, Step
from testwright_schemas import subjects


class Witness(Indifferent):
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def answered(self, delivery: Delivery, answer: Answer, seconds: float) -> None:
        """Write it down."""
        self.told.append(answer)

    def said(self, said: Said) -> None:
        """Write it down."""
        self.told.append(said.message_id)

    def step(self, step: Step) -> AbstractContextManager[None]:
        """Ignore it."""
        return nullcontext()


@pytest.fixture
async def world() -> AsyncIterator[MemoryWorld]:
    """Run a memory server with the product's topology."""
    async with memory_world(declare(["echo"])) as made:
        yield made


async def test_what_the_server_had_already_is_not_told_again(world: MemoryWorld) -> None:
    witness = Witness()
    bus = observed_bus(await world.connect("worker"), [witness])

    for _ in range(2):
        await bus.publish(subjects.task_event("default", "task-1", "started"), b"{}", message_id="one")

    assert witness.told == ["one"]


async def test_each_delivery_ends_once_however_it_ends(world: MemoryWorld) -> None:
    witness = Witness()
    bus = await world.connect("worker")
    for name in ("task-1", "task-2", "task-3", "task-4"):
        await bus.publish(work(name), b"{}", message_id=name)

    async with observed_bus(bus, [witness]).slot(subjects.WORK, [LOW]) as slot:
        await (await taken(slot)).ack()
        await (await taken(slot)).nak(60)
        await (await taken(slot)).term("no use")
        await taken(slot)

    assert witness.told == ["acked", "handed-back", "buried", "left"]


async def test_where_nobody_watches_the_bus_is_itself(world: MemoryWorld) -> None:
    bus = await world.connect("worker")

    assert observed_bus(bus, ()) is bus
