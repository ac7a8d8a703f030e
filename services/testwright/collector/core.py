"""What becomes of a task, as one function from its history and an event to effects.

The rules, in the order in which a task meets them:

1. A submitted task gets its first attempt, with the policy's first engine, and its deadline, by the server's clock.
2. A generated candidate goes to verification.
3. A verified suite with a kept test completes the task; one without goes to the next engine.
4. A failed attempt that may be retried is tried again after the back-off, as often as the policy says; otherwise the
   next engine gets an attempt; after the last one the task has failed, with that cause.
5. A cancel request, a deadline or a dead letter ends the task at once.
6. Whatever ends a task is published once; whoever is second says nothing.

An event of an attempt that a newer one has replaced changes nothing, and neither does one that was handled before.
Two verifiers that held the same candidate may say different things of one attempt: a kept test counts for more than a
failure, and a failure for more than nothing kept, so that one path is taken and not two.
"""

import hashlib
from datetime import datetime, timedelta
from typing import assert_never

from testwright.collector.finishing import Ending, end, finish
from testwright.history import TaskHistory
from testwright_schemas import (
    Attempt,
    AttemptFailed,
    Effect,
    Failure,
    GenerateSuite,
    MessageDeadLettered,
    Publish,
    RetryPolicy,
    Schedule,
    SuiteGenerated,
    SuiteVerified,
    TaskCancelRequested,
    TaskError,
    TaskEvent,
    TaskFinished,
    TaskSubmitted,
    TimerFired,
    Unschedule,
    VerifySuite,
)
from testwright_schemas.suite import Artifact

Decided = TaskSubmitted | SuiteGenerated | SuiteVerified | AttemptFailed | Ending
Collected = Decided | TaskFinished


def decide(history: TaskHistory, event: Collected, at: datetime) -> tuple[Effect, ...]:
    """Return what an event leads to.

    Args:
        history: of the task, the event included; an end needs none.
        event: what happened.
        at: when the event was stored (UTC), so that handling it again decides the same.
    """
    task = history.submitted
    if isinstance(event, TaskFinished):
        return (Unschedule(timer=_deadline(event)),)
    if task is None or history.finished:
        return ()
    return _react(history, task, event, at)


def _react(history: TaskHistory, task: TaskSubmitted, event: Decided, at: datetime) -> tuple[Effect, ...]:
    match event:
        case TaskSubmitted():
            return _begin(history, task)
        case SuiteGenerated():
            return _verify(history, task, event)
        case SuiteVerified():
            return _judge(history, task, event, at)
        case AttemptFailed():
            return _after_failure(history, task, event, at)
        case TimerFired(kind="retry"):
            return _retry(history, task, event)
        case TimerFired() | TaskCancelRequested() | MessageDeadLettered():
            return (end(history, task, event, at),)
        case _:
            assert_never(event)


def ahead(history: TaskHistory, event: Collected) -> bool:
    """Return whether a timer knows more than the history that was read: a timer cannot say how much must be known."""
    match event:
        case TimerFired(kind="retry", attempt=attempt):
            return history.concluded < attempt
        case TimerFired():
            return history.submitted is None
        case _:
            return False


def retry_delay_s(policy: RetryPolicy, engine_try: int, seed: str) -> float:
    """Return the seconds between a failed try and the next one; the jitter comes from ``seed``."""
    nominal = min(policy.base_s * policy.factor ** (engine_try - 1), policy.max_s)
    share = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:4], "big") / 0xFFFFFFFF
    return nominal * (1 + policy.jitter * (2 * share - 1))


def _begin(history: TaskHistory, task: TaskSubmitted) -> tuple[Effect, ...]:
    if history.attempts:
        return ()
    deadline = Schedule(timer=_deadline(task), at=task.created_at + timedelta(seconds=task.policy.deadline_s))
    if task.joined_to:
        # Another task does the work; the submitter ends this one as that one ends.
        return (deadline,)
    return (deadline, _attempt(task, Attempt(number=1, engine=task.policy.engines[0])))


def _verify(history: TaskHistory, task: TaskSubmitted, event: SuiteGenerated) -> tuple[Effect, ...]:
    judged = max((told.attempt.number for told in (history.verified, history.failed) if told), default=0)
    if event.attempt.number < history.attempts or event.attempt.number <= judged:
        return ()
    item = VerifySuite(
        namespace=task.namespace,
        job_id=task.job_id,
        task_id=task.task_id,
        attempt=event.attempt,
        target=task.target,
        snapshot=task.snapshot,
        policy=task.policy,
        candidate=event.candidate,
        fence=event.fence,
        requirements=event.requirements,
        usage=event.usage,
        log=event.log,
    )
    return (Publish(message=item),)


def _judge(history: TaskHistory, task: TaskSubmitted, event: SuiteVerified, at: datetime) -> tuple[Effect, ...]:
    if event.attempt.number < history.attempts:
        return ()
    if event.judgement.kept:
        return (finish(history, task, "completed", at, None),)
    if history.failed and history.failed.attempt.number == event.attempt.number:
        return ()
    message = f"none of the {len(event.judgement.cases)} tests by {event.attempt.engine} was kept"
    return _next_engine(
        history, task, event.attempt, at, TaskError(cause="nothing-kept", message=message, log=event.log)
    )


def _after_failure(history: TaskHistory, task: TaskSubmitted, event: AttemptFailed, at: datetime) -> tuple[Effect, ...]:
    attempt, retry, verified = event.attempt, task.policy.retry, history.verified
    if attempt.number < history.attempts:
        return ()
    if verified and verified.attempt.number == attempt.number and verified.judgement.kept:
        return ()
    if event.failure.retryable and attempt.engine_try < retry.max_attempts:
        delay_s = retry_delay_s(retry, attempt.engine_try, f"{task.task_id}/{attempt.number}")
        timer = TimerFired(namespace=task.namespace, task_id=task.task_id, kind="retry", attempt=attempt.number)
        return (Schedule(timer=timer, at=at + timedelta(seconds=delay_s)),)
    return _next_engine(history, task, attempt, at, _error(event.failure, event.log))


def _retry(history: TaskHistory, task: TaskSubmitted, event: TimerFired) -> tuple[Effect, ...]:
    failed = history.failed
    if failed is None or failed.attempt.number != event.attempt or history.attempts > event.attempt:
        return ()
    last = failed.attempt
    again = Attempt(
        number=last.number + 1,
        engine=last.engine,
        engine_index=last.engine_index,
        engine_try=last.engine_try + 1,
    )
    return (_attempt(task, again),)


def _next_engine(
    history: TaskHistory, task: TaskSubmitted, last: Attempt, at: datetime, error: TaskError
) -> tuple[Effect, ...]:
    index = last.engine_index + 1
    if index >= len(task.policy.engines):
        return (finish(history, task, "failed", at, error),)
    return (_attempt(task, Attempt(number=last.number + 1, engine=task.policy.engines[index], engine_index=index)),)


def _attempt(task: TaskSubmitted, attempt: Attempt) -> Publish:
    return Publish(
        message=GenerateSuite(
            namespace=task.namespace,
            job_id=task.job_id,
            task_id=task.task_id,
            attempt=attempt,
            target=task.target,
            snapshot=task.snapshot,
            policy=task.policy,
        )
    )


def _error(failure: Failure, log: Artifact | None) -> TaskError:
    return TaskError(cause=failure.cause, message=failure.message, log=log)


def _deadline(task: TaskEvent) -> TimerFired:
    return TimerFired(namespace=task.namespace, task_id=task.task_id, kind="deadline")
