"""What is seen of tasks while they run, as pure functions from events to rows."""

from dataclasses import dataclass, replace
from datetime import datetime

from testwright.cli.duration import spoken
from testwright.cli.output import counted, percent
from testwright_schemas import (
    AttemptFailed,
    AttemptStarted,
    SuiteGenerated,
    SuiteVerified,
    TaskCancelRequested,
    TaskEvent,
    TaskFinished,
    TaskProgressed,
)

ENDED = ("completed", "partial", "failed", "skipped", "cancelled")


@dataclass(frozen=True, slots=True)
class Row:
    """One line about a task.

    Attributes:
        module: what it is about.
        phase: ``queued``, ``prepare``, ``generate``, ``verify``, ``verified``, ``waiting``, ``cancelling``, or how it
            ended.
        message: what its engine or verification said last.
        tests: so far; of these only the kept ones when it is verified.
        coverage: of the lines, in percent, so far.
        since: when its first attempt began.
        until: when it ended.
    """

    module: str
    phase: str = "queued"
    message: str = ""
    tests: int | None = None
    coverage: float | None = None
    since: datetime | None = None
    until: datetime | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self.phase in ENDED


def evolve(row: Row, event: TaskEvent) -> Row:
    """Return the row after an event; whatever comes after the end changes nothing."""
    if row.ended:
        return row
    match event:
        case TaskFinished():
            return _finished(row, event)
        case TaskProgressed():
            return _progressed(row, event)
        case _:
            return _advanced(row, event)


def _advanced(row: Row, event: TaskEvent) -> Row:
    match event:
        case AttemptStarted():
            began = event.first_started_at or event.started_at
            return replace(row, phase="prepare", message=_named(event), since=began, tests=None, coverage=None)
        case SuiteGenerated():
            return replace(row, phase="verify", message=f"{event.attempt.engine} has delivered")
        case SuiteVerified():
            line = event.judgement.coverage.line if event.judgement.coverage else None
            return replace(row, phase="verified", message="", tests=event.judgement.kept, coverage=line)
        case AttemptFailed():
            return replace(row, phase="waiting", message=f"{event.attempt.engine}: {event.failure.message}")
        case TaskCancelRequested():
            return replace(row, phase="cancelling", message=event.reason)
        case _:
            return row


def _named(event: AttemptStarted) -> str:
    attempt = event.attempt
    return f"{attempt.engine} on {event.worker}" + (f", attempt {attempt.number}" if attempt.number > 1 else "")


def _progressed(row: Row, event: TaskProgressed) -> Row:
    return replace(
        row,
        phase=row.phase if row.phase == "cancelling" else event.phase,
        message=event.message,
        tests=row.tests if event.tests is None else event.tests,
        coverage=row.coverage if event.coverage is None else event.coverage,
    )


def _finished(row: Row, event: TaskFinished) -> Row:
    return replace(
        row,
        phase=event.outcome,
        message=event.error.message if event.error else "",
        tests=event.kept,
        coverage=event.coverage.line if event.coverage else None,
        since=event.started_at,
        until=event.completed_at,
    )


def seconds(row: Row, now: datetime) -> float:
    """Return how long a task has been worked on, 0 before its first attempt."""
    return max(((row.until or now) - row.since).total_seconds(), 0.0) if row.since else 0.0


def cells(row: Row, now: datetime) -> tuple[str, ...]:
    """Return a row as texts: module, phase, tests, coverage, seconds, message."""
    return (
        row.module,
        row.phase,
        "" if row.tests is None else counted(row.tests, "test"),
        "" if row.coverage is None else percent(row.coverage),
        spoken(seconds(row, now)) if row.since else "",
        row.message,
    )


def summary(rows: list[Row]) -> str:
    """Return one line about all tasks."""
    ended = sum(row.ended for row in rows)
    queued = sum(row.phase == "queued" for row in rows)
    return f"{ended} of {len(rows)} done, {len(rows) - ended - queued} running, {queued} queued"
