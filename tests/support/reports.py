"""What a simulated run leaves behind, and how to read it."""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tests.support.plans import Order, Plan
from testwright.bus import Stored
from testwright.submission import Job
from testwright.voice import JOB_EVENTS, TASK_EVENTS
from testwright_schemas import JobMessage, TaskFinished, TaskMessage, envelope, subjects

LATE_S = 300.0
"""Seconds after which nobody can have missed an event: the longest cut, one try to say something, the longest lag."""


@dataclass
class Deal:
    """A submission as the client has written it down.

    Attributes:
        order: what was wanted.
        job: the ids under which it is submitted.
        subject: on which it is.
        body: of the command.
        stored: whether the client knows that the server has it.
        refused: the fields that were said to be wrong with it.
        told_off: the tasks whose waiters were told that it was refused.
    """

    order: Order
    job: Job
    subject: str
    body: bytes
    stored: bool = False
    refused: set[str] = field(default_factory=set[str])
    told_off: set[str] = field(default_factory=set[str])

    @property
    def task_ids(self) -> list[str]:
        """The ids of its tasks, each once."""
        return list(dict.fromkeys(task.id for task in self.job.tasks))

    @property
    def ids(self) -> list[str]:
        """The ids in the order in which they are made: one for each task, and that of the job."""
        return [*(task.id for task in self.job.tasks), self.job.id]


@dataclass(frozen=True, slots=True)
class Asked:
    """That the client knows its cancel of tasks to be stored, at a time of the server."""

    task_ids: tuple[str, ...]
    at: datetime


@dataclass
class Report:
    """What a run left behind.

    Attributes:
        plan: of the run.
        events: all of them, in order.
        clocks: how far that of each actor is ahead.
        deals: what the client has submitted.
        cancels: what it has cancelled.
        told: of each task, in which of its lives the client was told of which end.
        results: of each task, what a client that comes last finds.
        neighbours: what another namespace submitted behind that; it is limited to nothing.
        queued: commands, work items and timers that are left.
        timers: that were left some minutes after the last end, before any deadline.
        spent: dollars that each task has really cost.
    """

    plan: Plan
    clocks: dict[str, timedelta] = field(default_factory=dict[str, timedelta])
    events: list[Stored] = field(default_factory=list[Stored])
    deals: list[Deal] = field(default_factory=list[Deal])
    cancels: list[Asked] = field(default_factory=list[Asked])
    told: dict[str, list[tuple[int, TaskFinished]]] = field(default_factory=dict[str, list[tuple[int, TaskFinished]]])
    results: dict[str, TaskFinished | None] = field(default_factory=dict[str, TaskFinished | None])
    neighbours: list[Job] = field(default_factory=list[Job])
    queued: int = 0
    timers: list[str] = field(default_factory=list[str])
    spent: dict[str, float] = field(default_factory=dict[str, float])

    def bill(self, task_id: str, usd: float) -> None:
        """Take down what a task costs."""
        self.spent[task_id] = self.spent.get(task_id, 0.0) + usd

    @property
    def jobs(self) -> list[Job]:
        """What the client has submitted, and was not refused."""
        return [deal.job for deal in self.deals if not deal.refused]

    @property
    def every(self) -> list[Job]:
        """Everything that was submitted, and not refused."""
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
