"""The whole system under faults, in virtual time: what clients are told, are refused, and cancel."""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from tests.simulation.runs import SEVERAL
from tests.support.customer import FIELDS
from tests.support.plans import ROLES, Cancel, Hurt, Order, Plan
from tests.support.reports import LATE_S, Report, ends, histories, job_events
from tests.support.simulation import run
from testwright.bus._memory_faults import MOST_STALE
from testwright_schemas import (
    AttemptFailed,
    AttemptStarted,
    JobRejected,
    JobSubmitted,
    SuiteVerified,
    TaskCancelRequested,
    TaskFinished,
    TaskMessage,
    subjects,
)

pytestmark = pytest.mark.xdist_group("simulation")  # what is asked about a run needs it once, in one process

CONCLUSIONS = (SuiteVerified, AttemptFailed)


def first_verdicts(told: Sequence[tuple[int, TaskMessage]]) -> TaskMessage | None:
    verdicts = (event for _, event in told if isinstance(event, SuiteVerified))
    return next((event for event in verdicts if event.attempt.number == 1), None)


def test_an_order_is_accepted_or_refused_once_and_as_a_whole_and_its_client_is_told_what_is_wrong(report: Report):
    answers = [event for event in job_events(report) if isinstance(event, JobSubmitted | JobRejected)]

    for deal in report.deals:
        [answer] = [event for event in answers if event.job_id == deal.job.id]
        match answer:
            case JobSubmitted():
                assert deal.refused == set()
                assert not deal.order.wrong
                assert answer.task_ids == tuple(deal.task_ids)
                assert len(deal.task_ids) <= (report.plan.most_tasks or len(deal.task_ids))
            case JobRejected():
                assert deal.refused == {answer.field}
                assert answer.field == FIELDS.get(deal.order.wrong, "tasks")
                assert deal.order.wrong or report.plan.most_tasks
                begun = {subjects.task_of(event.subject) for event in report.events} | set(report.spent)
                assert begun.isdisjoint(deal.task_ids)


def test_where_nothing_goes_wrong_all_who_wait_for_a_refused_order_are_told(calm: Report):
    for deal in calm.deals:
        if deal.order.wrong != "shape":
            assert deal.told_off == (set(deal.task_ids) if deal.refused else set())


def test_a_client_is_told_of_the_one_end_of_each_task_however_often_it_dies_and_comes_again(report: Report):
    ended = {end.task_id: end for end in ends(report)}
    ours = {task.id for job in report.jobs for task in job.tasks}

    assert report.results == {task_id: ended[task_id] for task_id in ours}
    assert report.told.keys() == ours
    for task_id, told in report.told.items():
        lives = [life for life, _ in told]
        assert len(lives) == len(set(lives))
        assert [end for _, end in told] == [ended[task_id]] * len(told)


def test_a_cancel_is_answered_for_each_of_its_tasks_that_had_not_ended(report: Report):
    accepted = {task.id for job in report.jobs for task in job.tasks}
    at = {event.subject: event.time for event in report.events}

    for asked in report.cancels:
        for task_id in accepted.intersection(asked.task_ids):
            requested = at.get(subjects.task_event("default", task_id, "cancel-requested"))
            ended = at[subjects.task_event("default", task_id, "finished")]
            assert requested or ended < asked.at + timedelta(seconds=LATE_S)


def test_a_cancelled_task_ends_so_within_minutes_or_as_what_had_happened_before_led_to(report: Report):
    at = {event.sequence: event.time for event in report.events}

    for told in histories(report).values():
        requests = [sequence for sequence, event in told if isinstance(event, TaskCancelRequested)]
        [(ended, end)] = [(sequence, event) for sequence, event in told if isinstance(event, TaskFinished)]
        if requests and requests[0] < ended:
            assert at[ended] - at[requests[0]] < timedelta(seconds=LATE_S)
            between = [event for sequence, event in told if requests[0] < sequence < ended]
            # For verdicts on a first attempt nothing is looked up: what they ask for was done before the cancel was.
            late = [event for event in between if isinstance(event, CONCLUSIONS) and event != first_verdicts(told)]
            assert end.outcome == "cancelled" or not late
        assert requests or end.outcome != "cancelled"


def test_nothing_is_begun_for_a_task_whose_cancel_or_end_can_be_known(report: Report):
    at = {event.sequence: event.time for event in report.events}
    unknown = MOST_STALE if report.plan.faults.stale else 0

    for told in histories(report).values():
        over = next(sequence for sequence, event in told if isinstance(event, TaskCancelRequested | TaskFinished))
        for started in [event for _, event in told if isinstance(event, AttemptStarted)]:
            # An announcement may be on its way for some time; what counts is when the worker looked.
            looked = started.started_at - report.clocks[started.worker.partition(".")[0]]
            assert sum(sequence >= over and at[sequence] < looked for sequence in at) <= unknown


def test_where_nothing_goes_wrong_a_cancel_ends_its_tasks_at_once_and_nothing_follows(calm: Report):
    for told in histories(calm).values():
        at = {event.sequence: event.time for event in calm.events}
        requests = [at[sequence] for sequence, event in told if isinstance(event, TaskCancelRequested)]
        [ended] = [at[sequence] for sequence, event in told if isinstance(event, TaskFinished)]
        assert not requests or requests[0] == ended
        assert all(at[sequence] <= ended for sequence, _ in told)


def test_nothing_is_begun_for_cancelled_tasks_although_no_collector_hears_of_it_for_minutes():
    collectors = [number for number, role in enumerate(ROLES) if role == "collector"]
    cuts = tuple(Hurt(kind="cut", victim=number, after_s=3.0, for_s=150.0) for number in collectors)
    cancel = Cancel(whom="everything", after_s=10.0)

    for seed in SEVERAL:
        report = run(Plan(seed=seed, orders=(Order(tasks=6),) * 2, hurts=cuts, cancels=(cancel,)))

        assert [end.outcome for end in ends(report)].count("cancelled") > 4
        test_nothing_is_begun_for_a_task_whose_cancel_or_end_can_be_known(report)
