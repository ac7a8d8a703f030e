"""A bus that spectators watch: the only place where what an actor does becomes known to them."""

import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import anyio

from testwright.bus import MOST_BYTES, Bus, Delivery, Receipt, Slot, Stored, When
from testwright.observe.spectator import Answer, Said, Spectator
from testwright_schemas.publication import Expect


class ObservedBus:
    """A whole ``Bus`` on top of another one.

    Args:
        bus: does the work.
        spectators: are told of it.
    """

    def __init__(self, bus: Bus, spectators: Sequence[Spectator]) -> None:
        self._bus = bus
        self._spectators = spectators

    async def publish(
        self,
        subject: str,
        data: bytes,
        *,
        message_id: str,
        headers: Mapping[str, str] | None = None,
        expect: Expect | None = None,
    ) -> Receipt:
        """Store a message; one that had been stored before is nothing new."""
        began = time.time_ns()
        receipt = await self._bus.publish(subject, data, message_id=message_id, headers=headers, expect=expect)
        if not receipt.duplicate:
            self._tell(Said(subject, data, message_id, headers or {}, began, receipt))
        return receipt

    async def schedule(
        self, subject: str, data: bytes, *, at: When, target: str, headers: Mapping[str, str] | None = None
    ) -> Receipt:
        """Have the server publish ``data`` on ``target`` at a time."""
        began = time.time_ns()
        receipt = await self._bus.schedule(subject, data, at=at, target=target, headers=headers)
        if not receipt.duplicate:
            self._tell(Said(target, data, target, headers or {}, began, receipt, scheduled=True))
        return receipt

    async def unschedule(self, subject: str) -> None:
        """Take back what is scheduled on ``subject``, if anything."""
        await self._bus.unschedule(subject)

    async def forget(self, stream: str, subject: str) -> None:
        """Remove what a stream keeps on the subjects that match, if anything."""
        await self._bus.forget(stream, subject)

    async def last(self, stream: str, subject: str) -> Stored | None:
        """Return the last message on a literal subject."""
        return self._looked_up(await self._bus.last(stream, subject))

    async def get(self, stream: str, sequence: int) -> Stored | None:
        """Return the message with this sequence, ``None`` if there is none (any more)."""
        return self._looked_up(await self._bus.get(stream, sequence))

    async def next(self, stream: str, subject: str, *, after: int) -> Stored | None:
        """Return the first message behind a sequence on a subject, with wildcards."""
        return self._looked_up(await self._bus.next(stream, subject, after=after))

    async def last_per_subject(
        self, stream: str, filters: Sequence[str], *, at_least: int = 0
    ) -> AsyncGenerator[Stored]:
        """Yield the last message of each subject that matches a filter, in stream order."""
        async for stored in self._bus.last_per_subject(stream, filters, at_least=at_least):
            self._looked_up(stored)
            yield stored

    def feed(
        self, stream: str, filters: Sequence[str], *, after: int | None = None
    ) -> AbstractAsyncContextManager[AsyncIterator[Stored]]:
        """Follow a stream; what comes there is for nobody in particular, and not told."""
        return self._bus.feed(stream, filters, after=after)

    @asynccontextmanager
    async def slot(self, stream: str, consumers: Sequence[str], *, ahead: int = 0) -> AsyncGenerator[Slot]:
        """Open a slot over durable consumers, highest priority first."""
        async with self._bus.slot(stream, consumers, ahead=ahead) as slot:
            observed = _Slot(slot, self._spectators)
            try:
                yield observed
            finally:
                observed.leave()

    async def put(self, bucket: str, namespace: str, data: bytes) -> str:
        """Store content once and return its digest."""
        return await self._bus.put(bucket, namespace, data)

    async def fetch(self, bucket: str, namespace: str, digest: str, most: int = MOST_BYTES) -> bytes:
        """Return content of a namespace by digest, checked."""
        return await self._bus.fetch(bucket, namespace, digest, most)

    def _tell(self, said: Said) -> None:
        for spectator in self._spectators:
            spectator.said(said)

    def _looked_up(self, stored: Stored | None) -> Stored | None:
        if stored is not None:
            for spectator in self._spectators:
                spectator.read(stored)
        return stored


class _Slot:
    """A slot whose deliveries are watched; it has one at a time."""

    def __init__(self, slot: Slot, spectators: Sequence[Spectator]) -> None:
        self._slot = slot
        self._spectators = spectators
        self._held: _Delivery | None = None

    async def next(self) -> Delivery:
        """Return the next delivery; the one before it is out of our hands, answered or not."""
        self.leave()
        delivery = self._held = _Delivery(await self._slot.next(), self._spectators)
        return delivery

    def leave(self) -> None:
        """Take note that the last delivery is not being handled any more."""
        if self._held is not None:
            self._held.end("left")
            self._held = None


class _Delivery:
    """A delivery whose end is told once."""

    def __init__(self, delivery: Delivery, spectators: Sequence[Spectator]) -> None:
        self._delivery = delivery
        self._spectators = spectators
        self._began = anyio.current_time()
        self._ended = False
        for spectator in spectators:
            spectator.took(delivery)

    @property
    def message(self) -> Stored:
        """The message."""
        return self._delivery.message

    @property
    def consumer(self) -> str:
        """The durable consumer it came from."""
        return self._delivery.consumer

    @property
    def count(self) -> int:
        """How often it was delivered, this time included."""
        return self._delivery.count

    async def ack(self) -> None:
        """Take it off the queue."""
        await self._delivery.ack()
        self.end("acked")

    async def done(self) -> None:
        """Take it off the queue, without waiting for the server's word."""
        await self._delivery.done()
        self.end("acked")

    async def nak(self, delay_s: float = 0.0) -> None:
        """Hand it back for delivery after ``delay_s``."""
        await self._delivery.nak(delay_s)
        self.end("handed-back")

    async def in_progress(self) -> None:
        """Start its ack wait anew."""
        await self._delivery.in_progress()

    async def term(self, reason: str) -> None:
        """Take it off the queue as undeliverable."""
        await self._delivery.term(reason)
        self.end("buried")

    def end(self, answer: Answer) -> None:
        """Tell how it ended, unless that was told."""
        if self._ended:
            return
        self._ended = True
        for spectator in reversed(self._spectators):
            spectator.answered(self._delivery, answer, anyio.current_time() - self._began)
