"""The only place that links the events of a task: each names the body of the one before it by digest. Pure.

What leads to an event may pass through a work item or a timer, which are not kept: a header carries the digest on.
"""

import hashlib
from collections.abc import Mapping
from typing import TypeVar

from msgspec.structs import replace

from testwright_schemas import Message
from testwright_schemas.task import TaskEvent

HEADER = "testwright-event"
"""Digest of an event's own body; on any other message, of the event that led to it."""

M = TypeVar("M", bound=Message)


def linked(message: M, cause: Mapping[str, str]) -> M:
    """Return an event of a task with the digest of the one that led to it; any other message as it is."""
    previous = cause.get(HEADER)
    return replace(message, previous=previous) if isinstance(message, TaskEvent) and previous else message


def header(message: Message, body: bytes, cause: Mapping[str, str]) -> dict[str, str]:
    """Return the header that carries the digest on; none where nothing led from an event of a task to a message.

    Args:
        message: what is said.
        body: of it, as it is said.
        cause: the headers of the message that led to it.
    """
    if isinstance(message, TaskEvent):
        return {HEADER: digest(body)}
    return {HEADER: cause[HEADER]} if HEADER in cause else {}


def digest(body: bytes) -> str:
    """Return the digest of an event's body as it was stored."""
    return hashlib.sha256(body).hexdigest()
