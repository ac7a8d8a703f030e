"""What becomes of a task, as one function from its history and an event to effects.

The rules, in the order in which a task meets them:

1. A submitted task gets its first attempt, with the policy's first engine, and its deadline, by the server's clock.
2. A generated candidate goes to verification.
3. A verified suite with a kept test completes the task if it covers what the policy asks for. Otherwise the same engine
   gets another round with what is left to do, as long as the last one has gained something, the policy allows for
   another, and enough of the budget is left. Then the next engine gets the rest, as it does where nothing was kept.
4. A failed attempt that may be retried is tried again after the back-off, as often as the policy says; otherwise the
   next engine gets an attempt. One that a provider gave back is tried again when the provider says so: that is no try.
5. After the last engine the task is completed with what was accepted, or has failed with the last cause.
6. An attempt that could not be paid for is not begun: the task ends.
7. A cancel request, a deadline or a dead letter ends the task at once, with what was accepted so far. A request that is
   known ends it also where another event is handled first.
8. Whatever ends a task is published once; whoever is second says nothing.

An event of an attempt that a newer one has replaced changes nothing, and neither does one that was handled before.
Two verifiers that held the same candidate may say different things of one attempt: a kept test counts for more than a
failure, and a failure for more than nothing kept, so that one path is taken and not two.
"""

from datetime import datetime, timedelta
from typing import assert_never

from testwright import retries
from testwright.collector import attempts, budgets
from testwright.collector.finishing import Ending, end, finish, meets
from testwright.history import TaskHistory
from testwright_schemas import (
    Attempt,
    AttemptFailed,
    Effect,
    Failure,
    GenerateSuite,
    MessageDeadLettered,
    Publish,
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
    return _react(history, task, history.cancel_requested or event, at)


def _react(history: TaskHistory, task: TaskSubmitted, event: Decided, at: datetime) -> tuple[Effect, ...]:
    match event:
        case TaskSubmitted():
            return (*accept(history), *begin(history))
        case SuiteGenerated():
            return _verify(history, task, event)
        case SuiteVerified():
            return _judge(history, task, event, at)
        case AttemptFailed():
            return _after_failure(history, task, event, at)
        case TimerFired(kind="retry"):
            return _retry(history, task, event, at)
        case TimerFired() | TaskCancelRequested() | MessageDeadLettered():
            return (end(history, task, event, at),)
        case _:
            assert_never(event)


def ahead(history: TaskHistory, event: Collected) -> bool:
    """Return whether a timer knows more than the history that was read: a timer cannot say how much must be known."""
    match event:
        case TimerFired(kind="retry", attempt=attempt):
            failed = history.failed.attempt.number if history.failed else 0
            return max(failed, history.attempts - 1) < attempt
        case TimerFired():
            return history.submitted is None
        case _:
            return False


def accept(history: TaskHistory) -> tuple[Effect, ...]:
    """Return what a submitted task gets at once, whatever it has to wait for, or whether it was begun: its deadline."""
    task = history.submitted
    if task is None or history.finished:
        return ()
    return (Schedule(timer=_deadline(task), at=task.created_at + timedelta(seconds=task.policy.deadline_s)),)


def begin(history: TaskHistory) -> tuple[Effect, ...]:
    """Return the first attempt of a task that has passed all gates."""
    if not may_begin(history) or history.submitted is None:
        return ()
    task = history.submitted
    known = 0 if history.cancel_requested else history.submitted_sequence
    return (_attempt(history, task, Attempt(number=1, engine=task.policy.engines[0]), known),)


def may_begin(history: TaskHistory) -> bool:
    """Return whether a task has work to do that was not begun."""
    task = history.submitted
    # Where it has joined another, that does the work; the submitter ends this one as that one ends.
    return task is not None and not task.joined_to and not history.finished and not history.attempts


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
        spent=event.spent,
        first_started_at=event.first_started_at,
    )
    return (Publish(message=item),)


def _judge(history: TaskHistory, task: TaskSubmitted, event: SuiteVerified, at: datetime) -> tuple[Effect, ...]:
    attempt, judgement = event.attempt, event.judgement
    if attempt.number < history.attempts:
        return ()
    disputed = history.failed is not None and history.failed.attempt.number == attempt.number
    if disputed and not judgement.kept:
        return ()
    # What follows a failure of the attempt may be on its way: an end is the one thing that cannot be said twice.
    if disputed or meets(task.policy, judgement):
        return (finish(history, task, "completed", at, None),)
    if not judgement.kept:
        return _next_engine(history, task, attempt, at, _nothing_kept(event))
    gained = event.best is None
    again = attempts.another_round(history, task.policy, attempt) if gained else None
    return _another(history, task, again, at) if again else _next_engine(history, task, attempt, at, None)


def _after_failure(history: TaskHistory, task: TaskSubmitted, event: AttemptFailed, at: datetime) -> tuple[Effect, ...]:
    attempt, accepted = event.attempt, history.accepted
    if attempt.number < history.attempts or (accepted and accepted.attempt.number == attempt.number):
        return ()
    delay_s = retries.delay_s(task.policy.retry, event)
    if delay_s is None or budgets.exhausted(task.policy, history.spent):
        return _next_engine(history, task, attempt, at, _error(event.failure, event.log))
    timer = TimerFired(namespace=task.namespace, task_id=task.task_id, kind="retry", attempt=attempt.number)
    return (Schedule(timer=timer, at=at + timedelta(seconds=delay_s)),)


def _retry(history: TaskHistory, task: TaskSubmitted, event: TimerFired, at: datetime) -> tuple[Effect, ...]:
    failed = history.failed
    if failed is None or failed.attempt.number != event.attempt or history.attempts > event.attempt:
        return ()
    return _another(history, task, attempts.another_try(failed), at)


def _next_engine(
    history: TaskHistory, task: TaskSubmitted, last: Attempt, at: datetime, error: TaskError | None
) -> tuple[Effect, ...]:
    attempt = attempts.next_engine(task.policy, last)
    return _another(history, task, attempt, at) if attempt else (finish(history, task, "failed", at, error),)


def _another(history: TaskHistory, task: TaskSubmitted, attempt: Attempt, at: datetime) -> tuple[Effect, ...]:
    """Return an attempt, or the end of the task where it could not be paid for."""
    unpaid = budgets.exhausted(task.policy, history.spent)
    return (finish(history, task, "failed", at, unpaid) if unpaid else _attempt(history, task, attempt),)


def _attempt(history: TaskHistory, task: TaskSubmitted, attempt: Attempt, known: int = 0) -> Publish:
    return Publish(
        message=GenerateSuite(
            namespace=task.namespace,
            job_id=task.job_id,
            task_id=task.task_id,
            attempt=attempt,
            target=task.target,
            snapshot=task.snapshot,
            policy=budgets.left(attempts.budgeted(task.policy, attempt), history.spent),
            brief=history.verified.judgement.brief if history.verified else None,
            spent=history.spent,
            known=known,
        )
    )


def _nothing_kept(event: SuiteVerified) -> TaskError:
    message = f"none of the {len(event.judgement.cases)} tests by {event.attempt.engine} was kept"
    return TaskError(cause="nothing-kept", message=message, log=event.log)


def _error(failure: Failure, log: Artifact | None) -> TaskError:
    return TaskError(cause=failure.cause, message=failure.message, log=log)


def _deadline(task: TaskEvent) -> TimerFired:
    return TimerFired(namespace=task.namespace, task_id=task.task_id, kind="deadline")
