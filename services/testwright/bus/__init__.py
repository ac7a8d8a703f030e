"""The bus as testwright sees it: small protocols that ``nats`` and ``memory`` implement alike.

Everything here is confirmed: a publish returns when the server has stored the message. Streams, consumers and buckets
are declared in ``topology``; an actor only binds to them.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from testwright_schemas.publication import Expect
from testwright_schemas.schedule import Timetable

When = datetime | Timetable
"""When something scheduled is due."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """The server's confirmation of a publish: where it was stored, and whether it had been before."""

    stream: str
    sequence: int
    duplicate: bool = False


@dataclass(frozen=True, slots=True)
class Stored:
    """A message as a stream holds it, and how often it was delivered from a queue: 0 times where it was read."""

    stream: str
    sequence: int
    subject: str
    data: bytes
    time: datetime
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    deliveries: int = field(default=0, compare=False)


class Delivery(Protocol):
    """One delivery of a queued message to one worker; unanswered, it is delivered again after the ack wait."""

    @property
    def message(self) -> Stored:
        """The message."""
        ...

    @property
    def consumer(self) -> str:
        """The durable consumer it came from."""
        ...

    @property
    def count(self) -> int:
        """How often it was delivered, this time included."""
        ...

    async def ack(self) -> None:
        """Take it off the queue; returns when the server has confirmed."""
        ...

    async def done(self) -> None:
        """Take it off the queue, without waiting for the server's word: where this is lost, the message comes again."""
        ...

    async def nak(self, delay_s: float = 0.0) -> None:
        """Hand it back for delivery after ``delay_s``."""
        ...

    async def in_progress(self) -> None:
        """Start its ack wait anew."""
        ...

    async def term(self, reason: str) -> None:
        """Take it off the queue as undeliverable."""
        ...


class Slot(Protocol):
    """A place for one delivery at a time, over consumers in order of priority."""

    async def next(self) -> Delivery:
        """Return the next delivery of the first consumer that has one; wait where none has.

        Safe to cancel: a delivery that arrives for nobody is handed back at once.

        Raises:
            StreamNotFoundError: a consumer is gone.
            BusClosedError: the connection was closed for good.
        """
        ...


class Publisher(Protocol):
    """Says things, durably."""

    async def publish(
        self,
        subject: str,
        data: bytes,
        *,
        message_id: str,
        headers: Mapping[str, str] | None = None,
        expect: Expect | None = None,
    ) -> Receipt:
        """Store a message; retried under the same id until confirmed, so it is stored once.

        A retry of an own publish counts as a duplicate also where ``expect`` no longer holds.

        Raises:
            ConflictError: ``expect`` does not hold.
            SubjectFullError: the queue takes one message a subject and has one.
            PayloadTooLargeError, PermissionDeniedError, StreamNotFoundError: nothing was stored.
            PublishTimeoutError: no confirmation within the configured time (30 s by default).
            BusClosedError: the connection was closed for good.
        """
        ...

    async def schedule(
        self, subject: str, data: bytes, *, at: When, target: str, headers: Mapping[str, str] | None = None
    ) -> Receipt:
        """Have the server publish ``data`` on ``target`` at a time; a second schedule on ``subject`` replaces it.

        ``subject`` and ``target`` belong to the same stream. A time in the past fires at once. What recurs stays until
        it is taken back.
        """
        ...

    async def unschedule(self, subject: str) -> None:
        """Take back what is scheduled on ``subject``, if anything."""
        ...

    async def forget(self, stream: str, subject: str) -> None:
        """Remove what a stream keeps on the subjects that match, if anything.

        Raises:
            StreamNotFoundError: there is no such stream.
        """
        ...


class Reader(Protocol):
    """Reads what streams hold, and follows what comes."""

    async def last(self, stream: str, subject: str) -> Stored | None:
        """Return the last message on a literal subject, as the stream's leader knows it; ``None`` if there is none."""
        ...

    async def get(self, stream: str, sequence: int) -> Stored | None:
        """Return the message with this sequence, ``None`` if there is none (any more)."""
        ...

    async def next(self, stream: str, subject: str, *, after: int) -> Stored | None:
        """Return the first message behind sequence ``after`` on a subject, with wildcards; ``None`` if there is none.

        The stream's leader is asked.
        """
        ...

    def last_per_subject(self, stream: str, filters: Sequence[str], *, at_least: int = 0) -> AsyncIterator[Stored]:
        """Yield the last message of each subject that matches a filter, in stream order.

        Any server of a cluster answers, one that lags behind a little included, but none that does not know the stream
        up to sequence ``at_least``.
        """
        ...

    def feed(
        self, stream: str, filters: Sequence[str], *, after: int | None = None
    ) -> AbstractAsyncContextManager[AsyncIterator[Stored]]:
        """Follow a stream: every message that matches a filter, once, in order, across reconnects.

        Args:
            stream: its name.
            filters: subjects, with wildcards.
            after: start behind this sequence (0: from the first one kept); ``None`` for what comes from now on.
                The feed stands when the context is entered: what is published later is never missed.
        """
        ...


class Puller(Protocol):
    """Takes work from queues."""

    def slot(self, stream: str, consumers: Sequence[str], *, ahead: int = 0) -> AbstractAsyncContextManager[Slot]:
        """Open a slot over durable consumers, highest priority first.

        Args:
            stream: where they are.
            consumers: their names.
            ahead: deliveries of a single consumer that may be fetched before they are asked for. They are held: none
                goes to another slot before this one is closed. Only for work that takes milliseconds.
        """
        ...


MOST_BYTES = 256 << 20
"""Longest content that is fetched, unless said otherwise: whoever may put some must not fill the memory of workers."""


class Blobs(Protocol):
    """Keeps content by digest, that of each namespace apart."""

    async def put(self, bucket: str, namespace: str, data: bytes) -> str:
        """Store content once and return its SHA-256 in hexadecimal; storing it again costs one look-up at most."""
        ...

    async def fetch(self, bucket: str, namespace: str, digest: str, most: int = MOST_BYTES) -> bytes:
        """Return content of a namespace by digest, checked.

        Raises:
            BlobNotFoundError: the namespace has none (any more).
            BlobCorruptError: it does not have the digest.
            BlobTooLargeError: it has more than ``most`` bytes.
        """
        ...


class Bus(Publisher, Reader, Puller, Blobs, Protocol):
    """A connection with everything on it."""
