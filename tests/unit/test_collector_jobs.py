"""The counting of a job's tasks, as decisions on messages."""

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

    progressed, end = advance(
        JobHistory(submitted=JOB, progressed=before, progressed_sequence=9), finished("completed", "task-2")
    )

    assert isinstance(progressed, Publish)
    assert progressed.expect == Expect(subject=PROGRESSED, sequence=9)
    counts = OutcomeCounts(completed=1, failed=1)
    assert end == Publish(message=JobFinished(namespace="default", job_id="job-1", total=2, counts=counts), once=True)


def test_the_end_of_a_task_counts_once():
    before = JobProgressed(
        namespace="default",
        job_id="job-1",
        task_id="task-1",
        remaining=("task-2",),
        counts=OutcomeCounts(failed=1),
    )

    assert advance(JobHistory(submitted=JOB, progressed=before, progressed_sequence=9), finished("failed")) == ()


def test_a_job_whose_last_step_was_said_but_not_its_end_is_ended():
    before = JobProgressed(
        namespace="default", job_id="job-1", task_id="task-2", remaining=(), counts=OutcomeCounts(completed=2)
    )

    [end] = advance(JobHistory(submitted=JOB, progressed=before, progressed_sequence=9), finished())

    assert isinstance(end, Publish)
    assert isinstance(end.message, JobFinished)
