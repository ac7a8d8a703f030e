"""What NATS puts on the wire, as values: the only place that parses ack subjects, statuses and refusals."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from testwright.bus import Stored

NS = 1_000_000_000
"""Nanoseconds in a second: the unit of the JetStream API."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DENIED = re.compile(r'permissions violation for (publish|subscription) to "([^"]*)"', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Message:
    """A message as it came over the connection."""

    subject: str
    reply: str
    data: bytes
    headers: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def delivered(self) -> bool:
        """Return whether a consumer delivered it, so that its reply subject tells where it comes from."""
        return self.reply.startswith("$JS.ACK.")

    @property
    def status(self) -> str:
        """Return the three digits of a status message, nothing for one with content."""
        return "" if self.data or self.delivered else self.headers.get("Status", "")

    @property
    def description(self) -> str:
        """Return what the server says with its status."""
        return self.headers.get("Description", "")


@dataclass(frozen=True, slots=True)
class Origin:
    """What the ack subject of a delivery says about it."""

    stream: str
    consumer: str
    count: int
    sequence: int
    delivery: int
    time: datetime
    pending: int


def origin(reply: str) -> Origin:
    """Return what an ack subject says; servers with a domain put it and an account hash in front."""
    tokens = reply.split(".")
    stream, consumer, count, sequence, delivery, nanos, pending = tokens[2:9] if len(tokens) == 9 else tokens[4:11]
    time = _EPOCH + timedelta(microseconds=int(nanos) // 1000)
    return Origin(stream, consumer, int(count), int(sequence), int(delivery), time, int(pending))


def stored(message: Message) -> Stored:
    """Return a delivered message as its stream holds it."""
    where = origin(message.reply)
    return Stored(where.stream, where.sequence, message.subject, message.data, where.time, message.headers)


def parse_headers(block: bytes) -> dict[str, str]:
    """Return the headers of a block as the server stores it (``NATS/1.0`` and lines)."""
    lines = block.decode("utf-8", "replace").split("\r\n")[1:]
    pairs = (line.partition(":") for line in lines if line)
    return {name.strip(): value.strip() for name, _, value in pairs}


def size(data: bytes, headers: Mapping[str, str]) -> int:
    """Return how many bytes the server counts for a message."""
    lines = sum(len(name.encode()) + len(value.encode()) + 4 for name, value in headers.items())
    return len(data) + lines + len(b"NATS/1.0\r\n\r\n")


def denied(text: str) -> tuple[str, str] | None:
    """Return ``publish`` or ``subscription`` and the lower-cased subject that an error text refuses, if it does."""
    found = _DENIED.search(text)
    return (found[1].lower(), found[2].lower()) if found else None


def timestamp(at: datetime) -> str:
    """Return a time as the server reads it."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
