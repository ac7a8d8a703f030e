"""What a simulated run leaves behind, and how to read it."""

import hashlib
from dataclasses import dataclass, field

from testwright.bus import Stored
from testwright.submission import Job
from testwright.voice import JOB_EVENTS, TASK_EVENTS
from testwright_schemas import JobMessage, TaskFinished, TaskMessage, envelope, subjects


@dataclass
class Report:
    """What a run left behind.

    Attributes:
        events: all of them, in order.
        jobs: what was submitted.
        neighbours: what another namespace submitted behind that; it is limited to nothing.
        queued: commands, work items and timers that are left.
        timers: that were left some minutes after the last end, before any deadline.
        spent: dollars that each task has really cost.
    """

    events: list[Stored] = field(default_factory=list[Stored])
    jobs: list[Job] = field(default_factory=list[Job])
    neighbours: list[Job] = field(default_factory=list[Job])
    queued: int = 0
    timers: list[str] = field(default_factory=list[str])
    spent: dict[str, float] = field(default_factory=dict[str, float])

    def bill(self, task_id: str, usd: float) -> None:
        """Take down what a task costs."""
        self.spent[task_id] = self.spent.get(task_id, 0.0) + usd

    @property
    def every(self) -> list[Job]:
        """Everything that was submitted."""
        return [*self.jobs, *self.neighbours]

    @property
    def digest(self) -> str:
        """Fingerprint of everything that happened."""
        told = hashlib.sha256()
        for event in self.events:
            told.update(event.subject.encode() + event.data)
        return told.hexdigest()


def ends(report: Report) -> list[TaskFinished]:
    """Return the ends of tasks."""
    finished = [e for e in report.events if e.subject.endswith(".finished") and subjects.task_of(e.subject)]
    return [envelope.decode(e.data, TaskFinished) for e in finished]


def job_events(report: Report) -> list[JobMessage]:
    """Return the events of jobs."""
    return [JOB_EVENTS.decode(event.data) for event in report.events if subjects.job_of(event.subject)]


def histories(report: Report) -> dict[str, list[tuple[int, TaskMessage]]]:
    """Return the events of each task with their sequences."""
    told: dict[str, list[tuple[int, TaskMessage]]] = {}
    for event in report.events:
        task_id = subjects.task_of(event.subject)
        if task_id:
            told.setdefault(task_id, []).append((event.sequence, TASK_EVENTS.decode(event.data)))
    return told
