"""How an actor speaks and remembers.

The only place that turns effects into bus operations, and stored events into histories.
"""

import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime
from typing import TypeVar

import msgspec

from testwright.bus import Bus, Receipt
from testwright.errors import ConflictError, SubjectFullError
from testwright.history import JobHistory, TaskHistory, fold, fold_job
from testwright_schemas import (
    CancelTasks,
    CommandMessage,
    Effect,
    EventMessage,
    Expect,
    GenerateSuite,
    JobMessage,
    Message,
    Publish,
    RetryTasks,
    Schedule,
    SubmitJob,
    TaskMessage,
    Unschedule,
    VerifySuite,
    WorkMessage,
    envelope,
    subjects,
)

log = logging.getLogger("testwright.voice")

T = TypeVar("T")

TASK_EVENTS = msgspec.json.Decoder[TaskMessage](TaskMessage)
"""Decodes any event of a task."""

JOB_EVENTS = msgspec.json.Decoder[JobMessage](JobMessage)
"""Decodes any event of a job."""

Clock = Callable[[], datetime]
"""Returns the time of day, in UTC."""


class Voice:
    """Says things in one actor's name: chooses subject, id and headers, and has them confirmed.

    Args:
        bus: where to.
        source: who speaks, e.g. ``collector``.
        clock: time of day.
    """

    def __init__(self, bus: Bus, source: str, clock: Clock) -> None:
        self._bus = bus
        self._source = f"/testwright/{source}"
        self._clock = clock

    async def say(self, effect: Effect, cause: Mapping[str, str]) -> Receipt | None:
        """Carry out an effect; ``cause`` are the headers of the message that led to it.

        Returns the receipt, or ``None`` where it had been said before and need not be said again.

        Raises:
            ConflictError: a condition of the effect does not hold.
            SubjectFullError: the queue holds another message on this subject.
            BusError: it could not be confirmed.
        """
        match effect:
            case Publish():
                return await self._publish(effect, cause)
            case Schedule(timer=timer, at=at):
                setting, due = subjects.timer(timer)
                headers = self._headers(timer, f"{due}/{timer.attempt}", due, cause)
                return await self._bus.schedule(setting, envelope.encode(timer), at=at, target=due, headers=headers)
            case Unschedule(timer=timer):
                await self._bus.unschedule(subjects.timer(timer)[0])
                return None

    async def _publish(self, effect: Publish, cause: Mapping[str, str]) -> Receipt | None:
        message = effect.message
        subject, id_ = address(message), subjects.message_id(message)
        expect = Expect(subject=subject, sequence=0) if effect.once else effect.expect
        headers = self._headers(message, id_, subject, cause)
        try:
            return await self._bus.publish(
                subject, envelope.encode(message), message_id=id_, headers=headers, expect=expect
            )
        except ConflictError:
            if effect.once:
                return None
            raise
        except SubjectFullError:
            held = await self._bus.last(subjects.WORK, subject)
            if held is not None and held.headers.get("ce-id") == id_:
                return None
            raise

    def _headers(self, message: Message, id_: str, subject: str, cause: Mapping[str, str]) -> dict[str, str]:
        return envelope.headers(message, id_=id_, source=self._source, subject=subject, time=self._clock(), cause=cause)


def address(message: CommandMessage | EventMessage | WorkMessage) -> str:
    """Return the subject that a message belongs on."""
    match message:
        case GenerateSuite() | VerifySuite():
            return subjects.work(message)
        case SubmitJob() | CancelTasks() | RetryTasks():
            return subjects.command(message)
        case _:
            return subjects.event(message)


class Archive:
    """Reads histories from the event stream."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def task(self, namespace: str, task_id: str) -> TaskHistory:
        """Return the history of a task; an empty one where there is none."""
        events = self._events([subjects.task_event(namespace, task_id)], TASK_EVENTS)
        return fold([event async for event in events])

    async def job(self, namespace: str, job_id: str) -> JobHistory:
        """Return the history of a job; an empty one where there is none."""
        events = self._events([subjects.job_event(namespace, job_id)], JOB_EVENTS)
        return fold_job([event async for event in events])

    async def tasks(self, namespace: str) -> dict[str, TaskHistory]:
        """Return the histories of all tasks of a namespace that are still kept, oldest first."""
        found: dict[str, list[tuple[int, TaskMessage]]] = {}
        async for sequence, event in self._events([subjects.task_event(namespace)], TASK_EVENTS):
            found.setdefault(event.task_id, []).append((sequence, event))
        return {task_id: fold(events) for task_id, events in found.items()}

    async def _events(self, filters: Sequence[str], decoder: msgspec.json.Decoder[T]) -> AsyncIterator[tuple[int, T]]:
        async for stored in self._bus.last_per_subject(subjects.EVENTS, filters):
            try:
                event = decoder.decode(stored.data)
            except msgspec.DecodeError as error:
                # It is dead-lettered where it is consumed; here it must not hide the rest.
                log.warning("undecodable event=%d subject=%s error=%s", stored.sequence, stored.subject, error)
            else:
                yield stored.sequence, event
