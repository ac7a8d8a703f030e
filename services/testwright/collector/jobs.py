"""What the end of a task means for its job, as a function from the job's history to effects."""

from testwright.history import JobHistory
from testwright_schemas import (
    Effect,
    Expect,
    JobFinished,
    JobProgressed,
    Outcome,
    OutcomeCounts,
    Publish,
    TaskFinished,
    subjects,
)


def advance(history: JobHistory, event: TaskFinished) -> tuple[Effect, ...]:
    """Return what the end of a task means for its job."""
    job = history.submitted
    if job is None or history.finished:
        return ()
    before = history.progressed
    remaining = before.remaining if before else job.task_ids
    counts = before.counts if before else OutcomeCounts()
    if event.task_id in remaining:
        remaining = tuple(id_ for id_ in remaining if id_ != event.task_id)
        counts = _counted(counts, event.outcome)
    elif remaining:
        return ()
    if not remaining:
        # The last step is the end itself: whoever counts the last task knows of all others, and a job ends once.
        finished = JobFinished(namespace=job.namespace, job_id=job.job_id, total=len(job.task_ids), counts=counts)
        return (Publish(message=finished, once=True),)
    progressed = JobProgressed(
        namespace=job.namespace, job_id=job.job_id, task_id=event.task_id, remaining=remaining, counts=counts
    )
    expect = Expect(subject=subjects.event(progressed), sequence=history.progressed_sequence)
    return (Publish(message=progressed, expect=expect),)


def _counted(counts: OutcomeCounts, outcome: Outcome) -> OutcomeCounts:
    return OutcomeCounts(
        completed=counts.completed + (outcome == "completed"),
        failed=counts.failed + (outcome == "failed"),
        cancelled=counts.cancelled + (outcome == "cancelled"),
    )
