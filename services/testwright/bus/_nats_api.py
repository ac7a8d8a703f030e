"""Asking until there is an answer: confirmed requests and the JSON API of JetStream."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

import anyio
import msgspec

from testwright.bus._nats_link import Link
from testwright.bus._nats_wire import Message
from testwright.errors import BusError, BusTimeoutError, PermissionDeniedError, StreamNotFoundError
from testwright.pacing import Backoff
from testwright_schemas import envelope

T = TypeVar("T")

API = "$JS.API"
NO_RESPONDERS = "503"

CONSUMER_NOT_FOUND = 10014
STREAM_NOT_FOUND = 10059

_TRY_S = 5.0
_CONTENT = envelope.Decoder[dict[str, Any]](dict[str, Any])


async def insist(
    ask: Callable[[float], Awaitable[Message | None]],
    judge: Callable[[Message], Awaitable[T | None]],
    *,
    within_s: float,
    timed_out: Callable[[], BusError],
) -> T:
    """Ask again, at growing intervals, until ``judge`` makes something of an answer.

    Args:
        ask: sends the request, given how long it may wait.
        judge: returns ``None`` to have it asked again, or raises.
        within_s: how long to go on; ``math.inf`` for ever.
        timed_out: makes the error to raise then.
    """
    deadline = asyncio.get_running_loop().time() + within_s
    # The first answer is the last one as a rule: a cancel scope around it would cost as much as all else about it.
    answer = await ask(min(_TRY_S, within_s))
    if answer is not None and (result := await judge(answer)) is not None:
        return result
    backoff = Backoff()
    with anyio.move_on_at(deadline):
        while True:
            await backoff.pause()
            answer = await ask(_TRY_S)
            if answer is not None and (result := await judge(answer)) is not None:
                return result
    raise timed_out()


async def call(
    link: Link,
    verb: str,
    body: Mapping[str, Any] | None = None,
    *,
    within_s: float,
    name: str = "",
    expected: Sequence[int] = (),
) -> dict[str, Any]:
    """Return what the API says to a request that may be made twice.

    Args:
        link: the connection.
        verb: the subject behind ``$JS.API.``.
        body: the request.
        within_s: how long to ask again while nobody answers.
        name: the stream or consumer that it is about, for errors.
        expected: error codes whose answer is returned all the same.

    Raises:
        StreamNotFoundError: the stream or consumer does not exist.
        BusTimeoutError: nobody answered.
        PermissionDeniedError, BusClosedError, BusError: see there.
    """
    subject = f"{API}.{verb}"
    data = msgspec.json.encode(body) if body is not None else b""

    async def ask(timeout_s: float) -> Message | None:
        return await link.request(subject, data, operation="request", timeout_s=timeout_s)

    async def judge(answer: Message) -> dict[str, Any] | None:
        return read(answer, name or verb, expected)

    return await insist(ask, judge, within_s=within_s, timed_out=lambda: BusTimeoutError(name or verb, within_s))


def understood(decoder: envelope.Decoder[T], answer: Message, name: str) -> T:
    """Return what an answer says.

    Raises:
        BusError: nothing that can be understood.
    """
    try:
        return decoder.decode(answer.data)
    except msgspec.DecodeError as error:
        raise BusError(f"{name}: the answer cannot be understood: {error}") from error


def read(answer: Message, name: str, expected: Sequence[int] = ()) -> dict[str, Any] | None:
    """Return the content of an API answer, ``None`` where it says to ask again later."""
    if answer.status == NO_RESPONDERS:
        return None
    content = understood(_CONTENT, answer, name)
    error: dict[str, Any] = content.get("error") or {}
    code = error.get("err_code")
    if not error or code in expected:
        return content
    if code in (CONSUMER_NOT_FOUND, STREAM_NOT_FOUND):
        raise StreamNotFoundError(name)
    if error.get("code") == 503:
        return None
    raise BusError(f"{name}: {error.get('description')} ({code})")


async def streams_of(link: Link, subject: str) -> list[str] | None:
    """Return the streams that store a subject; ``None`` where the server does not say (now, or to us)."""
    body = msgspec.json.encode({"subject": subject})
    try:
        answer = await link.request(f"{API}.STREAM.NAMES", body, operation="request")
    except PermissionDeniedError:
        return None
    content = read(answer, subject) if answer is not None else None
    return None if content is None else content.get("streams") or []


async def require_consumer(link: Link, stream: str, consumer: str) -> None:
    """Return where a consumer exists, or the server does not say (now, or to us).

    Raises:
        StreamNotFoundError: it does not.
    """
    await _require(link, f"CONSUMER.INFO.{stream}.{consumer}", f"consumer {consumer} of stream {stream}")


async def require_stream(link: Link, stream: str) -> None:
    """Return where a stream exists, or the server does not say (now, or to us).

    Raises:
        StreamNotFoundError: it does not.
    """
    await _require(link, f"STREAM.INFO.{stream}", f"stream {stream}")


async def _require(link: Link, verb: str, name: str) -> None:
    try:
        answer = await link.request(f"{API}.{verb}", operation="request")
    except PermissionDeniedError:
        return
    if answer is not None:
        read(answer, name)
