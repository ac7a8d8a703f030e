"""Wakes whoever waits for a task in this process: one feed of events for all of them."""

from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field

import anyio
import msgspec
from anyio.abc import TaskStatus

from testwright.bus import Reader, Stored
from testwright.errors import InvalidSubmissionError
from testwright_schemas import JobRejected, envelope, subjects


@dataclass
class Prospect:
    """What is known here of one task that has not ended, as far as is known here.

    Attributes:
        own: whether it was submitted from here, after the feed stood, so that its end cannot have been missed.
        accepted: set when any event of the task was seen.
        ended: set when its end was seen, or its submission was refused.
        waiters: how many wait for it.
        end: the message of its end, kept only while somebody waits.
        refusal: why its submission was refused.
    """

    own: bool = False
    accepted: anyio.Event = field(default_factory=anyio.Event)
    ended: anyio.Event = field(default_factory=anyio.Event)
    waiters: int = 0
    end: Stored | None = None
    refusal: InvalidSubmissionError | None = None


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

    @contextmanager
    def seat(self, task_id: str) -> Generator[Prospect]:
        """Wait for a task as long as the body runs."""
        prospect = self._tasks.setdefault(task_id, Prospect())
        prospect.waiters += 1
        try:
            yield prospect
        finally:
            prospect.waiters -= 1
            if not prospect.waiters and (not prospect.own or prospect.ended.is_set()):
                self._tasks.pop(task_id, None)

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
            prospect.accepted.set()
            if kind == "finished":
                self._end(task_id, prospect, stored)

    def _end(self, task_id: str, prospect: Prospect, stored: Stored) -> None:
        if prospect.waiters:
            prospect.end = stored
        else:
            # Whoever asks later reads it from the stream.
            del self._tasks[task_id]
        prospect.ended.set()

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
            prospect.ended.set()
