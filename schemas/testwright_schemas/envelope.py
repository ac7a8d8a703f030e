"""Envelope: the headers of a message (CloudEvents 1.0 in binary mode, W3C trace context) and its body."""

import hashlib
import re
from collections.abc import Callable, Hashable, Mapping
from datetime import datetime
from functools import cache
from typing import Any, Generic, TypeVar, cast

import msgspec

from testwright_schemas._base import Message

T = TypeVar("T")

TRACEPARENT = "traceparent"
MESSAGE_ID = "Nats-Msg-Id"

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-[0-9a-f]{16}-([0-9a-f]{2})")


def encode(message: Message) -> bytes:
    """Return the JSON body of a message."""
    return msgspec.json.encode(message)


def decode(data: bytes | str, type_: type[T]) -> T:
    """Return the message in a body.

    Raises:
        msgspec.DecodeError: as ``Decoder.decode``.
    """
    return cast(T, _decoder(cast(Hashable, type_)).decode(data))


class Decoder(Generic[T]):
    """Reads JSON that others wrote: the only place that does, as the library's own lets two errors more through.

    Args:
        type_: of what is read; may be a union.
    """

    __slots__ = ("_decode",)

    def __init__(self, type_: Any) -> None:
        self._decode: Callable[[bytes | str], T] = msgspec.json.Decoder(type_).decode

    def decode(self, data: bytes | str) -> T:
        """Return the value in JSON.

        Raises:
            msgspec.DecodeError: it is none; its subclass ``msgspec.ValidationError`` where it is JSON of another shape
                than the type, with the path of the field in its text.
        """
        try:
            return self._decode(data)
        except (UnicodeError, RecursionError) as error:
            # Text that is no UTF-8, and brackets deeper than the stack.
            raise msgspec.DecodeError(f"JSON is malformed: {error}") from error


@cache
def _decoder(type_: Any) -> Decoder[Any]:
    # To find out again how a union is read takes longer than to read it.
    return Decoder(type_)


def headers(
    message: Message, *, id_: str, source: str, subject: str, time: datetime, cause: Mapping[str, str]
) -> dict[str, str]:
    """Return the CloudEvents and trace headers of a message.

    Args:
        message: what is sent; its tag becomes ``ce-type``.
        id_: its message id.
        source: who sends it, e.g. ``/testwright/collector``.
        subject: the bus subject, as ``ce-subject``.
        time: when it is sent.
        cause: the headers of the message that caused it; its trace goes on in this one.
    """
    return {
        "content-type": "application/json",
        "ce-specversion": "1.0",
        "ce-id": id_,
        "ce-type": f"testwright.{type(message).__struct_config__.tag}",
        "ce-source": source,
        "ce-subject": subject,
        "ce-time": time.isoformat(),
        TRACEPARENT: child_trace(cause.get(TRACEPARENT), id_),
    }


def child_trace(parent: str | None, id_: str) -> str:
    """Return the ``traceparent`` of a message caused under ``parent``; without one a trace begins, named by ``id_``.

    The span id is a digest of the message id, so a message sent twice has the same one.
    """
    digest = hashlib.sha256(id_.encode()).hexdigest()
    match = _TRACEPARENT.fullmatch(parent or "")
    trace, flags = match.groups() if match else (digest[16:48], "01")
    return f"00-{trace}-{digest[:16]}-{flags}"
