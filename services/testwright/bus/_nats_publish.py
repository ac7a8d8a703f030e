"""Publishing so that it is confirmed, and stored once."""

from collections.abc import Awaitable, Mapping
from datetime import datetime
from typing import Any
from uuid import uuid4

import msgspec

from testwright.bus import Receipt, When
from testwright.bus._nats_api import NO_RESPONDERS, call, insist, streams_of, understood
from testwright.bus._nats_link import Link
from testwright.bus._nats_wire import Message, block, timestamp
from testwright.errors import (
    BusError,
    ConflictError,
    PayloadTooLargeError,
    PublishTimeoutError,
    StreamNotFoundError,
    SubjectFullError,
)
from testwright.timetable import MIN_EVERY_S, with_seconds
from testwright_schemas import envelope
from testwright_schemas.envelope import MESSAGE_ID
from testwright_schemas.publication import Expect
from testwright_schemas.schedule import Timetable

_WRONG_LAST_SEQUENCE = (10071, 10164)
_STORE_FAILED = 10077
_TOO_LARGE = 10054
_SAME_ID_IN_PROCESS = 10158


class _Confirmation(msgspec.Struct):
    """What the server says to a publish: where it was stored, or why it was not."""

    stream: str = ""
    seq: int = 0
    duplicate: bool = False
    error: dict[str, Any] | None = None


_CONFIRMATION = envelope.Decoder[_Confirmation](_Confirmation)


class Publishing:
    """One message on its way into a stream, as often as it takes."""

    def __init__(self, link: Link, subject: str, data: bytes, headers: Mapping[str, str]) -> None:
        self._link = link
        self._subject = subject
        self._data = data
        self._headers = headers
        self._block = block(headers)
        self._size = len(self._block) + len(data)
        self._refusal = ""

    async def run(self, within_s: float) -> Receipt:
        """Publish until confirmed."""
        if self._size > self._link.max_payload:
            raise PayloadTooLargeError(self._subject, self._size, self._link.max_payload)

        def ask(timeout_s: float) -> Awaitable[Message | None]:
            return self._link.request(self._subject, self._data, self._block, timeout_s=timeout_s)

        def timed_out() -> BusError:
            why = f" (the server says: {self._refusal})" if self._refusal else ""
            return PublishTimeoutError(
                f"no confirmation for {self._subject} within {within_s:g} s{why}; it may be stored"
            )

        return await insist(ask, self._judge, within_s=within_s, timed_out=timed_out)

    async def _judge(self, answer: Message) -> Receipt | None:
        if answer.status == NO_RESPONDERS:
            if await streams_of(self._link, self._subject) == []:
                raise StreamNotFoundError(f"a stream for {self._subject}")
            return None
        told = understood(_CONFIRMATION, answer, self._subject)
        if told.error is None:
            return Receipt(told.stream, told.seq, told.duplicate)
        return await self._refused(told.error)

    async def _refused(self, error: Mapping[str, Any]) -> Receipt | None:
        code, description = error.get("err_code"), str(error.get("description"))
        if code in _WRONG_LAST_SEQUENCE:
            return await self._unless_ours(ConflictError(self._subject, description))
        if code == _STORE_FAILED and "per subject" in description:
            return await self._unless_ours(SubjectFullError(self._subject))
        if code == _TOO_LARGE:
            raise PayloadTooLargeError(self._subject, self._size, self._link.max_payload)
        if code == _SAME_ID_IN_PROCESS or error.get("code") == 503:
            self._refusal = description
            return None
        raise BusError(f"{self._subject}: {description} ({code})")

    async def _unless_ours(self, error: BusError) -> Receipt | None:
        # A single server looks at the expectation before it looks for duplicates, so a retry of a publish that it did
        # store is refused. It looks at the expected last id after that: one that nobody has lets nothing be stored.
        probe = {MESSAGE_ID: self._headers[MESSAGE_ID], "Nats-Expected-Last-Msg-Id": uuid4().hex}
        answer = await self._link.request(self._subject, b"", block(probe))
        if answer is None or answer.status:
            return None
        told = understood(_CONFIRMATION, answer, self._subject)
        if told.duplicate:
            return Receipt(told.stream, told.seq, duplicate=True)
        raise error


def message_headers(message_id: str, own: Mapping[str, str] | None, expect: Expect | None = None) -> dict[str, str]:
    """Return the headers of a publish."""
    result = {**(own or {}), MESSAGE_ID: message_id}
    if expect is not None:
        result["Nats-Expected-Last-Subject-Sequence"] = str(expect.sequence)
        result["Nats-Expected-Last-Subject-Sequence-Subject"] = expect.subject
    return result


def schedule_headers(own: Mapping[str, str] | None, at: When, target: str) -> dict[str, str]:
    """Return the headers of a schedule; the server takes its own ones away when it fires."""
    return {**message_headers(uuid4().hex, own), **_pattern(at), "Nats-Schedule-Target": target}


def _pattern(when: When) -> dict[str, str]:
    match when:
        case datetime():
            return {"Nats-Schedule": f"@at {timestamp(when)}"}
        case Timetable(at=datetime() as at):
            return {"Nats-Schedule": f"@at {timestamp(at)}"}
        case Timetable(cron=str(cron), time_zone=zone):
            return {"Nats-Schedule": with_seconds(cron), "Nats-Schedule-Time-Zone": zone}
        case Timetable(every_s=every_s):
            return {"Nats-Schedule": f"@every {round((every_s or MIN_EVERY_S) * 1000)}ms"}


async def purge(link: Link, stream: str, subject: str, within_s: float) -> None:
    """Remove every message on a subject of a stream."""
    await call(link, f"STREAM.PURGE.{stream}", {"filter": subject}, within_s=within_s, name=f"stream {stream}")


async def home(link: Link, subject: str, within_s: float) -> str:
    """Return the stream that stores a subject.

    Raises:
        StreamNotFoundError: there is none.
    """
    names = await call(link, "STREAM.NAMES", {"subject": subject}, within_s=within_s)
    streams: list[str] | None = names.get("streams")
    if not streams:
        raise StreamNotFoundError(f"a stream for {subject}")
    return streams[0]
