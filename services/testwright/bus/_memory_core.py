"""What the memory server holds: streams, queues and buckets. Nothing here waits; connections are around it."""

import hashlib
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

import anyio

from testwright.bus import Receipt, Stored, When
from testwright.bus._memory_faults import Dice
from testwright.bus._memory_queue import Queue
from testwright.bus._memory_stream import MemoryStream
from testwright.bus._memory_timers import Timers
from testwright.bus.topology import Bucket, Topology
from testwright.errors import (
    BlobCorruptError,
    BlobNotFoundError,
    BlobTooLargeError,
    BusError,
    PayloadTooLargeError,
    StreamNotFoundError,
)
from testwright.timetable import next_after
from testwright_schemas.envelope import MESSAGE_ID
from testwright_schemas.publication import Expect
from testwright_schemas.schedule import Timetable

PAYLOAD_LIMIT = 1024 * 1024
"""Bytes that a message may have, headers included; the real server's default."""

_TAKEN_AWAY = (MESSAGE_ID, "Nats-Schedule", "Nats-Schedule-Target", "Nats-Schedule-Time-Zone")
"""Headers of a schedule that the message it fires does not have."""


@dataclass(frozen=True, slots=True)
class _Blob:
    data: bytes
    stored_at: datetime


class Core:
    """The server's state.

    Attributes:
        timers: its clock.
        dice: its bad luck.
    """

    def __init__(self, topology: Topology, dice: Dice, epoch: datetime) -> None:
        self.timers = Timers()
        self.dice = dice
        self._epoch = epoch
        self._ids = itertools.count()
        self._started = anyio.current_time()
        self._streams: dict[str, MemoryStream] = {}
        self._queues: dict[tuple[str, str], Queue] = {}
        self._buckets: dict[str, Bucket] = {}
        self._blobs: dict[tuple[str, str, str], _Blob] = {}
        self.apply(topology)

    def now(self) -> datetime:
        """Return the wall time, in UTC."""
        return self._epoch + timedelta(seconds=anyio.current_time() - self._started)

    def apply(self, topology: Topology) -> None:
        """Create the streams, consumers and buckets that are missing, and leave the others as they are."""
        for stream in topology.streams:
            if stream.name not in self._streams:
                self._streams[stream.name] = MemoryStream(stream)
        for consumer in topology.consumers:
            key = (consumer.stream, consumer.name)
            if key not in self._queues:
                self._queues[key] = Queue(consumer, self.stream(consumer.stream), self.timers, self.dice)
        self._buckets.update((bucket.name, bucket) for bucket in topology.buckets)

    def stream(self, name: str) -> MemoryStream:
        """Return a stream as it is now.

        Raises:
            StreamNotFoundError: there is none.
        """
        if name not in self._streams:
            raise StreamNotFoundError(name)
        self._streams[name].expire(self.now())
        return self._streams[name]

    def queues(self, stream: str, consumers: Sequence[str]) -> list[Queue]:
        """Return durable consumers.

        Raises:
            StreamNotFoundError: there is no such stream or consumer.
        """
        self.stream(stream)
        for consumer in consumers:
            if (stream, consumer) not in self._queues:
                raise StreamNotFoundError(consumer)
        return [self._queues[stream, consumer] for consumer in consumers]

    def dispatch(self) -> None:
        """Hand out what can be: a connection is back."""
        for queue in self._queues.values():
            queue.dispatch()

    def store(self, subject: str, data: bytes, headers: Mapping[str, str], expect: Expect | None) -> Receipt:
        """Store a message, as ``Publisher.publish`` says."""
        return self._stream_of(subject).store(subject, data, headers, time=self.now(), expect=expect)

    def last_per_subject(self, stream: str, filters: Sequence[str], at_least: int) -> list[Stored]:
        """Return the last message of each subject that matches, as ``Reader.last_per_subject`` says."""
        found = self.stream(stream)
        return found.last_per_subject(filters, max(at_least, found.last_sequence - self.dice.lag()))

    def next_id(self) -> str:
        """Return a message id that nobody else has."""
        return f"memory/{next(self._ids)}"

    def schedule(self, subject: str, data: bytes, headers: Mapping[str, str], at: When, target: str) -> Receipt:
        """Store a message that is due later, as ``Publisher.schedule`` says.

        Raises:
            BusError: the stream takes no schedules, or ``target`` belongs to another.
        """
        stream = self._stream_of(subject)
        if not stream.config.schedules or not stream.takes(target) or subject == target:
            raise BusError(f"{stream.config.name} cannot schedule {target!r} on {subject!r}")
        when = Timetable(at=at) if isinstance(at, datetime) else at
        # As the server writes it down, so that whoever reads the subject sees when what is due.
        about = {"Nats-Schedule": _pattern(when), "Nats-Schedule-Target": target}
        replaced = stream.last(subject)
        receipt = stream.store(subject, data, {**headers, **about}, time=self.now())
        if receipt.duplicate:
            return receipt
        if replaced is not None:
            stream.remove(replaced.sequence)
        self._arm(stream, receipt.sequence, when, target)
        return receipt

    def unschedule(self, subject: str) -> None:
        """Take back what is scheduled on ``subject``, if anything."""
        self._stream_of(subject).purge(subject)

    def put(self, bucket: str, namespace: str, data: bytes) -> str:
        """Keep content of a namespace in a bucket and return its digest."""
        digest = hashlib.sha256(data).hexdigest()
        if self._find(bucket, namespace, digest) is None:
            self._blobs[bucket, namespace, digest] = _Blob(data, self.now())
        return digest

    def fetch(self, bucket: str, namespace: str, digest: str, most: int) -> bytes:
        """Return content by digest, as ``Blobs.fetch`` says."""
        blob = self._find(bucket, namespace, digest)
        if blob is None:
            raise BlobNotFoundError(bucket, digest)
        if len(blob.data) > most:
            raise BlobTooLargeError(bucket, digest, most)
        if hashlib.sha256(blob.data).hexdigest() != digest:
            raise BlobCorruptError(f"{bucket} holds something else as {digest}")
        return blob.data

    def _stream_of(self, subject: str) -> MemoryStream:
        for name, stream in self._streams.items():
            if stream.takes(subject):
                return self.stream(name)
        raise StreamNotFoundError(f"a stream for {subject}")

    def _arm(self, stream: MemoryStream, sequence: int, when: Timetable, target: str) -> datetime:
        now = self.now()
        at = next_after(when, now, now) or now
        self.timers.call_after((at - now).total_seconds(), partial(self._fire, stream, sequence, when, target))
        return at

    def _fire(self, stream: MemoryStream, sequence: int, when: Timetable, target: str) -> None:
        scheduled = stream.get(sequence)
        if scheduled is None:
            return
        if when.at is None:
            following = self._arm(stream, sequence, when, target).isoformat()
        else:
            stream.remove(sequence)
            following = "purge"
        own = {name: value for name, value in scheduled.headers.items() if name not in _TAKEN_AWAY}
        about = {"Nats-Scheduler": scheduled.subject, "Nats-Schedule-Next": following}
        stream.store(target, scheduled.data, {**own, **about}, time=self.now())

    def _find(self, bucket: str, namespace: str, digest: str) -> _Blob | None:
        if bucket not in self._buckets:
            raise StreamNotFoundError(bucket)
        blob = self._blobs.get((bucket, namespace, digest))
        age = timedelta(seconds=self._buckets[bucket].max_age_s)
        return blob if blob is not None and self.now() - blob.stored_at <= age else None


def _pattern(when: Timetable) -> str:
    if when.at is not None:
        return f"@at {when.at.astimezone(UTC).isoformat()}"
    return when.cron or f"@every {when.every_s:g}s"


def check_size(subject: str, data: bytes, headers: Mapping[str, str]) -> None:
    """Refuse a message that is too large, as it would be written on the wire.

    Raises:
        PayloadTooLargeError: with its headers it has more than ``PAYLOAD_LIMIT`` bytes.
    """
    lines = ["NATS/1.0", *(f"{name}: {value}" for name, value in headers.items()), ""]
    size = len(data) + len("\r\n".join(lines).encode()) + len("\r\n")
    if size > PAYLOAD_LIMIT:
        raise PayloadTooLargeError(subject, size, PAYLOAD_LIMIT)
