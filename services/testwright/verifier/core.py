"""What a verifier may do with a candidate, and how it says what it found.

Verdicts are published only while the attempt that made the candidate is still the newest one.
"""

from testwright.history import TaskHistory
from testwright_schemas import (
    Artifact,
    AttemptFailed,
    Expect,
    Failure,
    Judgement,
    Publish,
    SuiteVerified,
    VerifySuite,
    subjects,
)


def obsolete(history: TaskHistory, item: VerifySuite) -> str | None:
    """Return why a candidate need not be judged any more, ``None`` if it must be."""
    if history.finished:
        return f"the task is {history.finished.outcome}"
    if history.fence != item.fence:
        return f"attempt {history.attempts} has replaced attempt {item.attempt.number}"
    if history.verified and history.verified.attempt.number >= item.attempt.number:
        return f"attempt {item.attempt.number} is verified"
    return None


def verified(item: VerifySuite, judgement: Judgement) -> Publish:
    """Return the verdicts on a candidate."""
    message = SuiteVerified(
        namespace=item.namespace,
        job_id=item.job_id,
        task_id=item.task_id,
        attempt=item.attempt,
        judgement=judgement,
        usage=item.usage,
        log=item.log,
    )
    return Publish(message=message, expect=_under(item))


def failed(item: VerifySuite, failure: Failure, log: Artifact | None) -> Publish:
    """Return the failure of an attempt whose candidate could not be judged."""
    message = AttemptFailed(
        namespace=item.namespace,
        job_id=item.job_id,
        task_id=item.task_id,
        attempt=item.attempt,
        phase="verify",
        failure=failure,
        log=log,
        usage=item.usage,
    )
    return Publish(message=message, expect=_under(item))


def _under(item: VerifySuite) -> Expect:
    subject = subjects.task_event(item.namespace, item.task_id, "started")
    return Expect(subject=subject, sequence=item.fence)
