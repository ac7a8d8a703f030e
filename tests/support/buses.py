"""Worlds to hold a bus to its contract in: a server, connections to it, and its time."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Protocol

import anyio
import msgspec

from testwright.bus import Bus, Delivery, Slot, Stored
from testwright.bus.memory import MemoryBus, MemoryServer
from testwright.bus.topology import Topology, declare
from testwright_schemas import Priority, subjects

ACK_WAIT_S = 1.0
"""Ack wait of every consumer in ``TOPOLOGY``."""

NOTHING = Topology(streams=(), consumers=(), buckets=())
_DECLARED = declare(["echo"])
TOPOLOGY = msgspec.structs.replace(
    _DECLARED,
    consumers=tuple(msgspec.structs.replace(each, ack_wait_s=ACK_WAIT_S) for each in _DECLARED.consumers),
)
"""The product's own topology for one engine, but what is unanswered is delivered again after a second."""

LOW = subjects.generate_consumer("echo", "low")
HIGH = subjects.generate_consumer("echo", "high")


class Server(Protocol):
    """What every kind of server offers a test."""

    async def connect(self, name: str) -> Bus:
        """Return a connection that lasts as long as the server."""
        ...

    async def apply(self, topology: Topology) -> None:
        """Create what a topology declares."""
        ...


class MemoryWorld:
    """A memory server in the shape of ``Server``, for one test."""

    def __init__(self, server: MemoryServer, stack: AsyncExitStack) -> None:
        self.server = server
        self._stack = stack

    async def connect(self, name: str) -> MemoryBus:
        """Return a connection that lasts as long as the server."""
        return await self._stack.enter_async_context(self.server.connect(name))

    async def apply(self, topology: Topology) -> None:
        """Create what a topology declares."""
        self.server.apply(topology)


@asynccontextmanager
async def memory_world(topology: Topology = NOTHING, **options: Any) -> AsyncGenerator[MemoryWorld]:
    """Run a memory server for one test; ``options`` are those of ``MemoryServer``."""
    async with MemoryServer(topology, **options) as server, AsyncExitStack() as stack:
        yield MemoryWorld(server, stack)


class World:
    """A server that has ``TOPOLOGY``, whichever kind it is."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._connections = 0

    async def connect(self) -> Bus:
        """Return another connection."""
        self._connections += 1
        return await self.server.connect(f"tester-{self._connections}")

    def now(self) -> datetime:
        """Return the server's wall time."""
        return self.server.server.now() if isinstance(self.server, MemoryWorld) else datetime.now(UTC)


def work(task: str, priority: Priority = "low") -> str:
    """Return the subject of a work item."""
    return f"{subjects.PREFIX}.work.generate.echo.{priority}.default.{task}"


def timer(name: str) -> tuple[str, str]:
    """Return the subject a timer is set on and the one it fires on."""
    return f"{subjects.PREFIX}.timer.set.{name}", f"{subjects.PREFIX}.timer.due.{name}"


async def taken(slot: Slot, within_s: float = 10.0) -> Delivery:
    """Return the slot's next delivery, or fail."""
    with anyio.fail_after(within_s):
        return await slot.next()


async def told(bus: Bus, subject: str, *bodies: bytes) -> list[int]:
    """Publish bodies on one subject and return their sequences."""
    return [(await bus.publish(subject, body, message_id=f"{subject}/{body!r}")).sequence for body in bodies]


async def heard(feed: Any, count: int, within_s: float = 10.0) -> list[Stored]:
    """Return the next messages of a feed, or fail."""
    with anyio.fail_after(within_s):
        return [await anext(feed) for _ in range(count)]
