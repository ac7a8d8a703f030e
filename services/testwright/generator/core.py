"""What a generator may do with a work item, decided from the task's history.

A delivery may be the first one, or come again after a worker died or handed it back. It becomes a new attempt with a
higher number, unless the task has ended or the attempt was concluded before its delivery could be acked. A task whose
attempts end again and again without a word takes its workers down with it and is given up. One whose lane is paused is
answered at once, so that no worker is kept waiting.

A first attempt is begun without looking anything up, on the condition that nothing has happened to the task since its
item was queued.
"""

from collections.abc import Sequence
from datetime import datetime

from msgspec.structs import replace

from testwright.history import TaskHistory
from testwright_schemas import (
    Attempt,
    AttemptFailed,
    AttemptStarted,
    Expect,
    Failure,
    GenerateSuite,
    LanePaused,
    Note,
    Phase,
    Publish,
    Record,
    Usage,
    subjects,
)
from testwright_schemas.suite import Artifact

MAX_LOST = 5
"""Deliveries of one work item that may end without a word before the task is given up."""


UNKNOWN = Usage(model="unknown")
"""A model was asked, and nobody knows what for."""


class Setback(Record, frozen=True, kw_only=True):
    """Why an attempt has yielded nothing: when, what, what it has used all the same, and the engine's log."""

    phase: Phase
    failure: Failure
    usage: Usage = Usage()
    log: Artifact | None = None


class Start(Record, frozen=True, kw_only=True):
    """Begin this attempt if the announcement is accepted; where it is ``declined``, only to say so.

    Where it is ``doubtful``, the history is to be read once more when it is announced, see ``in_vain``.
    """

    attempt: Attempt
    announcement: Publish
    first_started_at: datetime
    declined: Setback | None = None
    doubtful: bool = False


class Conditions(Record, frozen=True, kw_only=True):
    """What a worker knows of an engine: the pause of its lane, if there is one, and whether its work costs money."""

    pause: LanePaused | None = None
    charges: bool = False


USUAL = Conditions()
"""No pause, no costs."""


class Drop(Record, frozen=True, kw_only=True):
    """Nothing is left to do: take the item off the queue."""

    reason: str


def decide(
    history: TaskHistory,
    item: GenerateSuite,
    worker: str,
    now: datetime,
    *,
    turn: int,
    conditions: Conditions = USUAL,
) -> Start | Drop:
    """Return what to do with a work item.

    Args:
        history: of the task.
        item: the work item.
        worker: who has it.
        now: time of day by the worker's clock.
        turn: number of this decision among the worker's.
        conditions: what the worker knows besides.
    """
    if history.finished:
        return Drop(reason=f"the task is {history.finished.outcome}")
    if history.cancel_requested:
        # Whoever has the request ends the task, or the next one does, to whom it comes then.
        return Drop(reason="a cancel was asked for")
    if history.started and history.started.item > item.attempt.number:
        return Drop(reason=f"attempt {history.started.attempt.number} is of a later item")
    if history.concluded >= item.attempt.number and history.concluded >= history.attempts:
        return Drop(reason=f"attempt {history.concluded} is concluded")
    number = max(item.attempt.number, history.last_number + 1)
    attempt = replace(item.attempt, number=number)
    announcement = AttemptStarted(
        namespace=item.namespace,
        job_id=item.job_id,
        task_id=item.task_id,
        attempt=attempt,
        worker=worker,
        turn=turn,
        item=item.attempt.number,
        started_at=now,
        first_started_at=history.first_started_at,
    )
    expect = Expect(subject=subjects.event(announcement), sequence=history.fence)
    lost = 0 if history.in_vain else number - item.attempt.number
    why = _lost(lost) or _paused(conditions.pause, item, now)
    declined = Setback(phase="prepare", failure=why) if why else None
    if lost and conditions.charges:
        declined = _unpaid(item) or declined
    return Start(
        attempt=attempt,
        announcement=Publish(message=announcement, expect=expect),
        first_started_at=history.first_started_at or now,
        declined=declined,
        doubtful=number > item.attempt.number or (conditions.charges and limited(item)),
    )


def in_vain(history: TaskHistory, fence: int) -> str | None:
    """Return why an attempt that was announced must not be made, ``None`` if it may be.

    Between the look at a history and the announcement the task may have ended, and its item may have been concluded by
    a worker that was thought dead. Nobody counts on such an attempt, so that it may cost nothing.

    Args:
        history: of the task, the announcement included.
        fence: sequence of the announcement.
    """
    if history.finished:
        return f"the task is {history.finished.outcome}"
    if history.in_vain and history.fence == fence:
        return f"attempt {history.concluded} is concluded"
    return None


def unseen(start: Start, item: GenerateSuite) -> Start:
    """Return the beginning of a first attempt that was decided without a look at the history: it must be as assumed."""
    subject = subjects.task_event(item.namespace, item.task_id)
    expect = Expect(subject=subject, sequence=item.known)
    return replace(start, announcement=replace(start.announcement, expect=expect), doubtful=False)


def _lost(deliveries: int) -> Failure | None:
    if deliveries < MAX_LOST:
        return None
    return Failure(cause="worker-lost", message=f"{MAX_LOST} workers took the task and died or stopped")


def limited(item: GenerateSuite) -> bool:
    """Return whether what an attempt costs is limited: then what it may have cost must not be forgotten."""
    return item.policy.max_cost_usd is not None or item.policy.max_tokens is not None


def resumes(item: GenerateSuite, *, charges: bool) -> bool:
    """Return whether an attempt may go on from what one before it had paid for, when that one's worker has died.

    Not where costs are limited: what the dead had asked a model for at last nobody knows, so that no other attempt is
    made. Where work costs nothing there is nothing to go on from.
    """
    return charges and not limited(item)


def spent(notes: Sequence[Note]) -> Usage:
    """Return what attempts have used that left these notes and did not live to say so."""
    total = Usage()
    for note in notes:
        total = total.plus(note.usage)
    return total


def _unpaid(item: GenerateSuite) -> Setback | None:
    if not limited(item):
        return None
    message = "a worker that took the task has died or stopped, and may have spent all that was left"
    return Setback(phase="prepare", failure=Failure(cause="budget-exhausted", message=message), usage=UNKNOWN)


def _paused(pause: LanePaused | None, item: GenerateSuite, now: datetime) -> Failure | None:
    left_s = (pause.until - now).total_seconds() if pause else 0.0
    if pause is None or left_s <= 0:
        return None
    if pause.broken and item.attempt.engine_index + 1 < len(item.policy.engines):
        # The engine behind it need not wait for one that may stay broken.
        return Failure(cause="lane-paused", message=pause.reason, retryable=True)
    return Failure(cause="lane-paused", message=pause.reason, retryable=True, retry_after_s=left_s)


def failed(item: GenerateSuite, attempt: Attempt, setback: Setback, fence: int) -> Publish:
    """Return the failure of an attempt, to be said only while it is the newest."""
    message = AttemptFailed(
        namespace=item.namespace,
        job_id=item.job_id,
        task_id=item.task_id,
        attempt=attempt,
        phase=setback.phase,
        failure=setback.failure,
        log=setback.log,
        usage=setback.usage,
        spent=item.spent.plus(setback.usage),
    )
    return Publish(message=message, expect=under(item, fence))


def under(item: GenerateSuite, fence: int) -> Expect:
    """Return the condition that the attempt which began with event ``fence`` is still the newest."""
    subject = subjects.task_event(item.namespace, item.task_id, "started")
    return Expect(subject=subject, sequence=fence)
