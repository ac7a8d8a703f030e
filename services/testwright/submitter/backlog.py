"""How many tasks of a namespace have not ended: one feed, and one look at what was there before, when it is asked."""

from collections.abc import Sequence

import anyio
from anyio.abc import TaskStatus

from testwright.bus import Bus, Stored
from testwright.voice import JOB_EVENTS
from testwright.watching import read
from testwright_schemas import JobFinished, JobMessage, JobProgressed, JobRejected, JobSubmitted, subjects

FILTERS: Sequence[str] = tuple(subjects.job_event(kind=kind) for kind in ("submitted", "progressed", "finished"))


class Backlog:
    """Counts tasks by their jobs' own counts.

    Args:
        bus: where jobs are told of.
    """

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._looked = False
        self._wanted = anyio.Event()
        self._stands = anyio.Event()
        self._looking = anyio.Lock()
        self._left: dict[tuple[str, str], tuple[int, int]] = {}

    async def follow(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Learn of jobs, from when it was first asked: where no tasks are counted, nobody need listen."""
        task_status.started()
        await self._wanted.wait()
        async with self._bus.feed(subjects.EVENTS, FILTERS) as events:
            self._stands.set()
            async for event in events:
                self._hear(event)

    async def open_tasks(self, namespace: str) -> int:
        """Return how many tasks of a namespace have not ended, as far as is known here."""
        self._wanted.set()
        await self._stands.wait()
        async with self._looking:
            if not self._looked:
                async for event in self._bus.last_per_subject(subjects.EVENTS, FILTERS):
                    self._hear(event)
                self._looked = True
                self._left = {job: known for job, known in self._left.items() if known[1]}
        return sum(left for (of, _), (_, left) in self._left.items() if of == namespace)

    def note(self, event: JobMessage, sequence: int = 0) -> None:
        """Take in an event of a job; one that is not stored yet counts until the first that is."""
        match event:
            case JobSubmitted():
                left = len(event.task_ids)
            case JobProgressed():
                left = len(event.remaining)
            case JobFinished():
                left = 0
            case _:
                return
        job = event.namespace, event.job_id
        if self._left.get(job, (-1, 0))[0] >= sequence:
            return
        self._left[job] = sequence, left
        if left == 0 and self._looked:
            del self._left[job]

    def forget(self, event: JobRejected) -> None:
        """Count nothing of a job that was refused."""
        self._left.pop((event.namespace, event.job_id), None)

    def _hear(self, event: Stored) -> None:
        if told := read(event, JOB_EVENTS):
            self.note(told, event.sequence)
