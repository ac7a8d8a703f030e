"""What a verifier may do with a candidate, and how it says what it found.

Verdicts are published only while the attempt that made the candidate is still the newest one.
"""

from collections.abc import Sequence

from msgspec import json
from msgspec.structs import replace

from testwright.history import TaskHistory
from testwright_schemas import (
    Artifact,
    AttemptFailed,
    CaseVerdict,
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
    if history.fence > item.fence:
        return f"attempt {history.attempts} has replaced attempt {item.attempt.number}"
    if history.verified and history.verified.attempt.number >= item.attempt.number:
        return f"attempt {item.attempt.number} is verified"
    if history.failed and history.failed.attempt.number >= item.attempt.number:
        return f"attempt {item.attempt.number} has failed"
    return None


MAX_CASES_BYTES = 500_000
"""Room for the verdicts in one message: half of what a server takes by default."""


def fitting(judgement: Judgement) -> Judgement:
    """Return a judgement that fits into a message: the first verdicts, those on kept tests before all others."""
    by_worth = sorted(range(len(judgement.cases)), key=lambda index: judgement.cases[index].verdict != "kept")
    fit = _fitting(judgement.cases, by_worth)
    if len(fit) == len(judgement.cases):
        return judgement
    cases = tuple(judgement.cases[index] for index in sorted(fit))
    return replace(judgement, cases=cases, omitted=len(judgement.cases) - len(cases))


def _fitting(cases: Sequence[CaseVerdict], order: Sequence[int]) -> list[int]:
    left, fit = MAX_CASES_BYTES, list[int]()
    for index in order:
        left -= len(json.encode(cases[index])) + 1
        if left < 0:
            break
        fit.append(index)
    return fit


def verified(item: VerifySuite, judgement: Judgement) -> Publish:
    """Return the verdicts on a candidate."""
    message = SuiteVerified(
        namespace=item.namespace,
        job_id=item.job_id,
        task_id=item.task_id,
        attempt=item.attempt,
        judgement=fitting(judgement),
        judged=item.candidate.digest,
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
