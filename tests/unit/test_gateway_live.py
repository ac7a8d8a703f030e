"""The board follows the stream from the very place that it has read up to."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, aclosing

import anyio
import msgspec
import pytest

from tests.support import tasks
from testwright.background import beside
from testwright.bus import Bus, Stored
from testwright.bus.memory import MemoryServer
from testwright.bus.topology import declare
from testwright.errors import RequestRefusedError
from testwright.gateway.core import Change
from testwright.gateway.live import Live
from testwright.gateway.tables import ALL
from testwright_schemas import TaskMessage, envelope, subjects


class Busy:
    """A bus on which something happens just when a reader has read what there is."""

    def __init__(self, bus: Bus, event: TaskMessage) -> None:
        self._bus = bus
        self._event = event

    async def last(self, stream: str, subject: str) -> Stored | None:
        return await self._bus.last(stream, subject)

    async def get(self, stream: str, sequence: int) -> Stored | None:
        return await self._bus.get(stream, sequence)

    async def next(self, stream: str, subject: str, *, after: int) -> Stored | None:
        return await self._bus.next(stream, subject, after=after)

    async def last_per_subject(
        self, stream: str, filters: Sequence[str], *, at_least: int = 0
    ) -> AsyncGenerator[Stored]:
        async for stored in self._bus.last_per_subject(stream, filters, at_least=at_least):
            yield stored
        await say(self._bus, self._event)

    def feed(
        self, stream: str, filters: Sequence[str], *, after: int | None = None
    ) -> AbstractAsyncContextManager[AsyncIterator[Stored]]:
        return self._bus.feed(stream, filters, after=after)


@pytest.fixture
async def bus() -> AsyncGenerator[Bus]:
    async with MemoryServer(declare(("echo",))) as server, server.connect("test") as made:
        yield made


async def say(bus: Bus, *events: TaskMessage) -> None:
    for event in events:
        await bus.publish(subjects.event(event), envelope.encode(event), message_id=subjects.message_id(event))


def state(live: Live) -> str:
    return next((row.state for row in live.board.tasks((ALL,))), "")


async def test_what_happens_between_reading_and_following_is_not_missed(bus: Bus) -> None:
    await say(bus, tasks.submitted())
    live = Live(Busy(bus, tasks.started()))

    with anyio.fail_after(30):
        async with beside(live.follow):
            await live.until(lambda: state(live) == "running")


async def test_whoever_is_slow_gets_the_last_state_and_no_queue(bus: Bus) -> None:
    live = Live(bus)
    with anyio.fail_after(30):
        async with beside(live.follow), aclosing(live.changes((ALL,), None)) as changes:
            await anext(changes)
            await say(bus, tasks.submitted(), tasks.started(), tasks.generated(), tasks.finished())
            await live.until(lambda: state(live) == "completed")

            change = await anext(changes)

    found = msgspec.json.decode(change.split(b"data: ")[1], type=Change)
    assert [row.state for row in found.tasks] == ["completed"]


async def test_a_gateway_that_closes_ends_its_streams_and_opens_no_more(bus: Bus) -> None:
    live = Live(bus)
    with anyio.fail_after(30):
        async with beside(live.follow):
            async with aclosing(live.changes((ALL,), None)) as changes:
                await anext(changes)
                live.close()
                assert [chunk async for chunk in changes] == []
            with pytest.raises(RequestRefusedError):
                async with live.place():
                    raise AssertionError("a place was given")
