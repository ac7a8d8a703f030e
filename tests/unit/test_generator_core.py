"""What a generator may do with a delivery, told by the task's history."""

from datetime import timedelta

from msgspec.structs import replace

from tests.support.tasks import (
    NOW,
    cancel_requested,
    failed,
    finished,
    first,
    generated,
    history,
    started,
    submitted,
    to_generate,
)
from testwright.generator import core
from testwright.generator.core import MAX_LOST, Drop, Start, decide
from testwright_schemas import AttemptFailed, AttemptStarted, Expect, Failure, LanePaused, Publish, Usage, subjects

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


def test_no_attempt_is_begun_for_a_task_whose_end_was_asked_for():
    told = history(submitted(), cancel_requested())

    assert isinstance(decide(told, to_generate(), "w", NOW, turn=1), Drop)


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

    assert isinstance(decision, Start)
    assert decision.declined is not None
    assert (decision.declined.failure.cause, decision.declined.failure.retryable) == ("worker-lost", False)
    assert decision.announcement.expect == Expect(subject=STARTED, sequence=2)


def test_an_item_that_comes_again_does_not_take_the_place_of_a_later_one():
    later = started(first(4, engine_index=1), item=4)
    told = history(submitted(), started(first(2), item=2), failed(first(2)), later)

    assert isinstance(decide(told, to_generate(first(2)), "w", NOW, turn=1), Drop)
    assert isinstance(decide(told, to_generate(first(4, engine_index=1)), "w", NOW, turn=1), Start)


def test_an_item_of_a_paused_lane_is_declined_for_the_time_that_is_left():
    pause = LanePaused(namespace="default", lane="echo", until=NOW + timedelta(seconds=30), reason="slow down")

    paused = core.Conditions(pause=pause)
    during = decide(history(submitted()), to_generate(), "w", NOW, turn=1, conditions=paused)
    after = decide(history(submitted()), to_generate(), "w", NOW + timedelta(seconds=30), turn=1, conditions=paused)

    assert isinstance(during, Start)
    assert during.declined is not None
    failure = during.declined.failure
    assert (failure.cause, failure.message, failure.retry_after_s) == ("lane-paused", "slow down", 30.0)
    assert isinstance(after, Start)
    assert after.declined is None


def test_an_item_of_a_broken_lane_waits_only_where_no_other_engine_is_left():
    until = NOW + timedelta(seconds=30)
    broken = core.Conditions(pause=LanePaused(namespace="default", lane="echo", until=until, reason="503", broken=True))

    first_of_two, last_of_two = (
        decide(history(submitted()), to_generate(first(engine_index=index)), "w", NOW, turn=1, conditions=broken)
        for index in (0, 1)
    )

    assert isinstance(first_of_two, Start)
    assert first_of_two.declined
    assert first_of_two.declined.failure == Failure(cause="lane-paused", message="503", retryable=True)
    assert isinstance(last_of_two, Start)
    assert last_of_two.declined
    assert last_of_two.declined.failure.retry_after_s == 30.0


def test_what_a_failed_attempt_has_used_is_added_to_what_was_spent_before():
    item = replace(to_generate(), spent=Usage(model="m", input_tokens=5, cost_usd=0.5, wall_s=1.0))
    crashed = Failure(cause="engine-crashed", message="it broke")
    used = Usage(model="m", input_tokens=7, wall_s=2.0)

    message = core.failed(item, first(), core.Setback(phase="generate", failure=crashed, usage=used), 2).message

    assert isinstance(message, AttemptFailed)
    assert message.usage == used
    assert message.spent == Usage(model="m", input_tokens=12, cost_usd=None, wall_s=3.0)


def test_what_a_lost_worker_may_have_spent_counts_as_spent():
    item = replace(to_generate(), policy=replace(to_generate().policy, max_cost_usd=1.0))
    told = history(submitted(), started())

    paid = decide(told, item, "w", NOW, turn=1, conditions=core.Conditions(charges=True))
    free = decide(told, item, "w", NOW, turn=1)
    unlimited = decide(told, to_generate(), "w", NOW, turn=1, conditions=core.Conditions(charges=True))

    assert isinstance(paid, Start)
    assert paid.declined is not None
    assert paid.declined.failure.cause == "budget-exhausted"
    assert (paid.declined.usage.cost_usd, paid.declined.usage.model) == (None, "unknown")
    assert [start.declined for start in (free, unlimited) if isinstance(start, Start)] == [None, None]


VAIN = (submitted(), started(item=1), failed(), started(first(2), item=1))
"""A second worker had the item, and did not know that the first one had failed with it."""


def test_an_attempt_at_an_item_that_another_worker_concluded_meanwhile_is_not_made():
    told = history(*VAIN)

    assert core.in_vain(told, told.fence) == "attempt 1 is concluded"
    assert isinstance(decide(told, to_generate(), "w", NOW, turn=1), Drop)


def test_an_attempt_of_a_task_that_ended_meanwhile_is_not_made():
    told = history(submitted(), finished("cancelled"), started(item=1))

    assert core.in_vain(told, told.fence) == "the task is cancelled"


def test_an_attempt_that_nothing_came_before_is_made():
    told = history(submitted(), started(item=1))

    assert core.in_vain(told, told.fence) is None


def test_the_retry_behind_an_attempt_in_vain_has_lost_no_worker_and_no_money():
    item = replace(to_generate(first(2, engine_try=2)), policy=replace(to_generate().policy, max_cost_usd=1.0))

    start = decide(history(*VAIN), item, "w", NOW, turn=1, conditions=core.Conditions(charges=True))

    assert isinstance(start, Start)
    assert (start.attempt.number, start.declined) == (3, None)
    assert start.announcement.expect == Expect(subject=STARTED, sequence=4)


def test_an_announcement_is_looked_behind_where_another_worker_or_money_is_at_stake():
    limited = replace(to_generate(), policy=replace(to_generate().policy, max_cost_usd=1.0))
    paid = core.Conditions(charges=True)

    first_one = decide(history(submitted()), to_generate(), "w", NOW, turn=1, conditions=paid)
    again = decide(history(submitted(), started(item=1)), to_generate(), "w", NOW, turn=1)
    costly = decide(history(submitted()), limited, "w", NOW, turn=1, conditions=paid)

    assert [start.doubtful for start in (first_one, again, costly) if isinstance(start, Start)] == [False, True, True]
