"""How a task comes to its first attempt without being looked up, and what is said on the way."""

from collections.abc import AsyncIterator, Sequence
from typing import Any, cast

import anyio
import pytest
from msgspec.structs import replace

from tests.support.buses import MemoryWorld
from tests.support.tasks import finished, generated, started, submitted, to_generate, verified
from testwright.background import beside
from testwright.bus import Bus, Stored
from testwright.endings import Endings
from testwright.engines import Notes, Progress
from testwright.generator.actor import Product, generator
from testwright.pacing import until
from testwright.voice import Voice, steps
from testwright_schemas import Expect, GenerateSuite, Publish, TaskSubmitted, subjects

pytestmark = pytest.mark.virtual_time

ENGINES = ("echo", "ghostwriter")


async def produce(item: GenerateSuite, snapshot: bytes, progress: Progress, notes: Notes) -> Product:
    """Deliver one file."""
    return Product(archive=b"candidate", files=("test_it.py",))


async def say(world: MemoryWorld, *messages: Any) -> None:
    bus = await world.connect("someone")
    voice = Voice(bus, "someone", world.server.now)
    for message in messages:
        await voice.say(Publish(message=message), {})


async def settled(world: MemoryWorld) -> list[str]:
    """Return the kinds of all events there are after a while."""
    await until(anyio.current_time() + 600)
    bus = await world.connect("reader")
    events = bus.last_per_subject(subjects.EVENTS, [subjects.EVENTS_ALL])
    return [event.subject.rpartition(".")[2] async for event in events]


_TASK = (submitted().namespace, submitted().task_id)


class _Watched:
    """A bus that remembers what was read of it."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self.read: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bus, name)

    def last_per_subject(self, stream: str, filters: Sequence[str], *, at_least: int = 0) -> AsyncIterator[Stored]:
        self.read += filters
        return self._bus.last_per_subject(stream, filters, at_least=at_least)


async def _told_of(world: MemoryWorld, event: TaskSubmitted) -> int:
    bus = await world.connect("submitter")
    receipt = await Voice(bus, "submitter", world.server.now).say(Publish(message=event), {})
    assert receipt is not None
    return receipt.sequence


async def test_a_first_attempt_is_begun_without_a_look_at_what_there_is(world: MemoryWorld) -> None:
    bus = _Watched(await world.connect("generator"))
    async with beside(generator(cast(Bus, bus), world.server.now, produce, ENGINES, worker="worker").run):
        receipt = await _told_of(world, submitted())
        await say(world, replace(to_generate(), known=receipt))
        events = await settled(world)

    assert "started" in events
    assert subjects.task_event(*_TASK) not in bus.read


async def test_a_task_that_was_ended_while_its_first_attempt_was_queued_never_begins(world: MemoryWorld) -> None:
    receipt = await _told_of(world, submitted())
    await say(world, replace(to_generate(), known=receipt), finished())
    bus = await world.connect("generator")
    async with beside(generator(bus, world.server.now, produce, ENGINES, worker="worker").run):
        events = await settled(world)

    assert "started" not in events


async def test_a_worker_knows_which_tasks_have_not_ended_as_far_back_as_it_remembers_ends(
    world: MemoryWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("testwright.endings.MOST_ENDED", 2)
    endings = Endings(await world.connect("verifier"))
    async with beside(endings.follow):
        await say(world, *(replace(finished(), task_id=f"task-{number}") for number in range(1, 5)))
        await until(anyio.current_time() + 1)

    assert not endings.open("default", "task-4", since=3)
    assert endings.open("default", "at-work", since=3)
    assert not endings.open("default", "forgotten-perhaps", since=2)


def test_what_depends_on_nothing_said_before_is_said_at_the_same_time() -> None:
    opening, one, another, on_condition, after = (
        Publish(message=message)
        for message in (submitted(), started(), generated(), replace(finished(), attempts=2), verified())
    )
    on_condition = replace(on_condition, expect=Expect(subject="s", sequence=1))

    assert steps([]) == []
    assert steps([opening, one, another, on_condition, after]) == [[opening], [one, another], [on_condition], [after]]


def test_what_is_behind_is_said_once_all_before_it_was() -> None:
    opening, one, another, behind, beside_it, after = (
        Publish(message=replace(submitted(), task_id=f"task-{number}"), behind=number in {3, 4}) for number in range(6)
    )

    assert steps([opening, one, another, behind, beside_it, after]) == [
        [opening],
        [one, another],
        [behind, beside_it],
        [after],
    ]
