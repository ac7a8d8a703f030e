"""Wakes whoever waits for a task in this process: one feed of events for all of them."""

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import anyio
import msgspec
from anyio.abc import TaskStatus

from testwright.bus import Reader, Stored
from testwright.errors import InvalidSubmissionError
from testwright_schemas import JobRejected, envelope, subjects


@dataclass(slots=True)
class Prospect:
    """What is known here of one task that has not ended, as far as is known here.

    Ten thousand may be waited for in one process, so an event is made when somebody waits for it, and not before.

    Attributes:
        own: whether it was submitted from here, after the feed stood, so that its end cannot have been missed.
        waiters: how many wait for it.
        end: the message of its end, kept only while somebody waits.
        refusal: why its submission was refused.
    """

    own: bool = False
    waiters: int = 0
    end: Stored | None = None
    refusal: InvalidSubmissionError | None = None
    _is_accepted: bool = False
    _is_over: bool = False
    _accepted: anyio.Event | None = None
    _ended: anyio.Event | None = None

    @property
    def accepted(self) -> anyio.Event:
        """Set when any event of the task was seen."""
        if self._accepted is None:
            self._accepted = _event(happened=self._is_accepted)
        return self._accepted

    @property
    def ended(self) -> anyio.Event:
        """Set when its end was seen, or its submission was refused."""
        if self._ended is None:
            self._ended = _event(happened=self._is_over)
        return self._ended

    @property
    def is_over(self) -> bool:
        """Whether ``ended`` is set."""
        return self._is_over

    def accept(self) -> None:
        """Note that an event of the task was seen."""
        self._is_accepted = True
        if self._accepted:
            self._accepted.set()

    def finish(self) -> None:
        """Note that it has ended, or was refused."""
        self._is_over = True
        if self._ended:
            self._ended.set()


def _event(*, happened: bool) -> anyio.Event:
    event = anyio.Event()
    if happened:
        event.set()
    return event


class Seat:
    """The place of one who waits for a task; no generator, as that would be a third of what a waiter takes.

    Args:
        tasks: of the room.
        task_id: of the task.
    """

    __slots__ = ("_prospect", "_task_id", "_tasks")

    def __init__(self, tasks: dict[str, Prospect], task_id: str) -> None:
        self._tasks = tasks
        self._task_id = task_id
        self._prospect = tasks.setdefault(task_id, Prospect())

    def __enter__(self) -> Prospect:
        self._prospect.waiters += 1
        return self._prospect

    def __exit__(self, *_: object) -> None:
        prospect = self._prospect
        prospect.waiters -= 1
        if not prospect.waiters and (not prospect.own or prospect.is_over):
            self._tasks.pop(self._task_id, None)


_FOREVER = nullcontext()


def within(seconds: float | None) -> AbstractContextManager[object]:
    """Return what raises ``TimeoutError`` when its body takes longer; ``None`` for as long as it takes, at no cost."""
    return _FOREVER if seconds is None else anyio.fail_after(seconds)


class WaitingRoom:
    """All tasks that somebody in this process waits for, or has submitted and may wait for.

    Args:
        bus: where events come from.
        namespace: whose events.
    """

    def __init__(self, bus: Reader, namespace: str) -> None:
        self._bus = bus
        self._namespace = namespace
        self._tasks: dict[str, Prospect] = {}
        self._jobs: dict[str, tuple[str, ...]] = {}

    def __contains__(self, task_id: object) -> bool:
        """Return whether a task was submitted from here or is waited for."""
        return task_id in self._tasks

    def expect(self, job_id: str, task_ids: Iterable[str]) -> None:
        """Take note of a submission before it is made: its end may come before its confirmation."""
        self._jobs[job_id] = tuple(task_ids)
        for task_id in self._jobs[job_id]:
            self._tasks[task_id] = Prospect(own=True)

    def forget(self, job_id: str, task_ids: Iterable[str]) -> None:
        """Take back what was noted of a submission that could not be made."""
        self._jobs.pop(job_id, None)
        for task_id in task_ids:
            self._tasks.pop(task_id, None)

    def tasks_of(self, job_id: str) -> tuple[str, ...]:
        """Return the tasks of a job that was submitted from here and is not answered yet, none of any other."""
        return self._jobs.get(job_id, ())

    def seat(self, task_id: str) -> "Seat":
        """Wait for a task as long as the context lasts."""
        return Seat(self._tasks, task_id)

    async def follow(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Follow acceptances, refusals and ends; reports started when the feed stands."""
        filters = [
            subjects.task_event(self._namespace, kind="submitted"),
            subjects.task_event(self._namespace, kind="finished"),
            subjects.job_event(self._namespace, kind="submitted"),
            subjects.job_event(self._namespace, kind="rejected"),
        ]
        async with self._bus.feed(subjects.EVENTS, filters) as events:
            task_status.started()
            async for stored in events:
                self._notice(stored)

    def _notice(self, stored: Stored) -> None:
        kind = stored.subject.rpartition(".")[2]
        task_id = subjects.task_of(stored.subject)
        if task_id is None:
            self._notice_job(stored, kind)
        elif prospect := self._tasks.get(task_id):
            prospect.accept()
            if kind == "finished":
                self._end(task_id, prospect, stored)

    def _end(self, task_id: str, prospect: Prospect, stored: Stored) -> None:
        if prospect.waiters:
            prospect.end = stored
        else:
            # Whoever asks later reads it from the stream.
            del self._tasks[task_id]
        prospect.finish()

    def _notice_job(self, stored: Stored, kind: str) -> None:
        task_ids = self._jobs.pop(subjects.job_of(stored.subject) or "", ())
        if kind != "rejected" or not task_ids:
            return
        try:
            rejected = envelope.decode(stored.data, JobRejected)
            refusal = InvalidSubmissionError(rejected.field, rejected.reason)
        except msgspec.DecodeError as error:
            # Said by a version that this one does not understand: nobody else must suffer from that.
            refusal = InvalidSubmissionError("job", f"refused, and the reason cannot be read: {error}")
        for task_id in task_ids:
            prospect = self._tasks.setdefault(task_id, Prospect(own=True))
            prospect.refusal = refusal
            prospect.finish()
