"""Reading a few messages in one round trip."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from testwright.bus import Stored
from testwright.bus._nats_api import API, NO_RESPONDERS, insist, require_stream
from testwright.bus._nats_feed import read_out
from testwright.bus._nats_link import Link
from testwright.bus._nats_wire import Message
from testwright.errors import BusError, BusTimeoutError, PermissionDeniedError

_END = "204"
_NOTHING = "404"
_TOO_MANY = "413"
_ADDED = frozenset(
    {"Nats-Stream", "Nats-Subject", "Nats-Sequence", "Nats-Time-Stamp", "Nats-Num-Pending", "Nats-Last-Sequence"}
)
"""Headers that the server adds to what it stores."""


async def last_per_subject(
    link: Link, stream: str, filters: Sequence[str], within_s: float, at_least: int
) -> AsyncGenerator[Stored]:
    """Yield the last message of each subject that matches a filter, in stream order.

    One request where the server takes it: it answers for up to 1,024 subjects. More are read through a consumer, which
    the stream's leader serves; so is nothing, where that a certain message is known matters. That request tells of all
    subjects of the stream: who may not make it reads filter by filter, each through a consumer.
    """
    try:
        few = None if stream in link.narrow else await _few(link, stream, filters, within_s, at_least)
    except PermissionDeniedError:
        link.narrow.add(stream)
        few = None
    if few is None and stream in link.narrow:
        few = await _apart(link, stream, filters, within_s)
    if few is not None:
        for stored in few:
            yield stored
        return
    async for stored in read_out(link, stream, filters, "last_per_subject", within_s):
        yield stored


async def _apart(link: Link, stream: str, filters: Sequence[str], within_s: float) -> list[Stored]:
    found: dict[int, Stored] = {}
    for each in filters:
        async for stored in read_out(link, stream, [each], "last_per_subject", within_s):
            found[stored.sequence] = stored
    return [found[sequence] for sequence in sorted(found)]


async def first_on(link: Link, stream: str, subject: str, count: int, within_s: float) -> list[bytes]:
    """Return the content of the first messages on a subject; fewer where the server that answers lags behind."""
    wanted = {"seq": 1, "next_by_subj": subject, "batch": count}
    _, found = await _gather(link, stream, wanted, within_s=within_s)
    return [message.data for message in found]


async def _few(link: Link, stream: str, filters: Sequence[str], within_s: float, at_least: int) -> list[Stored] | None:
    wanted = {"multi_last": list(filters)}
    status, found = await _gather(link, stream, wanted, within_s=within_s, at_least=at_least)
    if status == _TOO_MANY or (status == _NOTHING and at_least):
        return None
    if status not in {_END, _NOTHING}:
        raise BusError(f"stream {stream} does not answer for {', '.join(filters)}: status {status}")
    return sorted((_stored(message) for message in found), key=lambda stored: stored.sequence)


async def _gather(
    link: Link, stream: str, wanted: Mapping[str, Any], *, within_s: float, at_least: int = 0
) -> tuple[str, list[Message]]:
    found: list[Message] = []
    body = msgspec.json.encode(wanted)

    async def ask(timeout_s: float) -> Message | None:
        found.clear()
        subject = f"{API}.DIRECT.GET.{stream}"
        return await link.request(subject, body, operation="request", timeout_s=timeout_s, gather=found)

    async def judge(end: Message) -> str | None:
        if end.status == NO_RESPONDERS:
            await require_stream(link, stream)
            return None
        if end.status == _END and int(end.headers.get("Nats-UpTo-Sequence", 0)) < at_least:
            return None  # this server lags behind: perhaps another one answers next
        return end.status

    status = await insist(ask, judge, within_s=within_s, timed_out=lambda: BusTimeoutError(stream, within_s))
    return status, found


def _stored(message: Message) -> Stored:
    about = message.headers
    return Stored(
        about["Nats-Stream"],
        int(about["Nats-Sequence"]),
        about["Nats-Subject"],
        message.data,
        datetime.fromisoformat(about["Nats-Time-Stamp"]),
        {name: value for name, value in about.items() if name not in _ADDED},
    )
