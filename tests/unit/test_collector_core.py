"""The life of a task, as decisions on messages."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.tasks import (
    IDS,
    NOW,
    POLICY,
    cancel_requested,
    failed,
    finished,
    first,
    generated,
    history,
    started,
    submitted,
    verified,
)
from testwright.collector.core import Collected, ahead, decide
from testwright.retries import retry_delay_s
from testwright_schemas import (
    Effect,
    GenerateSuite,
    MessageDeadLettered,
    Policy,
    Publish,
    RetryPolicy,
    Schedule,
    SuiteVerified,
    TaskCancelRequested,
    TaskFinished,
    TaskMessage,
    TimerFired,
    Unschedule,
    VerifySuite,
    subjects,
)

LATER = NOW + timedelta(minutes=1)
DEADLINE = TimerFired(namespace="default", task_id="task-1", kind="deadline")


def outcome(effects: tuple[Effect, ...]) -> TaskFinished:
    """Return the end of the task among effects; there must be one, said once."""
    [publish] = [e for e in effects if isinstance(e, Publish) and isinstance(e.message, TaskFinished)]
    assert publish.once
    assert isinstance(publish.message, TaskFinished)
    return publish.message


def work(effects: tuple[Effect, ...]) -> GenerateSuite | VerifySuite:
    """Return the only work item among effects."""
    [item] = [e.message for e in effects if isinstance(e, Publish)]
    assert isinstance(item, GenerateSuite | VerifySuite)
    return item


def test_a_submitted_task_gets_a_first_attempt_and_its_deadline():
    task = submitted()

    deadline, publish = decide(history(task), task, LATER)

    assert deadline == Schedule(timer=DEADLINE, at=NOW + timedelta(seconds=POLICY.deadline_s))
    assert isinstance(publish, Publish)
    assert isinstance(publish.message, GenerateSuite)
    assert publish.message.attempt == first()


def test_a_task_that_was_begun_is_not_begun_again_and_has_its_deadline_all_the_same():
    task = submitted()

    [deadline] = decide(history(task, started()), task, LATER)

    assert deadline == Schedule(timer=DEADLINE, at=NOW + timedelta(seconds=POLICY.deadline_s))


def test_a_candidate_goes_to_verification_under_its_fence():
    event = generated(fence=2)

    item = work(decide(history(submitted(), started(), event), event, LATER))

    assert isinstance(item, VerifySuite)
    assert (item.fence, item.candidate, item.attempt) == (2, event.candidate, event.attempt)


def test_a_candidate_of_a_replaced_attempt_is_not_verified():
    event = generated(first(1))

    assert decide(history(submitted(), started(), event, started(first(2))), event, LATER) == ()


def test_a_suite_with_a_kept_test_completes_the_task():
    event = verified(None, "kept", "flaky", line=85.0)

    result = outcome(decide(history(submitted(), started(), generated(), event), event, LATER))

    assert (result.outcome, result.threshold_met, result.engine) == ("completed", True, "echo")
    assert [case.verdict for case in result.tests] == ["kept", "flaky"]
    assert result.completed_at == LATER
    assert result.started_at == started().started_at
    assert result.error is None


def test_coverage_below_the_policy_completes_without_meeting_the_threshold_when_no_engine_is_left():
    event = verified(first(2, engine_index=1), "kept", line=79.9)

    result = outcome(decide(history(submitted(), started(), generated(), event), event, LATER))

    assert (result.outcome, result.threshold_met) == ("completed", False)


def test_a_suite_without_a_kept_test_goes_to_the_next_engine():
    event = verified(None, "failing", "vacuous")

    item = work(decide(history(submitted(), started(), generated(), event), event, LATER))

    assert isinstance(item, GenerateSuite)
    assert item.attempt == first(2, engine_index=1)


def test_a_retryable_failure_is_tried_again_after_the_back_off_and_not_before():
    event = failed()

    [schedule] = decide(history(submitted(), started(), event), event, LATER)

    assert isinstance(schedule, Schedule)
    assert schedule.timer == TimerFired(namespace="default", task_id="task-1", kind="retry", attempt=1)
    assert isinstance(schedule.at, datetime)
    assert 0.8 <= (schedule.at - LATER).total_seconds() <= 1.2


def test_the_retry_is_a_new_attempt_of_the_same_engine():
    timer = TimerFired(namespace="default", task_id="task-1", kind="retry", attempt=1)

    item = work(decide(history(submitted(), started(), failed()), timer, LATER))

    assert item.attempt == first(2, engine_try=2)


def test_a_retry_timer_that_fires_twice_retries_once():
    timer = TimerFired(namespace="default", task_id="task-1", kind="retry", attempt=1)

    assert decide(history(submitted(), started(), failed(), started(first(2, engine_try=2))), timer, LATER) == ()


def test_a_failure_that_cannot_be_retried_goes_to_the_next_engine_at_once():
    event = failed(retryable=False)

    assert work(decide(history(submitted(), started(), event), event, LATER)).attempt.engine == "ghostwriter"


def test_the_last_try_of_an_engine_goes_to_the_next_one():
    event = failed(first(4, engine_try=POLICY.retry.max_attempts))

    assert work(decide(history(submitted(), event), event, LATER)).attempt == first(5, engine_index=1)


def test_the_last_failure_of_the_last_engine_is_the_cause_of_the_end():
    event = failed(first(2, engine_index=1), retryable=False, cause="import-failed")

    result = outcome(decide(history(submitted(), started(), event), event, LATER))

    assert result.outcome == "failed"
    assert result.error is not None
    assert (result.error.cause, result.error.message) == ("import-failed", "it broke")
    assert result.attempts == 2


def test_an_engine_whose_tests_were_all_dropped_is_named_when_no_other_is_left():
    event = verified(first(2, engine_index=1), "failing")

    result = outcome(decide(history(submitted(), event), event, LATER))

    assert result.error is not None
    assert result.error.cause == "nothing-kept"
    assert "ghostwriter" in result.error.message


def test_a_cancel_request_ends_the_task_as_cancelled_and_keeps_what_was_verified():
    event = cancel_requested()

    result = outcome(decide(history(submitted(), started(), generated(), verified(), event), event, LATER))

    assert result.outcome == "cancelled"
    assert [case.verdict for case in result.tests] == ["kept"]
    assert result.error is not None
    assert result.error.message == "changed my mind"


@pytest.mark.parametrize("event", [submitted(), generated(), verified(), failed(), DEADLINE])
def test_a_task_whose_cancel_was_asked_for_ends_so_whichever_of_its_events_is_handled_first(event: Collected):
    known = history(submitted(), started(), cancel_requested(), *((event,) if isinstance(event, TaskMessage) else ()))

    result = outcome(decide(known, event, LATER))

    assert result.outcome == "cancelled"
    assert bool(result.tests) == isinstance(event, SuiteVerified)


def test_a_deadline_ends_the_task_as_failed():
    result = outcome(decide(history(submitted(), started()), DEADLINE, LATER))

    assert result.outcome == "failed"
    assert result.error is not None
    assert result.error.cause == "deadline-exceeded"


def test_a_dead_letter_ends_its_task_as_failed():
    letter = MessageDeadLettered(
        namespace="default",
        letter_id="x1",
        stream=subjects.WORK,
        subject="s",
        sequence=7,
        consumer="c",
        reason="cannot be decoded",
        deliveries=1,
        data=b"{",
        task_id="task-1",
    )

    result = outcome(decide(history(submitted()), letter, LATER))

    assert result.error is not None
    assert result.error.cause == "dead-lettered"
    assert "cannot be decoded" in result.error.message


def test_the_end_takes_the_deadline_back():
    event = finished()

    assert decide(history(submitted(), event), event, LATER) == (Unschedule(timer=DEADLINE),)


@pytest.mark.parametrize("event", [submitted(), generated(), verified(), failed(), cancel_requested(), DEADLINE])
def test_nothing_follows_an_end(event: Collected):
    assert decide(history(submitted(), started(), finished()), event, LATER) == ()


def test_an_event_of_a_task_nobody_submitted_leads_to_nothing():
    assert decide(history(), DEADLINE, LATER) == ()


@given(
    st.lists(
        st.sampled_from([started(), generated(), verified(), failed(), failed(retryable=False), cancel_requested()]),
        max_size=8,
    )
)
def test_deciding_twice_decides_the_same(events: list[TaskMessage]):
    told = history(submitted(), *events)
    last = events[-1] if events else submitted()
    if isinstance(last, type(started())):
        return

    assert decide(told, last, LATER) == decide(told, last, LATER)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  started was sorted out


@given(st.integers(1, 20), st.text(max_size=20))
def test_a_retry_waits_between_its_bounds(engine_try: int, seed: str):
    policy = RetryPolicy(base_s=1.0, factor=2.0, max_s=60.0, jitter=0.2)

    delay_s = retry_delay_s(policy, engine_try, seed)

    nominal = min(2.0 ** (engine_try - 1), 60.0)
    assert 0.8 * nominal <= delay_s <= 1.2 * nominal


def test_retries_of_different_tasks_do_not_come_in_step():
    delays = {retry_delay_s(RetryPolicy(), 1, f"task-{i}/1") for i in range(100)}

    assert len(delays) > 90


def test_a_policy_with_one_engine_has_no_second_chance():
    policy = Policy(engines=("echo",))
    event = failed(retryable=False)

    result = outcome(decide(history(submitted(policy), started(), event), event, LATER))

    assert result.task_id == IDS["task_id"]
    assert result.outcome == "failed"


def test_a_candidate_whose_verification_failed_is_not_verified_again():
    assert decide(history(submitted(), started(), generated(), failed()), generated(), LATER) == ()


def test_a_kept_test_counts_for_more_than_a_failure_of_the_same_attempt():
    past = history(submitted(), started(), generated(), failed(retryable=False), verified())

    assert decide(past, failed(retryable=False), LATER) == ()
    assert outcome(decide(past, verified(), LATER)).outcome == "completed"


def test_a_failure_counts_for_more_than_nothing_kept_in_the_same_attempt():
    nothing_kept = verified(first(), "flaky")
    past = history(submitted(), started(), generated(), nothing_kept, failed())

    assert decide(past, nothing_kept, LATER) == ()
    assert decide(past, failed(), LATER) != ()


def test_a_timer_that_knows_more_than_was_read_is_not_taken_for_an_old_one():
    retry = TimerFired(namespace="default", task_id="task-1", kind="retry", attempt=1)

    assert ahead(history(submitted(), started()), retry)
    assert ahead(history(submitted(), started(), generated()), retry)
    assert not ahead(history(submitted(), started(), started(first(2))), retry)
    assert not ahead(history(submitted(), started(), failed()), retry)
    assert ahead(history(), DEADLINE)
    assert not ahead(history(submitted()), DEADLINE)


def test_an_end_that_tells_too_much_is_cut():
    event = TaskCancelRequested(**IDS, command_id="cancel-1", reason="x" * 1_000_000)

    error = outcome(decide(history(submitted(), event), event, LATER)).error

    assert error is not None
    assert len(error.message) == 2000


def test_a_failure_is_tried_again_although_another_worker_began_its_item_again_in_vain():
    told = history(submitted(), started(item=1), failed(), started(first(2), item=1))

    [retry] = decide(told, failed(), NOW)
    again = decide(told, TimerFired(namespace="default", task_id="task-1", kind="retry", attempt=1), NOW)

    assert isinstance(retry, Schedule)
    assert work(again).attempt.number == 2
