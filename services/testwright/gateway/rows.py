"""What the gateway shows of a task: one flat row, folded from the task's events. Pure.

Folding only the last event of each kind, in the order of the stream, gives the same row as folding all of them, but for
a figure that only an earlier sign of life had.
"""

from datetime import datetime, timedelta

from msgspec.structs import replace

from testwright.history import TaskState
from testwright.retries import delay_s
from testwright_schemas import (
    AttemptFailed,
    AttemptStarted,
    Coverage,
    Record,
    RetryPolicy,
    SuiteGenerated,
    SuiteVerified,
    TaskCancelRequested,
    TaskFinished,
    TaskMessage,
    TaskProgressed,
    TaskSubmitted,
)

ENDED: tuple[TaskState, ...] = ("completed", "failed", "cancelled")

_NOBODY: dict[str, None] = {"verifier": None, "verifying_since": None}


class TaskRow(Record, frozen=True, kw_only=True):
    """A task as lists show it.

    Attributes:
        id: of the task.
        namespace: it belongs to.
        job: its id.
        module: the target.
        state: see ``testwright.history.TaskState``.
        phase: of the running attempt: ``prepare``, ``generate`` or ``verify``; ``cancelling`` when that was asked for.
        priority: of its queue.
        engine: of the newest attempt, the first one of the policy before that.
        attempt: number of the newest one, 0 before the first.
        worker: that took the newest attempt.
        verifier: that judges a candidate now; ``None`` while nobody does, or does not say who it is.
        verifying_since: when that one began, by what it says.
        message: the last sign of life, or why it failed.
        tests: so far; only the kept ones once it is verified.
        coverage: of the lines, in percent, so far.
        mutation: share of mutants noticed, in percent.
        threshold_met: whether the coverage asked for was reached; ``None`` before the end.
        retry_of: the task that this one does again.
        retry_at: when a failed attempt is tried again; ``None`` where none waits for that.
        deadline_at: when it ends at the latest.
        created_at, started_at, completed_at: of the task, UTC.
        sequence: of the last event that changed the row.
    """

    id: str
    namespace: str
    job: str
    module: str
    state: TaskState = "queued"
    phase: str = ""
    priority: str = ""
    engine: str | None = None
    attempt: int = 0
    worker: str | None = None
    verifier: str | None = None
    verifying_since: datetime | None = None
    message: str = ""
    tests: int | None = None
    coverage: float | None = None
    mutation: float | None = None
    threshold_met: bool | None = None
    retry_of: str | None = None
    retry_at: datetime | None = None
    deadline_at: datetime | None = None
    created_at: datetime
    started_at: datetime | None = None
    completed_at: datetime | None = None
    sequence: int

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state in ENDED


def evolve(row: TaskRow | None, sequence: int, time: datetime, event: TaskMessage) -> TaskRow | None:
    """Return the row after an event, stored at a time; ``None`` as long as nobody knows what the task is about."""
    if isinstance(event, TaskSubmitted):
        return row or _submitted(sequence, event)
    if row is None or row.ended:
        return row
    return replace(_advanced(row, time, event), sequence=sequence)


def retry_at(event: AttemptFailed, retry: RetryPolicy, time: datetime) -> datetime | None:
    """Return when an attempt whose failure was stored at a time is tried again, ``None`` where it is not."""
    wait_s = delay_s(retry, event)
    return None if wait_s is None else time + timedelta(seconds=wait_s)


def _submitted(sequence: int, event: TaskSubmitted) -> TaskRow:
    return TaskRow(
        id=event.task_id,
        namespace=event.namespace,
        job=event.job_id,
        module=event.target.module,
        priority=event.policy.priority,
        engine=event.policy.engines[0],
        retry_of=event.retry_of,
        deadline_at=event.created_at + timedelta(seconds=event.policy.deadline_s),
        created_at=event.created_at,
        sequence=sequence,
    )


def _advanced(row: TaskRow, time: datetime, event: TaskMessage) -> TaskRow:
    match event:
        case AttemptStarted():
            return _started(row, event)
        case TaskProgressed():
            return _judged(_progressed(row, event), time, event)
        case SuiteGenerated():
            return replace(row, state="verifying", phase="verify", message=f"{event.attempt.engine} has delivered")
        case SuiteVerified():
            return _verified(row, event)
        case AttemptFailed():
            message = f"{event.attempt.engine}: {event.failure.cause}: {event.failure.message}"
            return replace(row, state="waiting", phase="", message=message, **_NOBODY)
        case TaskFinished():
            return _finished(row, event)
        case _:
            return _asked_to_end(row, event)


def _asked_to_end(row: TaskRow, event: TaskMessage) -> TaskRow:
    if not isinstance(event, TaskCancelRequested):
        return row
    return replace(row, phase="cancelling", message=event.reason or row.message)


def _started(row: TaskRow, event: AttemptStarted) -> TaskRow:
    return replace(
        row,
        state="running",
        phase="prepare",
        engine=event.attempt.engine,
        attempt=event.attempt.number,
        worker=event.worker,
        message=f"taken by {event.worker}",
        retry_at=None,
        tests=None,
        coverage=None,
        started_at=event.first_started_at or event.started_at,
    )


def _progressed(row: TaskRow, event: TaskProgressed) -> TaskRow:
    return replace(
        row,
        phase=row.phase if row.phase == "cancelling" else event.phase,
        message=event.message,
        tests=row.tests if event.tests is None else event.tests,
        coverage=row.coverage if event.coverage is None else event.coverage,
    )


def _judged(row: TaskRow, time: datetime, event: TaskProgressed) -> TaskRow:
    """Return the row with who judges the candidate: of two that do, the one that has begun later was given it."""
    began = time - timedelta(seconds=event.elapsed_s)
    late = row.verifying_since is not None and began <= row.verifying_since
    if event.phase != "verify" or not event.worker or event.worker == row.verifier or late:
        return row
    return replace(row, verifier=event.worker, verifying_since=began)


def _verified(row: TaskRow, event: SuiteVerified) -> TaskRow:
    judgement = event.judgement
    return replace(
        row,
        message=f"{judgement.kept} of {len(judgement.cases) + judgement.omitted} tests kept",
        tests=judgement.kept,
        coverage=_line(judgement.coverage),
        mutation=judgement.mutation.score,
        **_NOBODY,
    )


def _finished(row: TaskRow, event: TaskFinished) -> TaskRow:
    return replace(
        row,
        state=event.outcome,
        phase="",
        message=f"{event.error.cause}: {event.error.message}" if event.error else "",
        engine=event.engine or row.engine,
        attempt=event.attempts,
        tests=event.kept,
        coverage=_line(event.coverage),
        mutation=event.mutation.score,
        threshold_met=event.threshold_met,
        started_at=event.started_at,
        completed_at=event.completed_at,
        retry_at=None,
        **_NOBODY,
    )


def _line(coverage: Coverage | None) -> float | None:
    return coverage.line if coverage else None
