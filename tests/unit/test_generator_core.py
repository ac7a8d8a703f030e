"""What a generator may do with a delivery, told by the task's history."""

from tests.support.tasks import NOW, failed, finished, first, generated, history, started, submitted, to_generate
from testwright.generator.core import MAX_LOST, Drop, GiveUp, Start, decide
from testwright_schemas import AttemptFailed, AttemptStarted, Expect, Publish, subjects

STARTED = subjects.task_event("default", "task-1", "started")


def test_the_first_delivery_announces_its_attempt_where_none_was():
    decision = decide(history(submitted()), to_generate(), "worker-1", NOW, turn=1)

    assert isinstance(decision, Start)
    message = decision.announcement.message
    assert isinstance(message, AttemptStarted)
    assert (message.attempt, message.worker) == (first(), "worker-1")
    assert decision.announcement.expect == Expect(subject=STARTED, sequence=0)


def test_a_delivery_that_comes_again_is_a_higher_attempt_behind_the_lost_one():
    decision = decide(history(submitted(), started()), to_generate(), "worker-2", NOW, turn=1)

    assert isinstance(decision, Start)
    assert decision.attempt.number == 2
    assert decision.attempt.engine_try == 1
    assert decision.announcement.expect == Expect(subject=STARTED, sequence=2)


def test_two_slots_of_one_worker_never_take_each_others_announcement_for_their_own():
    decisions = [decide(history(submitted()), to_generate(), "worker-1", NOW, turn=turn) for turn in (1, 2)]

    announced = [decision.announcement for decision in decisions if isinstance(decision, Start)]
    assert len({subjects.message_id(each.message) for each in announced if isinstance(each, Publish)}) == 2


def test_the_first_start_is_remembered_by_later_ones():
    decision = decide(history(submitted(), started()), to_generate(), "worker-2", NOW, turn=1)

    assert isinstance(decision, Start)
    message = decision.announcement.message
    assert isinstance(message, AttemptStarted)
    assert message.first_started_at == started().started_at


def test_work_on_an_ended_task_is_dropped():
    assert isinstance(decide(history(submitted(), finished()), to_generate(), "w", NOW, turn=1), Drop)


def test_an_attempt_that_delivered_before_its_ack_was_lost_is_not_done_again():
    assert isinstance(decide(history(submitted(), started(), generated()), to_generate(), "w", NOW, turn=1), Drop)


def test_an_attempt_that_failed_before_its_ack_was_lost_is_not_done_again():
    assert isinstance(decide(history(submitted(), started(), failed()), to_generate(), "w", NOW, turn=1), Drop)


def test_a_retry_begins_after_the_failure_it_follows():
    decision = decide(history(submitted(), started(), failed()), to_generate(first(2, engine_try=2)), "w", NOW, turn=1)

    assert isinstance(decision, Start)
    assert decision.attempt == first(2, engine_try=2)


def test_a_task_that_takes_its_workers_down_is_given_up():
    lost = started(first(MAX_LOST))

    decision = decide(history(submitted(), lost), to_generate(), "w", NOW, turn=1)

    assert isinstance(decision, GiveUp)
    message = decision.failure.message
    assert isinstance(message, AttemptFailed)
    assert (message.failure.cause, message.failure.retryable) == ("worker-lost", False)
    assert decision.failure.expect == Expect(subject=STARTED, sequence=2)
