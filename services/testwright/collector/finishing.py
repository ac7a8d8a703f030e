"""How a task ends, and what its result says: the only place that makes one."""

from datetime import datetime
from typing import assert_never

from msgspec.structs import replace

from testwright.history import TaskHistory
from testwright_schemas import (
    Judgement,
    MessageDeadLettered,
    Outcome,
    Policy,
    Publish,
    TaskCancelRequested,
    TaskError,
    TaskFinished,
    TaskSubmitted,
    TimerFired,
    brief,
)

Ending = TimerFired | TaskCancelRequested | MessageDeadLettered
"""What ends a task whatever it is doing."""


def end(history: TaskHistory, task: TaskSubmitted, event: Ending, at: datetime) -> Publish:
    """Return the end of a task for a reason that asks nobody."""
    match event:
        case TimerFired():
            message = f"not done within {task.policy.deadline_s:g} s of its submission"
            return finish(history, task, "failed", at, TaskError(cause="deadline-exceeded", message=message))
        case TaskCancelRequested():
            cause = "superseded" if event.superseded_by else "cancelled"
            error = TaskError(cause=cause, message=event.reason or "cancelled on request")
            return finish(history, task, "cancelled", at, error)
        case MessageDeadLettered():
            error = TaskError(cause="dead-lettered", message=f"{event.stream}: {event.reason}")
            return finish(history, task, "failed", at, error)
        case _:
            assert_never(event)


def finish(
    history: TaskHistory, task: TaskSubmitted, outcome: Outcome, at: datetime, error: TaskError | None
) -> Publish:
    """Return the end of a task with the best that was verified so far.

    Args:
        history: of the task.
        task: its submission.
        outcome: how it ends; ``failed`` becomes ``completed`` where tests were accepted: they are never lost.
        at: when, by the server's clock (UTC).
        error: why, where it did not just succeed.
    """
    verified = history.verified
    judgement = verified.judgement if verified else Judgement()
    return Publish(
        message=TaskFinished(
            namespace=task.namespace,
            job_id=task.job_id,
            task_id=task.task_id,
            module=task.target.module,
            outcome="completed" if outcome == "failed" and judgement.kept else outcome,
            threshold_met=meets(task.policy, judgement),
            files=judgement.files,
            coverage=judgement.coverage,
            mutation=judgement.mutation,
            tests=judgement.cases,
            omitted=judgement.omitted,
            usage=history.spent,
            unsettled=history.attempts > history.concluded,
            attempts=history.attempts,
            rounds=verified.rounds if verified else 0,
            engine=(verified.best or verified.attempt).engine if verified else None,
            isolation=judgement.isolation,
            report=judgement.report,
            error=replace(error, message=brief(error.message)) if error else None,
            created_at=task.created_at,
            started_at=history.first_started_at,
            completed_at=at,
        ),
        once=True,
    )


def meets(policy: Policy, judgement: Judgement) -> bool:
    """Return whether the kept tests reach the coverage that was asked for."""
    line = judgement.coverage.line if judgement.coverage else None
    return line is not None and bool(judgement.kept) and line >= policy.coverage
