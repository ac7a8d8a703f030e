"""The counting of a job's tasks, as decisions on messages."""

from msgspec.structs import replace

from tests.support.tasks import NOW, finished
from testwright.collector.jobs import advance
from testwright.history import JobHistory
from testwright_schemas import (
    Expect,
    JobFinished,
    JobProgressed,
    JobSubmitted,
    OutcomeCounts,
    Publish,
    subjects,
)

JOB = JobSubmitted(namespace="default", job_id="job-1", task_ids=("task-1", "task-2"), created_at=NOW)
PROGRESSED = subjects.job_event("default", "job-1", "progressed")


def test_the_first_end_of_a_task_leaves_the_others_of_its_job():
    [publish] = advance(JobHistory(submitted=JOB), finished("failed"))

    assert isinstance(publish, Publish)
    assert publish.message == JobProgressed(
        namespace="default",
        job_id="job-1",
        task_id="task-1",
        remaining=("task-2",),
        counts=OutcomeCounts(failed=1),
    )
    assert publish.expect == Expect(subject=PROGRESSED, sequence=0)


def test_the_last_end_of_a_task_ends_the_job():
    before = JobProgressed(
        namespace="default",
        job_id="job-1",
        task_id="task-1",
        remaining=("task-2",),
        counts=OutcomeCounts(failed=1),
    )

    history = JobHistory(submitted=JOB, progressed=before, progressed_sequence=9)
    [end] = advance(history, finished("completed", "task-2"))

    counts = OutcomeCounts(completed=1, failed=1)
    assert end == Publish(message=JobFinished(namespace="default", job_id="job-1", total=2, counts=counts), once=True)


def test_each_step_of_a_job_builds_on_the_one_before():
    job = replace(JOB, task_ids=("task-1", "task-2", "task-3"))
    before = JobProgressed(
        namespace="default",
        job_id="job-1",
        task_id="task-1",
        remaining=("task-2", "task-3"),
        counts=OutcomeCounts(failed=1),
    )

    [step] = advance(
        JobHistory(submitted=job, progressed=before, progressed_sequence=9), finished("completed", "task-2")
    )

    assert isinstance(step, Publish)
    assert isinstance(step.message, JobProgressed)
    assert step.message.remaining == ("task-3",)
    assert step.expect == Expect(subject=PROGRESSED, sequence=9)


def test_a_job_of_one_task_ends_with_that():
    [end] = advance(JobHistory(submitted=replace(JOB, task_ids=("task-1",))), finished("cancelled"))

    counts = OutcomeCounts(cancelled=1)
    assert end == Publish(message=JobFinished(namespace="default", job_id="job-1", total=1, counts=counts), once=True)


def test_the_end_of_a_task_counts_once():
    before = JobProgressed(
        namespace="default",
        job_id="job-1",
        task_id="task-1",
        remaining=("task-2",),
        counts=OutcomeCounts(failed=1),
    )

    assert advance(JobHistory(submitted=JOB, progressed=before, progressed_sequence=9), finished("failed")) == ()


def test_a_job_whose_last_step_was_said_by_an_older_version_but_not_its_end_is_ended():
    before = JobProgressed(
        namespace="default", job_id="job-1", task_id="task-2", remaining=(), counts=OutcomeCounts(completed=2)
    )

    [end] = advance(JobHistory(submitted=JOB, progressed=before, progressed_sequence=9), finished())

    assert isinstance(end, Publish)
    assert isinstance(end.message, JobFinished)
