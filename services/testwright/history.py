"""History: what is known of a task from the last event of each kind. Pure, shared by every actor that decides.

A task has no other state than this: whoever wants to know reads its events and folds them.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Literal, assert_never

from msgspec.structs import replace

from testwright_schemas import (
    Attempt,
    AttemptFailed,
    AttemptStarted,
    JobFinished,
    JobMessage,
    JobProgressed,
    JobRejected,
    JobSubmitted,
    Record,
    SuiteGenerated,
    SuiteVerified,
    TaskCancelRequested,
    TaskFinished,
    TaskMessage,
    TaskProgressed,
    TaskSubmitted,
    Usage,
)

TaskState = Literal["queued", "running", "verifying", "waiting", "completed", "failed", "cancelled"]
"""``waiting`` is between two attempts: the last one has failed, or left something to do, and none has begun since."""


class TaskHistory(Record, frozen=True, kw_only=True):
    """The last event of each kind, and the stream sequences of some: ``fence`` is that of the last ``started``.

    ``in_vain`` says that the last start came behind the end of the task, or is of an item that an attempt before it had
    concluded already: two workers held that, and the later one did not know. Such an attempt counts for nothing,
    whatever becomes of its worker.
    """

    submitted: TaskSubmitted | None = None
    submitted_sequence: int = 0
    cancel_requested: TaskCancelRequested | None = None
    started: AttemptStarted | None = None
    fence: int = 0
    in_vain: bool = False
    progressed: TaskProgressed | None = None
    generated: SuiteGenerated | None = None
    verified: SuiteVerified | None = None
    verified_sequence: int = 0
    failed: AttemptFailed | None = None
    finished: TaskFinished | None = None

    @property
    def attempts(self) -> int:
        """Number of the newest attempt that any event tells of, 0 before the first; one in vain does not count."""
        begun = self.started.attempt.number if self.started and not self.in_vain else 0
        return max(begun, self.concluded)

    @property
    def last_number(self) -> int:
        """Number of the newest attempt that was ever announced, be it in vain; 0 before the first."""
        return max(self.attempts, self.started.attempt.number if self.started else 0)

    @property
    def first_started_at(self) -> datetime | None:
        """When the first attempt began."""
        if self.started:
            return self.started.first_started_at or self.started.started_at
        return next((told.first_started_at for told in (self.verified, self.generated) if told), None)

    @property
    def concluded(self) -> int:
        """Number of the newest attempt whose engine is done with it, well or badly; 0 before the first."""
        numbers = (event.attempt.number for event in (self.generated, self.verified, self.failed) if event)
        return max(numbers, default=0)

    @property
    def accepted(self) -> SuiteVerified | None:
        """The best verdicts so far, where any test was kept: whatever ends the task delivers it."""
        return self.verified if self.verified and self.verified.judgement.kept else None

    @property
    def spent(self) -> Usage:
        """What all attempts that were concluded have used."""
        told = [event for event in (self.generated, self.verified, self.failed) if event]
        last = max(told, key=lambda event: event.attempt.number, default=None)
        if last is None:
            return Usage()
        return last.usage if last.spent is None else last.spent


def fold(events: Iterable[tuple[int, TaskMessage]]) -> TaskHistory:
    """Return the history in events, each with its stream sequence, in any order."""
    newest: dict[type[TaskMessage], tuple[int, TaskMessage]] = {}
    for sequence, event in events:
        known = newest.get(type(event))
        if known is None or known[0] < sequence:
            newest[type(event)] = (sequence, event)
    found: dict[str, Any] = {}
    for sequence, event in newest.values():
        found[_FIELDS[type(event)]] = event
        if type(event) in _SEQUENCES:
            found[_SEQUENCES[type(event)]] = sequence
    history = TaskHistory(**found)
    return replace(history, in_vain=True) if _in_vain(newest.values(), history) else history


def _in_vain(newest: Iterable[tuple[int, TaskMessage]], history: TaskHistory) -> bool:
    began = history.started
    if began is None:
        return False
    before = [event for sequence, event in newest if sequence < history.fence]
    if any(isinstance(event, TaskFinished) for event in before):
        return True
    concluded = [event.attempt.number for event in before if isinstance(event, _CONCLUSIONS)]
    return any(0 < began.item <= number < began.attempt.number for number in concluded)


_CONCLUSIONS = (SuiteGenerated, SuiteVerified, AttemptFailed)

_FIELDS: dict[type[TaskMessage], str] = {
    TaskSubmitted: "submitted",
    TaskCancelRequested: "cancel_requested",
    AttemptStarted: "started",
    TaskProgressed: "progressed",
    SuiteGenerated: "generated",
    SuiteVerified: "verified",
    AttemptFailed: "failed",
    TaskFinished: "finished",
}

_SEQUENCES: dict[type[TaskMessage], str] = {
    TaskSubmitted: "submitted_sequence",
    AttemptStarted: "fence",
    SuiteVerified: "verified_sequence",
}


class JobHistory(Record, frozen=True, kw_only=True):
    """The last event of each kind of a job, and the stream sequence of the last ``progressed`` (0: none)."""

    submitted: JobSubmitted | None = None
    rejected: JobRejected | None = None
    progressed: JobProgressed | None = None
    progressed_sequence: int = 0
    finished: JobFinished | None = None


def fold_job(events: Iterable[tuple[int, JobMessage]]) -> JobHistory:
    """Return the history in a job's events, each with its stream sequence, in stream order."""
    history = JobHistory()
    for sequence, event in events:
        match event:
            case JobSubmitted():
                history = replace(history, submitted=event)
            case JobRejected():
                history = replace(history, rejected=event)
            case JobProgressed():
                history = replace(history, progressed=event, progressed_sequence=sequence)
            case JobFinished():
                history = replace(history, finished=event)
            case _:
                assert_never(event)
    return history


class TaskStatus(Record, frozen=True, kw_only=True):
    """One line about a task. Times are UTC."""

    id: str
    module: str
    state: TaskState
    engine: str | None = None
    attempt: int = 0
    message: str = ""
    tests: int | None = None
    coverage: float | None = None
    created_at: datetime
    started_at: datetime | None = None
    completed_at: datetime | None = None
    error: str | None = None


def status(history: TaskHistory) -> TaskStatus | None:
    """Return the status that a history tells of, ``None`` where the task was never submitted."""
    submitted, finished, progressed = history.submitted, history.finished, history.progressed
    if submitted is None:
        return None
    attempt = newest_attempt(history)
    error = finished.error if finished else None
    return TaskStatus(
        id=submitted.task_id,
        module=submitted.target.module,
        state=state(history),
        engine=(finished.engine if finished else None) or (attempt.engine if attempt else None),
        attempt=history.attempts,
        message=progressed.message if progressed else "",
        tests=_tests(history),
        coverage=_coverage(history),
        created_at=submitted.created_at,
        started_at=history.first_started_at,
        completed_at=finished.completed_at if finished else None,
        error=f"{error.cause}: {error.message}" if error else None,
    )


def newest_attempt(history: TaskHistory) -> Attempt | None:
    """Return the newest attempt that any event tells of."""
    told = [event.attempt for event in (history.started, history.generated, history.verified, history.failed) if event]
    return max(told, key=lambda attempt: attempt.number, default=None)


def state(history: TaskHistory) -> TaskState:
    """Return where a task stands."""
    if history.finished:
        return history.finished.outcome
    number = history.attempts
    if not number:
        return "queued"
    if any(told and told.attempt.number == number for told in (history.failed, history.verified)):
        return "waiting"
    if history.generated and history.generated.attempt.number == number:
        return "verifying"
    return "running"


def _tests(history: TaskHistory) -> int | None:
    if history.finished:
        return history.finished.kept
    return history.progressed.tests if history.progressed else None


def _coverage(history: TaskHistory) -> float | None:
    if history.finished:
        return history.finished.coverage.line if history.finished.coverage else None
    return history.progressed.coverage if history.progressed else None
