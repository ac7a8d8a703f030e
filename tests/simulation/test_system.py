"""The whole system under faults, in virtual time: what must hold whatever happens."""

import hashlib
import random
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from functools import cache

import msgspec
import pytest

from tests.support.reports import Report, ends, histories, job_events
from tests.support.simulation import CALM, NEXT_DOOR, Plan, run
from tests.support.tasks import NOW
from testwright.collector.core import Collected, decide
from testwright.collector.gates import CENT
from testwright.history import fold
from testwright.verifier.merging import worth
from testwright_schemas import (
    AttemptFailed,
    AttemptStarted,
    GateMoved,
    JobFinished,
    JobProgressed,
    JobSubmitted,
    Judgement,
    MessageDeadLettered,
    OutcomeCounts,
    Policy,
    SuiteGenerated,
    SuiteVerified,
    TaskCancelRequested,
    TaskFinished,
    TaskMessage,
    TaskProgressed,
    TaskSubmitted,
    envelope,
    subjects,
)

pytestmark = pytest.mark.xdist_group("simulation")  # what is asked about a run needs it once, in one process

SEVERAL = range(10)
SEVERAL_CALM = range(0, 60, CALM)
"""Seeds in all of which together a thing must have happened."""


def pytest_generate_tests(metafunc: pytest.Metafunc):
    seeds = range(int(metafunc.config.getoption("--simulations") or 0))
    if "seed" in metafunc.fixturenames:
        metafunc.parametrize("seed", seeds)
    if "calm_seed" in metafunc.fixturenames:
        metafunc.parametrize("calm_seed", seeds[::CALM])


def cause_of(told: Sequence[tuple[int, TaskMessage]]) -> int:
    """Return the sequence of what has led to the end: that may meet verdicts that nobody knows of yet.

    It is a cancel request, or the failure of an attempt whose candidate another verifier had as well, and judged later.
    """
    requested = [sequence for sequence, event in told if isinstance(event, TaskCancelRequested)]
    [(finished, end)] = [(sequence, event) for sequence, event in told if isinstance(event, TaskFinished)]
    if end.outcome == "cancelled":
        # The first one may have been acted on after others were made, and those that came later say nothing new.
        return requested[0]
    failures = [(sequence, event) for sequence, event in told if isinstance(event, AttemptFailed)]
    if end.error and failures and failures[-1][1].failure.cause == end.error.cause:
        return min(failures[-1][0], finished)
    return finished


LATE_S = 300.0
"""Seconds after which nobody can have missed an end: the longest cut, one try to say something, the longest lag."""

Told = Sequence[tuple[int, TaskMessage]]


def oldest_first(told: Told) -> Told:
    """Return all that was told, in its order."""
    return told


def newest_of_each_kind_shuffled(told: Told) -> Told:
    """Return what a read of the last event of each kind finds, in any order."""
    newest = list({type(event): (sequence, event) for sequence, event in told}.values())
    random.Random(len(told)).shuffle(newest)
    return newest


def decisions(told: Told, reading: Callable[[Told], Told]) -> str:
    """Return a fingerprint of what a collector decides that reads a history in a certain way at each event."""
    digest = hashlib.sha256()
    for index, (_, event) in enumerate(told, start=1):
        if isinstance(event, Collected):
            for effect in decide(fold(reading(told[:index])), event, NOW):
                digest.update(msgspec.json.encode(effect))
    return digest.hexdigest()


@cache
def report_of(seed: int) -> Report:
    return run(Plan.of(seed))


def test_every_task_ends_once_as_what_was_submitted_and_nothing_is_left(seed: int):
    report = report_of(seed)

    submitted = sorted((task.id, task.module, job.id) for job in report.every for task in job.tasks)
    assert sorted((end.task_id, end.module, end.job_id) for end in ends(report)) == submitted
    letters = [event for event in report.events if event.subject.endswith(".lettered")]
    assert [envelope.decode(e.data, MessageDeadLettered).reason for e in letters] == []
    assert report.queued == 0
    for told in histories(report).values():
        history = fold(told)
        assert history.submitted is not None
        assert history.finished is not None
        assert history.finished.outcome != "completed" or history.verified is not None
        # Nothing here takes a day: what ends by its deadline was forgotten by everybody else.
        assert history.finished.error is None or history.finished.error.cause != "deadline-exceeded"


def test_no_timer_of_an_ended_task_is_left_but_the_deadline_of_one_that_ended_minutes_after_its_submission(seed: int):
    report = report_of(seed)

    said = {event.subject: event.time for event in report.events}
    for _, task_id, kind in (subject.rsplit(".", 2) for subject in report.timers):
        [submitted] = [at for subject, at in said.items() if subject.endswith(f"task.{task_id}.submitted")]
        [ended] = [at for subject, at in said.items() if subject.endswith(f"task.{task_id}.finished")]
        # It may be set, or set once more, after whoever met the end has taken back what was there.
        assert kind == "deadline-0"
        assert ended - submitted < timedelta(seconds=LATE_S)


def test_where_nothing_goes_wrong_no_timer_of_an_ended_task_is_left(calm_seed: int):
    assert report_of(calm_seed).timers == []


def test_every_job_counts_each_of_its_tasks_once_and_as_what_it_ended(seed: int):
    report = report_of(seed)

    outcomes = {job.id: Counter[str]() for job in report.every}
    for end in ends(report):
        outcomes[end.job_id][end.outcome] += 1
    finished = {event.job_id: event for event in job_events(report) if isinstance(event, JobFinished)}
    counted = {id_: OutcomeCounts(**counts) for id_, counts in outcomes.items()}
    assert {id_: end.counts for id_, end in finished.items()} == counted
    assert {id_: end.total for id_, end in finished.items()} == {job.id: len(job.tasks) for job in report.every}
    steps = [(event.job_id, event.task_id) for event in job_events(report) if isinstance(event, JobProgressed)]
    every = {(job.id, task.id) for job in report.every for task in job.tasks}
    assert len(steps) == len(set(steps))
    # The last one is the end of its job.
    assert Counter(job_id for job_id, _ in every - set(steps)) == {job.id: 1 for job in report.every}
    assert sum(isinstance(event, JobFinished | JobSubmitted) for event in job_events(report)) == 2 * len(report.every)


def test_what_an_attempt_says_counts_only_until_a_newer_one_has_begun(seed: int):
    for told in histories(report_of(seed)).values():
        newest = announced = 0
        for index, (_, event) in enumerate(told, start=1):
            match event:
                case AttemptStarted():
                    assert event.attempt.number > announced
                    announced = event.attempt.number
                    # Of an item that was delivered once more after its attempt had said all: nothing comes of it.
                    newest = newest if fold(told[:index]).in_vain else announced
                case SuiteGenerated() | AttemptFailed():
                    assert event.attempt.number >= newest
                case _:
                    pass


def test_verdicts_never_fall_behind_those_before_and_the_end_delivers_the_best(seed: int):
    for told in histories(report_of(seed)).values():
        verified = [event for _, event in told if isinstance(event, SuiteVerified)]
        worths = [worth(event.judgement) for event in verified]
        assert worths == sorted(worths)
        assert len({event.attempt.number for event in verified}) == len(verified)
        end = fold(told).finished
        assert end is not None
        before = [event for sequence, event in told if isinstance(event, SuiteVerified) and sequence < cause_of(told)]
        if before and before[-1].judgement.kept:
            assert end.outcome != "failed"
            assert worth(Judgement(cases=end.tests, coverage=end.coverage)) >= worths[len(before) - 1]
            assert end.files


def test_an_engine_has_as_many_tries_and_rounds_as_the_policy_says_and_pauses_cost_none(seed: int):
    for told in histories(report_of(seed)).values():
        policy = told[0][1].policy if isinstance(told[0][1], TaskSubmitted) else Policy()
        rounds: dict[tuple[int, int], Counter[int]] = {}
        for _, event in told:
            match event:
                case AttemptStarted(attempt=attempt) | SuiteGenerated(attempt=attempt) | SuiteVerified(attempt=attempt):
                    assert attempt.engine_try <= policy.retry.max_attempts
                    assert attempt.round <= policy.rounds
                    assert attempt.searched_s < policy.budget_s
                case AttemptFailed(attempt=attempt, failure=failure):
                    tries = rounds.setdefault((attempt.engine_index, attempt.round), Counter())
                    # Each try before has failed once and for good; this one may have been given back any time.
                    assert attempt.engine_try == 1 + len(tries) - (attempt.engine_try in tries)
                    if failure.retry_after_s is None:
                        tries[attempt.engine_try] += 1
                case _:
                    pass


def test_an_attempt_on_a_paused_lane_is_given_back_without_its_engine():
    causes = Counter[str]()
    for seed in SEVERAL_CALM:
        for told in histories(report_of(seed)).values():
            at_work = {event.attempt for _, event in told if isinstance(event, TaskProgressed)}
            failed = [event for _, event in told if isinstance(event, AttemptFailed)]
            causes.update(event.failure.cause for event in failed)
            paused = {event.attempt.number for event in failed if event.failure.cause == "lane-paused"}
            assert not paused & at_work

    assert causes["rate-limited"] > 0
    assert causes["lane-paused"] > 0


def test_where_nothing_goes_wrong_each_attempt_begins_and_is_concluded_once(calm_seed: int):
    for told in histories(report_of(calm_seed)).values():
        started = [event.attempt.number for _, event in told if isinstance(event, AttemptStarted)]
        concluded = [event.attempt.number for _, event in told if isinstance(event, SuiteVerified | AttemptFailed)]
        assert started == list(range(1, len(started) + 1))
        assert concluded == started[: len(concluded)]


def test_where_nothing_goes_wrong_the_end_sums_up_what_every_attempt_has_used(calm_seed: int):
    for told in histories(report_of(calm_seed)).values():
        used = [event.usage for _, event in told if isinstance(event, SuiteGenerated)]
        used += [event.usage for _, event in told if isinstance(event, AttemptFailed) and event.phase != "verify"]
        end = fold(told).finished
        assert end is not None
        asked = [usage.input_tokens for usage in used if usage.model is not None]
        known = [tokens for tokens in asked if tokens is not None]
        assert end.usage.input_tokens == (sum(known) if known and len(known) == len(asked) else None)
        assert end.usage.wall_s == pytest.approx(sum(usage.wall_s for usage in used))
        assert end.rounds == len({event.attempt.number for _, event in told if isinstance(event, SuiteVerified)})


def test_what_nobody_foresaw_fails_an_attempt_and_not_a_worker():
    reports = [report_of(seed) for seed in SEVERAL_CALM]

    told = [event for report in reports for events in histories(report).values() for _, event in events]
    failures = [event.failure for event in told if isinstance(event, AttemptFailed)]
    assert "internal-error" in {failure.cause for failure in failures}
    assert "worker-lost" not in {failure.cause for failure in failures}


def at_work(report: Report, ids: Collection[str]) -> int:
    """Return how many of these tasks were at work at a time, at most."""
    inside, ended, most = set[str](), set[str](), 0
    for event in report.events:
        task_id = subjects.task_of(event.subject)
        if task_id and task_id in ids:
            if event.subject.endswith(".finished"):
                ended.add(task_id)
            if event.subject.endswith(".started"):
                inside.add(task_id)
            # A worker may say that it begins just after the end, of which it hears at once.
            inside -= ended
            most = max(most, len(inside))
    return most


def test_no_more_tasks_of_a_job_of_a_key_and_of_a_namespace_work_at_a_time_than_may(seed: int):
    report, plan = report_of(seed), Plan.of(seed)

    submitted = [event for event in job_events(report) if isinstance(event, JobSubmitted)]
    for job in submitted:
        shares = [job] if job.concurrency_key is None else [of for of in submitted if of.concurrency_key]
        together = {id_ for of in shares for id_ in of.task_ids}
        assert at_work(report, together) <= (job.concurrency or len(together))
    everyone = {id_ for job in submitted for id_ in job.task_ids if job.namespace != NEXT_DOOR}
    assert at_work(report, everyone) <= (plan.places or len(everyone))


def test_no_task_job_or_namespace_spends_more_than_it_may(seed: int):
    report, plan = report_of(seed), Plan.of(seed)

    for told in histories(report).values():
        task = fold(told).submitted
        assert task is not None
        if task.policy.max_cost_usd is not None:
            assert report.spent.get(task.task_id, 0.0) <= task.policy.max_cost_usd + CENT
    for job in [event for event in job_events(report) if isinstance(event, JobSubmitted)]:
        if job.max_cost_usd is not None:
            assert sum(report.spent.get(id_, 0.0) for id_ in job.task_ids) <= job.max_cost_usd + CENT
    if plan.namespace_usd is not None:
        ours = [task.id for job in report.jobs for task in job.tasks]
        assert sum(report.spent.get(id_, 0.0) for id_ in ours) <= plan.namespace_usd + CENT


def test_every_gate_is_empty_in_the_end_and_a_limited_one_knows_of_every_dollar(seed: int):
    report = report_of(seed)

    of_jobs = {job.id: [task.id for task in job.tasks] for job in report.jobs}
    inside = {**of_jobs, "default": [id_ for ids in of_jobs.values() for id_ in ids]}
    moves = [envelope.decode(e.data, GateMoved) for e in report.events if e.subject.endswith(".moved")]
    for gate in {(move.kind, move.gate): move for move in moves}.values():
        assert gate.taken == {}
        if gate.max_cost_usd is not None:
            really = sum(report.spent.get(id_, 0.0) for id_ in inside[gate.gate])
            assert really - CENT <= gate.spent_usd <= gate.max_cost_usd + CENT


def test_two_collectors_that_saw_the_same_events_decide_the_same(seed: int):
    for told in histories(report_of(seed)).values():
        assert decisions(told, oldest_first) == decisions(told, newest_of_each_kind_shuffled)


def test_a_worker_says_nothing_of_a_task_any_more_once_it_can_know_of_its_end(seed: int):
    report = report_of(seed)

    ended: dict[str, datetime] = {}
    for event in report.events:
        task_id = subjects.task_of(event.subject)
        if task_id and event.subject.endswith(".finished"):
            ended[task_id] = event.time
        elif task_id in ended and not event.subject.endswith((".cancel-requested", ".submitted")):
            assert event.time - ended[task_id] < timedelta(seconds=LATE_S)


def test_where_nothing_goes_wrong_a_single_task_waits_for_no_more_of_another_namespace_than_have_places(calm_seed: int):
    report, plan = report_of(calm_seed), Plan.of(calm_seed)

    for job in report.neighbours:
        single = job.tasks[0].id
        told = [(event.subject.rpartition(".")[2], subjects.task_of(event.subject)) for event in report.events]
        between = told[told.index(("submitted", single)) : told.index(("started", single))]
        begun = [kind for kind, _ in between if kind == "started"]
        assert plan.places is not None
        assert len(begun) <= plan.places


def test_where_money_runs_out_tasks_say_so():
    causes = Counter[str]()
    for seed in SEVERAL:
        causes.update(end.error.cause for end in ends(report_of(seed)) if end.error)

    assert causes["budget-exhausted"] > 5
