"""Events as a reader wants them: decoded, and by the tasks of a job. What nobody can read hides nothing else."""

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import TypeVar

import anyio
import msgspec

from testwright.bus import Reader, Stored
from testwright.errors import TaskNotFoundError, UnreadableEndError
from testwright_schemas import EventMessage, JobRejected, JobSubmitted, TaskFinished, envelope, subjects

log = logging.getLogger("testwright.events")

T = TypeVar("T", bound=EventMessage)

EVENTS = envelope.Decoder[EventMessage](EventMessage)
"""Decodes any event."""

ENDS = envelope.Decoder[TaskFinished](TaskFinished)
"""Decodes the end of a task."""


def read(stored: Stored, decoder: envelope.Decoder[T]) -> T | None:
    """Return an event, ``None`` where nobody can read it.

    That is said by a version that this one does not understand, or by a stranger; it may also be an event that belongs
    on another subject. Whoever handles it makes it a dead letter, which is an event of its own; everybody else passes
    over it.
    """
    try:
        event = decoder.decode(stored.data)
    except msgspec.DecodeError as error:
        log.warning("undecodable event=%d subject=%s error=%s", stored.sequence, stored.subject, error)
        return None
    if (place := subjects.event(event)) != stored.subject:
        log.warning("misplaced event=%d subject=%s belongs=%s", stored.sequence, stored.subject, place)
        return None
    return event


async def readable(bus: Reader, stored: Stored, decoder: envelope.Decoder[T]) -> tuple[Stored, T] | None:
    """Return an event, or where nobody can read it the last one before it on its subject; ``None`` for neither."""
    event = read(stored, decoder)
    if event is not None:
        return stored, event
    found: tuple[Stored, T] | None = None
    async with bus.feed(subjects.EVENTS, [stored.subject], after=0) as feed:
        async for earlier in feed:
            if earlier.sequence >= stored.sequence:
                break
            event = read(earlier, decoder)
            found = found if event is None else (earlier, event)
    return found


async def last_readable(bus: Reader, subject: str, decoder: envelope.Decoder[T]) -> tuple[Stored, T] | None:
    """Return the last event on a subject that can be read, asked of the stream's leader; ``None`` where none can."""
    stored = await bus.last(subjects.EVENTS, subject)
    return await readable(bus, stored, decoder) if stored else None


async def ended(bus: Reader, task_id: str, stored: Stored) -> TaskFinished:
    """Return how a task has ended, by the event that says so.

    Raises:
        UnreadableEndError: nobody can read it, nor any before it.
    """
    found = await readable(bus, stored, ENDS)
    if found is None:
        raise UnreadableEndError(task_id)
    return found[1]


@asynccontextmanager
async def watched(
    bus: Reader, filters: Sequence[str], after: int | None
) -> AsyncGenerator[AsyncIterator[tuple[Stored, EventMessage]]]:
    """Follow the events that match filters, see ``Reader.feed``; what cannot be decoded is left out."""
    # A task may be named beside its job, and the server refuses filters that overlap.
    async with (
        bus.feed(subjects.EVENTS, list(dict.fromkeys(filters)), after=after) as feed,
        aclosing(_decoded(feed)) as events,
    ):
        yield events


async def newest(bus: Reader, filters: Sequence[str]) -> AsyncGenerator[tuple[Stored, EventMessage]]:
    """Yield the last event of each kind that can be read of everything that matches filters, in stream order."""
    async for stored in bus.last_per_subject(subjects.EVENTS, list(filters)):
        if found := await readable(bus, stored, EVENTS):
            yield found


async def accepted(bus: Reader, namespace: str, job_id: str, within_s: float) -> tuple[str, ...]:
    """Return the ids of a job's tasks as soon as it is accepted; none where it is refused.

    Raises:
        TaskNotFoundError: neither came within ``within_s`` seconds.
    """
    filters = [subjects.job_event(namespace, job_id, kind) for kind in ("submitted", "rejected")]
    with anyio.move_on_after(within_s):
        async with watched(bus, filters, 0) as events:
            async for _, event in events:
                if isinstance(event, JobSubmitted):
                    return event.task_ids
                if isinstance(event, JobRejected):
                    return ()
    raise TaskNotFoundError(job_id)


async def _decoded(feed: AsyncIterator[Stored]) -> AsyncGenerator[tuple[Stored, EventMessage]]:
    async for stored in feed:
        if event := read(stored, EVENTS):
            yield stored, event
