"""Server-sent events as bytes: https://html.spec.whatwg.org/multipage/server-sent-events.html. Pure."""

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec.structs import replace

from testwright.bus import Stored
from testwright.gateway.core import Change
from testwright_schemas import EventMessage, kebab

CHUNK = 500
"""Rows in one frame: a browser shows them while the next ones travel."""

BEAT = b":\n\n"
"""A comment: keeps proxies from closing a quiet connection, and finds out that nobody is there any more."""


def frame(data: Any, *, event: str, id_: int | None = None) -> bytes:
    """Return one event; JSON has no line breaks, so its data is one line."""
    head = f"event: {event}\n" if id_ is None else f"id: {id_}\nevent: {event}\n"
    return head.encode() + b"data: " + msgspec.json.encode(data) + b"\n\n"


def changes(change: Change) -> Iterator[bytes]:
    """Yield a change of the board in frames of at most ``CHUNK`` tasks.

    Only the last one has an id: who is cut off before it is told everything again.
    """
    cuts = range(0, max(len(change.tasks), 1), CHUNK)
    for start in cuts:
        last = start == cuts[-1]
        part = replace(
            change,
            reset=change.reset and start == 0,
            tasks=change.tasks[start : start + CHUNK],
            workers=change.workers if last else (),
            runs=change.runs if last else (),
            lanes=change.lanes if last else (),
            letters=change.letters if last else (),
            schedules=change.schedules if last else (),
        )
        yield frame(part, event="change", id_=change.sequence if last else None)


def happened(stored: Stored, event: EventMessage) -> bytes:
    """Return an event of the stream: its type as name, its sequence as id, and when the server stored it as ``at``."""
    document = {"at": stored.time, **msgspec.to_builtins(event)}
    return frame(document, event=kebab(type(event).__name__), id_=stored.sequence)


def resumed(last_event_id: str | None) -> int | None:
    """Return the sequence in a ``Last-Event-ID``; ``None`` where there is none, or one that is not ours."""
    text = last_event_id or ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None
