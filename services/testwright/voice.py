"""How an actor speaks and remembers.

The only place that turns effects into bus operations, and stored events into histories.
"""

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Literal, TypeVar

from testwright import chain
from testwright.bus import Bus, Receipt
from testwright.errors import ConflictError, SubjectFullError
from testwright.history import JobHistory, TaskHistory, fold, fold_job
from testwright.observe.origin import origin
from testwright.watching import EVENTS, readable
from testwright_schemas import (
    CancelSchedule,
    CancelTasks,
    CancelWorkflow,
    CommandMessage,
    Effect,
    EventMessage,
    Expect,
    GenerateSuite,
    JobEvent,
    JobMessage,
    Message,
    Publish,
    RetryTasks,
    RunWorkflow,
    Schedule,
    ScheduleCommand,
    ScheduleDue,
    ScheduleJob,
    SubmitJob,
    TaskEvent,
    TaskMessage,
    TaskSubmitted,
    TimerFired,
    Unschedule,
    VerifySuite,
    WorkflowCommand,
    WorkMessage,
    envelope,
    subjects,
)

T = TypeVar("T", bound=TaskMessage | JobMessage)

TASK_EVENTS = envelope.Decoder[TaskMessage](TaskMessage)
"""Decodes any event of a task."""

JOB_EVENTS = envelope.Decoder[JobMessage](JobMessage)
"""Decodes any event of a job."""

_CLAIMS = envelope.Decoder[TaskMessage | JobMessage](TaskMessage | JobMessage)

PAGE = 100
"""Tasks whose histories are read in one request: the server answers for 1,024 subjects, and a task has eight."""

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
            BusError: it could not be confirmed.
        """
        match effect:
            case Publish():
                return await self._publish(effect, cause)
            case Schedule(timer=timer, at=at):
                setting, due = subjects.timer(timer)
                body = envelope.encode(timer)
                headers = self._headers(timer, due, due, cause) | chain.header(timer, body, cause)
                return await self._bus.schedule(setting, body, at=at, target=due, headers=headers)
            case Unschedule(timer=timer):
                await self._bus.unschedule(subjects.timer(timer)[0])
                return None

    async def _publish(self, effect: Publish, cause: Mapping[str, str]) -> Receipt | None:
        message = chain.linked(effect.message, cause)
        subject, id_ = address(message), subjects.message_id(message)
        expect = Expect(subject=subject, sequence=0) if effect.once else effect.expect
        body = envelope.encode(message)
        headers = self._headers(message, id_, subject, cause) | chain.header(message, body, cause)
        try:
            return await self._bus.publish(subject, body, message_id=id_, headers=headers, expect=expect)
        except ConflictError:
            if effect.once:
                return await self._instead(subject, body, id_, headers)
            raise
        except SubjectFullError:
            # Each work item has a subject of its own: it is queued already.
            return None

    async def _instead(self, subject: str, body: bytes, id_: str, headers: Mapping[str, str]) -> Receipt | None:
        """Say what is said once where something stands in its place already, if nobody can read anything of that."""
        stored = await self._bus.last(subjects.EVENTS, subject)
        if stored is None or await readable(self._bus, stored, EVENTS):
            return None
        expect = Expect(subject=subject, sequence=stored.sequence)
        try:
            return await self._bus.publish(subject, body, message_id=id_, headers=headers, expect=expect)
        except ConflictError:
            # Said by somebody else, or to be said again by whoever handles what nobody can read.
            return None

    def _headers(self, message: Message, id_: str, subject: str, cause: Mapping[str, str]) -> dict[str, str]:
        return envelope.headers(
            message, id_=id_, source=self._source, subject=subject, time=self._clock(), cause=cause or origin()
        )


def address(
    message: CommandMessage | WorkflowCommand | ScheduleCommand | EventMessage | WorkMessage | TimerFired | ScheduleDue,
) -> str:
    """Return the subject that a message belongs on; a timer on the one where it is due."""
    match message:
        case TaskEvent() | JobEvent():
            return subjects.event(message)  # most are: the order is that of how often each comes
        case TimerFired() | ScheduleDue():
            return subjects.timer(message)[1]
        case GenerateSuite() | VerifySuite():
            return subjects.work(message)
        case SubmitJob() | CancelTasks() | RetryTasks() | RunWorkflow() | CancelWorkflow():
            return subjects.command(message)
        case ScheduleJob() | CancelSchedule():
            return subjects.command(message)
        case _:
            return subjects.event(message)


def steps(effects: Sequence[Effect]) -> list[list[Effect]]:
    """Return effects in groups: those of one may be said at the same time, once those of the one before were said.

    The first effect opens what the others are about; one on condition waits for all that comes before it, as do those
    that are behind.
    """
    groups: list[list[Effect]] = []
    for effect in effects:
        place = _place(effect)
        if len(groups) > 1 and place != "alone" and place == _place(groups[-1][-1]):
            groups[-1].append(effect)
        else:
            groups.append([effect])
    return groups


def _place(effect: Effect) -> Literal["beside", "behind", "alone"]:
    if not isinstance(effect, Publish):
        return "beside"
    return "alone" if effect.expect else "behind" if effect.behind else "beside"


class Archive:
    """Reads histories from the event stream.

    In a cluster a read may miss what was stored a moment ago. Whoever acts on one names, as ``at_least``, the sequence
    of an event that it must know of, and all before it.
    """

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def task(self, namespace: str, task_id: str, *, at_least: int = 0) -> TaskHistory:
        """Return the history of a task; an empty one where there is none."""
        events = self._events([subjects.task_event(namespace, task_id)], TASK_EVENTS, at_least)
        return fold([event async for event in events])

    async def sure(self, namespace: str, task_id: str, kind: Literal["submitted", "finished"]) -> TaskHistory:
        """Return the history of a task, with its event of a kind if there is one: the stream's leader is asked."""
        history = await self.task(namespace, task_id)
        if getattr(history, kind) is None:
            told = await self._bus.last(subjects.EVENTS, subjects.task_event(namespace, task_id, kind))
            if told is not None:
                return await self.task(namespace, task_id, at_least=told.sequence)
        return history

    async def job(self, namespace: str, job_id: str, *, at_least: int = 0) -> JobHistory:
        """Return the history of a job; an empty one where there is none."""
        events = self._events([subjects.job_event(namespace, job_id)], JOB_EVENTS, at_least)
        return fold_job([event async for event in events])

    async def tasks(
        self, namespace: str, ids: Collection[str] | None = None, *, at_least: int = 0
    ) -> dict[str, TaskHistory]:
        """Return the histories of these tasks of a namespace, or of all that are still kept; oldest first."""
        filters = [subjects.task_event(namespace, id_) for id_ in ids] if ids is not None else []
        pages = [filters[start : start + PAGE] for start in range(0, len(filters), PAGE)]
        found: dict[str, list[tuple[int, TaskMessage]]] = {}
        for page in pages if ids is not None else [[subjects.task_event(namespace)]]:
            async for sequence, event in self._events(page, TASK_EVENTS, at_least):
                found.setdefault(event.task_id, []).append((sequence, event))
        return {task_id: fold(events) for task_id, events in found.items()}

    async def claims(self, namespace: str, job_id: str, task_ids: Sequence[str]) -> tuple[JobHistory, dict[str, str]]:
        """Return the history of a job, and which of these tasks belong to which job already."""
        filters = [
            subjects.job_event(namespace, job_id),
            *(subjects.task_event(namespace, task_id, "submitted") for task_id in dict.fromkeys(task_ids)),
        ]
        job: list[tuple[int, JobMessage]] = []
        owners: dict[str, str] = {}
        async for sequence, event in self._events(filters, _CLAIMS):
            if isinstance(event, TaskSubmitted):
                owners[event.task_id] = event.job_id
            elif isinstance(event, JobMessage):
                job.append((sequence, event))
        return fold_job(job), owners

    async def _events(
        self, filters: Sequence[str], decoder: envelope.Decoder[T], at_least: int = 0
    ) -> AsyncIterator[tuple[int, T]]:
        async for stored in self._bus.last_per_subject(subjects.EVENTS, filters, at_least=at_least):
            if found := await readable(self._bus, stored, decoder):
                yield found[0].sequence, found[1]
