"""The whole system under faults, in virtual time: places and money, and who waits for whom."""

from collections import Counter
from collections.abc import Collection

import pytest

from tests.simulation.runs import SEVERAL, report_of
from tests.support.reports import Report, ends, histories, job_events
from tests.support.simulation import NEXT_DOOR
from testwright.collector.gates import CENT
from testwright.history import fold
from testwright_schemas import GateMoved, JobSubmitted, envelope, subjects

pytestmark = pytest.mark.xdist_group("simulation")  # what is asked about a run needs it once, in one process


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


def test_no_more_tasks_of_a_job_of_a_key_and_of_a_namespace_work_at_a_time_than_may(report: Report):
    plan = report.plan

    submitted = [event for event in job_events(report) if isinstance(event, JobSubmitted)]
    for job in submitted:
        shares = [job] if job.concurrency_key is None else [of for of in submitted if of.concurrency_key]
        together = {id_ for of in shares for id_ in of.task_ids}
        assert at_work(report, together) <= (job.concurrency or len(together))
    everyone = {id_ for job in submitted for id_ in job.task_ids if job.namespace != NEXT_DOOR}
    assert at_work(report, everyone) <= (plan.places or len(everyone))


def test_no_task_job_or_namespace_spends_more_than_it_may(report: Report):
    plan = report.plan

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


def test_every_gate_is_empty_in_the_end_and_a_limited_one_knows_of_every_dollar(report: Report):
    of_jobs = {job.id: [task.id for task in job.tasks] for job in report.jobs}
    inside = {**of_jobs, "default": [id_ for ids in of_jobs.values() for id_ in ids]}
    moves = [envelope.decode(e.data, GateMoved) for e in report.events if e.subject.endswith(".moved")]
    for gate in {(move.kind, move.gate): move for move in moves}.values():
        assert gate.taken == {}
        if gate.max_cost_usd is not None:
            really = sum(report.spent.get(id_, 0.0) for id_ in inside[gate.gate])
            assert really - CENT <= gate.spent_usd <= gate.max_cost_usd + CENT


def test_where_nothing_goes_wrong_a_single_task_waits_for_no_more_of_another_namespace_than_have_places(calm: Report):
    plan = calm.plan

    for job in calm.neighbours:
        single = job.tasks[0].id
        told = [(event.subject.rpartition(".")[2], subjects.task_of(event.subject)) for event in calm.events]
        between = told[told.index(("submitted", single)) : told.index(("started", single))]
        begun = [kind for kind, _ in between if kind == "started"]
        assert plan.places is not None
        assert len(begun) <= plan.places


def test_where_money_runs_out_tasks_say_so():
    causes = Counter[str]()
    for seed in SEVERAL:
        causes.update(end.error.cause for end in ends(report_of(seed)) if end.error)

    assert causes["budget-exhausted"] > 5
