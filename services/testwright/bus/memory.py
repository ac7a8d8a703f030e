"""The bus in memory: the only place where the protocols are implemented without a server.

It behaves as NATS JetStream does, and where the two could differ the contract suite holds both to the same: ids are
remembered before expectations are checked, an answer to a stale delivery counts, redeliveries come before new messages,
schedules are messages on their own subject, a fired one has no id. On Trio with a mock clock it runs in virtual time,
and for a seed it goes wrong always alike.
"""

import contextlib
import dataclasses
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

import anyio
from anyio.abc import TaskGroup

from testwright.bus import MOST_BYTES, Delivery, Receipt, Slot, Stored, When
from testwright.bus._memory_core import Core, check_size
from testwright.bus._memory_faults import Dice, Faults
from testwright.bus._memory_feed import MemoryFeed
from testwright.bus._memory_link import Link
from testwright.bus._memory_queue import Handout, Queue, Waiter
from testwright.bus.topology import Topology
from testwright_schemas.envelope import MESSAGE_ID
from testwright_schemas.publication import Expect

__all__ = ["Faults", "MemoryBus", "MemoryServer"]


class MemoryServer:
    """A server that lives in this process, as long as its context.

    Args:
        topology: what exists at the start.
        faults: what goes wrong; nothing by default.
        seed: of the dice that decide when.
        epoch: the wall time at the start; the real one by default.
    """

    def __init__(
        self, topology: Topology, *, faults: Faults | None = None, seed: int = 0, epoch: datetime | None = None
    ) -> None:
        self._topology = topology
        self._dice = Dice(faults or Faults(), seed)
        self._epoch = epoch
        self._core: Core | None = None
        self._tasks: TaskGroup | None = None
        self._connections: dict[MemoryBus, None] = {}

    @property
    def faults(self) -> Faults:
        """What goes wrong from now on; may be set."""
        return self._dice.faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        self._dice.faults = faults

    async def __aenter__(self) -> Self:
        self._core = Core(self._topology, self._dice, self._epoch or datetime.now(UTC))
        self._tasks = anyio.create_task_group()
        await self._tasks.__aenter__()
        self._tasks.start_soon(self._core.timers.run)
        return self

    async def __aexit__(
        self, type_: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        for bus in tuple(self._connections):
            bus.kill()
        tasks = self._tasks
        if tasks is None:
            return None
        tasks.cancel_scope.cancel()
        return await tasks.__aexit__(type_, error, traceback)

    def now(self) -> datetime:
        """Return the server's wall time, in UTC."""
        return self._running.now()

    def apply(self, topology: Topology) -> None:
        """Create the streams, consumers and buckets that are missing."""
        self._running.apply(topology)

    @contextlib.asynccontextmanager
    async def connect(self, name: str) -> AsyncGenerator["MemoryBus"]:
        """Open a connection; it is closed with the context."""
        bus = MemoryBus(self._running, Link(name, self._dice))
        self._connections[bus] = None
        try:
            yield bus
        finally:
            bus.kill()
            del self._connections[bus]

    @property
    def _running(self) -> Core:
        if self._core is None:
            raise RuntimeError("the memory server serves only inside its context")
        return self._core


class MemoryBus:
    """A connection to a memory server: the whole ``Bus``, and what may happen to a connection."""

    def __init__(self, core: Core, link: Link) -> None:
        self._core = core
        self._link = link

    def kill(self) -> None:
        """End it as a crash does: what waits raises ``BusClosedError``, what is unanswered comes back in time."""
        self._link.close()

    def partition(self) -> None:
        """Cut it off: whatever wants an answer waits until it times out; slots and feeds wait for ever."""
        self._link.partition()

    def heal(self) -> None:
        """End a partition: what waits goes on, feeds go on where they were."""
        self._link.heal()
        self._core.dispatch()

    def slow(self, by_s: float) -> None:
        """Make it slow: what is published, answered and followed takes so many seconds longer, until it is set to 0."""
        self._link.slow(by_s)

    async def publish(
        self,
        subject: str,
        data: bytes,
        *,
        message_id: str,
        headers: Mapping[str, str] | None = None,
        expect: Expect | None = None,
    ) -> Receipt:
        """Store a message."""
        own = {**(headers or {}), MESSAGE_ID: message_id}
        check_size(subject, data, own)
        return await self._link.publish(subject, lambda: self._core.store(subject, data, own, expect))

    async def schedule(
        self, subject: str, data: bytes, *, at: When, target: str, headers: Mapping[str, str] | None = None
    ) -> Receipt:
        """Have a message published later."""
        own = {**(headers or {}), MESSAGE_ID: self._core.next_id()}
        check_size(subject, data, own)
        return await self._link.publish(subject, lambda: self._core.schedule(subject, data, own, at, target))

    async def unschedule(self, subject: str) -> None:
        """Take back what is scheduled."""
        await self._link.publish(subject, lambda: self._core.unschedule(subject))

    async def forget(self, stream: str, subject: str) -> None:
        """Remove what a stream keeps on the subjects that match."""
        await self._link.ask(stream, lambda: self._core.stream(stream).purge(subject))

    async def last(self, stream: str, subject: str) -> Stored | None:
        """Return the last message on a literal subject."""
        return await self._link.ask(stream, lambda: self._core.stream(stream).last(subject))

    async def get(self, stream: str, sequence: int) -> Stored | None:
        """Return the message with this sequence."""
        return await self._link.ask(stream, lambda: self._core.stream(stream).get(sequence))

    async def next(self, stream: str, subject: str, *, after: int) -> Stored | None:
        """Return the first message behind a sequence on a subject."""
        return await self._link.ask(stream, lambda: self._core.stream(stream).next(subject, after))

    async def last_per_subject(
        self, stream: str, filters: Sequence[str], *, at_least: int = 0
    ) -> AsyncIterator[Stored]:
        """Yield the last message of each subject that matches, as things stand at the first one."""
        for stored in await self._link.ask(stream, lambda: self._core.last_per_subject(stream, filters, at_least)):
            yield stored

    @contextlib.asynccontextmanager
    async def feed(
        self, stream: str, filters: Sequence[str], *, after: int | None = None
    ) -> AsyncGenerator[AsyncIterator[Stored]]:
        """Follow a stream."""
        feed = await self._link.ask(stream, lambda: MemoryFeed(self._link, self._core.stream(stream), filters, after))
        try:
            yield feed
        finally:
            feed.close()

    @contextlib.asynccontextmanager
    async def slot(self, stream: str, consumers: Sequence[str], *, ahead: int = 0) -> AsyncGenerator[Slot]:
        """Open a slot over durable consumers; nothing is gained by fetching ahead here."""
        del ahead
        queues = await self._link.ask(stream, lambda: self._core.queues(stream, consumers))
        yield _MemorySlot(self._link, queues)

    async def put(self, bucket: str, namespace: str, data: bytes) -> str:
        """Store content once."""
        return await self._link.ask(bucket, lambda: self._core.put(bucket, namespace, data))

    async def fetch(self, bucket: str, namespace: str, digest: str, most: int = MOST_BYTES) -> bytes:
        """Return content of a namespace by digest."""
        return await self._link.ask(bucket, lambda: self._core.fetch(bucket, namespace, digest, most))


class _MemorySlot:
    def __init__(self, link: Link, queues: Sequence[Queue]) -> None:
        self._link = link
        self._queues = queues

    async def next(self) -> Delivery:
        with self._link.waiting():
            await self._link.reach()
            waiter = Waiter(self._link, self._queues)
            waiter.arm()
            try:
                await waiter.arrived.wait()
            except BaseException:
                waiter.abandon()
                raise
            return _MemoryDelivery(self._link, waiter.taken())


class _MemoryDelivery:
    def __init__(self, link: Link, handout: Handout) -> None:
        self._link = link
        self._queue = handout.queue
        self.message: Stored = dataclasses.replace(handout.message, deliveries=handout.count)
        self.consumer: str = handout.queue.config.name
        self.count: int = handout.count

    async def ack(self) -> None:
        await self._link.answer(self.consumer, lambda: self._queue.done(self.message.sequence))

    async def done(self) -> None:
        await self._link.say(lambda: self._queue.done(self.message.sequence))

    async def nak(self, delay_s: float = 0.0) -> None:
        await self._link.answer(self.consumer, lambda: self._queue.nak(self.message.sequence, delay_s))

    async def in_progress(self) -> None:
        await self._link.tell(lambda: self._queue.in_progress(self.message.sequence))

    async def term(self, reason: str) -> None:
        del reason  # only the server's advisory tells it
        await self.ack()
