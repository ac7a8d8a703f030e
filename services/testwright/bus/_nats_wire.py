"""What NATS puts on the wire, as values: the only place that parses ack subjects, statuses and refusals."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from msgspec import Struct

from testwright.bus import Stored

NS = 1_000_000_000
"""Nanoseconds in a second: the unit of the JetStream API."""

_VERSION = "NATS/1.0"
_DIGITS = 18
_BREAKS = str.maketrans("\r\n", "  ")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DENIED = re.compile(r'permissions violation for (publish|subscription) to "([^"]*)"', re.IGNORECASE)


class Message(Struct, frozen=True):
    """A message as it came over the connection; no dataclass, as that takes several times as long to make."""

    subject: str
    reply: str
    data: bytes
    headers: Mapping[str, str] = {}

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


class Origin(Struct, frozen=True):
    """What the ack subject of a delivery says about it."""

    stream: str
    consumer: str
    count: int
    sequence: int
    delivery: int
    time: datetime
    pending: int


Handler = Callable[[Message], None]
"""Takes what arrives."""


@lru_cache(maxsize=256)
def origin(reply: str) -> Origin:
    """Return what an ack subject says; that of one delivery is asked for several times.

    Raises:
        ValueError: it is none.
    """
    try:
        stream, consumer, count, sequence, delivery, nanos, pending = _about(reply)
        time = _EPOCH + timedelta(microseconds=int(nanos) // 1000)
        return Origin(stream, consumer, int(count), int(sequence), int(delivery), time, int(pending))
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{reply[:200]!r} is no ack subject") from error


def answers_to(stream: str, consumer: str) -> str:
    """Return what stands for all answers to the deliveries of a queue."""
    return f"$JS.ACK.{stream}.{consumer}"


def answered(reply: str) -> str:
    """Return ``answers_to`` the queue that an ack subject belongs to; the subject itself if it is none."""
    about = _about(reply)
    return answers_to(*about[:2]) if len(about) > 1 else reply


Delivered = tuple[str, ...]
"""What tells a message of a queue from all others: its stream, the queue, and its sequence."""


def delivered(reply: str) -> tuple[Delivered, int]:
    """Return which message an ack subject is about, and the how-manieth delivery of it; itself and 0 if it is none."""
    match _about(reply):
        case [stream, consumer, count, sequence, *_] if count.isdecimal():
            return (stream, consumer, sequence), int(count[:_DIGITS])
        case _:
            return (reply,), 0


def _about(reply: str) -> list[str]:
    # Servers with a domain put it and an account hash in front.
    tokens = reply.split(".")
    return tokens[2:9] if len(tokens) == 9 else tokens[4:11]


def stored(message: Message) -> Stored:
    """Return a delivered message as its stream holds it."""
    where = origin(message.reply)
    return Stored(where.stream, where.sequence, message.subject, message.data, where.time, message.headers, where.count)


def parse_headers(block: bytes) -> dict[str, str]:
    """Return the headers of a block: ``NATS/1.0``, which a status may follow, and lines."""
    first, *lines = block.decode("utf-8", "replace").split("\r\n")
    headers: dict[str, str] = {}
    for line in lines:
        if line:
            name, _, value = line.partition(":")
            headers[name.strip()] = value.strip()
    if first == _VERSION:
        return headers
    status, _, description = first.removeprefix(_VERSION).strip().partition(" ")
    if status:
        headers |= {"Status": status, "Description": description} if description else {"Status": status}
    return headers


def block(headers: Mapping[str, str]) -> bytes:
    """Return headers as they are sent; a line break in one becomes a space, as it would begin another header."""
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    if lines.count("\r") + lines.count("\n") > 2 * len(headers):
        lines = "".join([f"{name}: {value}".translate(_BREAKS) + "\r\n" for name, value in headers.items()])
    return f"{_VERSION}\r\n{lines}\r\n".encode()


def command(subject: str, data: bytes, reply: str, headers: bytes) -> bytes:
    """Return a message as it is sent; ``headers`` are those that ``block`` made, or nothing.

    Raises:
        ValueError: a subject is none: white space would begin another word of the protocol.
    """
    if subject.split() != [subject] or (reply and reply.split() != [reply]):
        raise ValueError(f"{subject!r} or {reply!r} is no subject")
    if not headers:
        return b"PUB %b %b %d\r\n%b\r\n" % (subject.encode(), reply.encode(), len(data), data)
    sizes = (len(headers), len(headers) + len(data))
    return b"HPUB %b %b %d %d\r\n%b%b\r\n" % (subject.encode(), reply.encode(), *sizes, headers, data)


def denied(text: str) -> tuple[str, str] | None:
    """Return ``publish`` or ``subscription`` and the lower-cased subject that an error text refuses, if it does."""
    found = _DENIED.search(text)
    return (found[1].lower(), found[2].lower()) if found else None


def timestamp(at: datetime) -> str:
    """Return a time as the server reads it."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
