"""The whole system under faults, in virtual time: what must hold whatever happens."""

import pytest

from tests.support.simulation import Plan, Report, ends, histories, run
from testwright.history import fold
from testwright_schemas import AttemptFailed, AttemptStarted, JobFinished, MessageDeadLettered, envelope, subjects


def pytest_generate_tests(metafunc: pytest.Metafunc):
    if "seed" in metafunc.fixturenames:
        metafunc.parametrize("seed", range(int(metafunc.config.getoption("--simulations") or 0)))


def job_ends(report: Report) -> list[JobFinished]:
    events = [event for event in report.events if subjects.job_of(event.subject)]
    return [envelope.decode(e.data, JobFinished) for e in events if e.subject.endswith(".finished")]


def test_every_task_ends_once_and_every_job_counts_them_right(seed: int):
    report = run(Plan.of(seed))

    submitted = {task.id for job in report.jobs for task in job.tasks}
    assert ends(report) == dict.fromkeys(submitted, 1)
    assert sorted(end.job_id for end in job_ends(report)) == sorted(job.id for job in report.jobs)
    for end in job_ends(report):
        assert end.counts.completed + end.counts.failed + end.counts.cancelled == end.total
    letters = [event for event in report.events if event.subject.endswith(".lettered")]
    assert [envelope.decode(e.data, MessageDeadLettered).reason for e in letters] == []
    assert report.queued == 0
    for told in histories(report).values():
        history = fold(told)
        assert history.submitted is not None
        assert history.finished is not None
        assert history.finished.outcome != "completed" or history.verified is not None


def test_attempts_are_numbered_without_gaps_and_each_begins_once(seed: int):
    report = run(Plan.of(seed))

    for told in histories(report).values():
        numbers = [event.attempt.number for _, event in told if isinstance(event, AttemptStarted)]
        assert numbers == sorted(set(numbers))


def test_what_nobody_foresaw_fails_an_attempt_and_not_a_worker():
    reports = [run(Plan.of(seed)) for seed in range(0, 60, 5)]

    told = [event for report in reports for events in histories(report).values() for _, event in events]
    failures = [event.failure for event in told if isinstance(event, AttemptFailed)]
    assert "internal-error" in {failure.cause for failure in failures}
    assert "worker-lost" not in {failure.cause for failure in failures}


def test_the_same_seed_gives_the_same_run():
    plan = Plan.of(7)

    assert run(plan).digest == run(plan).digest
