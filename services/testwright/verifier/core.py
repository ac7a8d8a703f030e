"""What a verifier may do with a candidate, and how it says what it found.

Verdicts are published only if they build on the last ones: no test that was accepted is lost, whoever is late.
A failure is published only while the attempt that made the candidate is still the newest one.
"""

from collections.abc import Sequence

from msgspec import json
from msgspec.structs import replace

from testwright.history import TaskHistory
from testwright.verifier.merging import with_news, worth
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
    if history.attempts > item.attempt.number:
        return f"attempt {history.attempts} has replaced attempt {item.attempt.number}"
    if history.verified and history.verified.attempt.number >= item.attempt.number:
        return f"attempt {item.attempt.number} is verified"
    if history.failed and history.failed.attempt.number >= item.attempt.number:
        return f"attempt {item.attempt.number} has failed"
    return None


def current(item: VerifySuite, history: TaskHistory) -> VerifySuite:
    """Return an item that is not obsolete under the newest start: a later one than its own was in vain."""
    return replace(item, fence=max(item.fence, history.fence))


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


def verified(item: VerifySuite, judgement: Judgement, history: TaskHistory) -> Publish:
    """Return the verdicts on a candidate, judged together with what was accepted before.

    They are said only if no others have been said since the history was read: none may fall behind.
    """
    earlier = history.accepted
    rounds = (history.verified.rounds if history.verified else 0) + 1
    if earlier and worth(judgement) <= worth(earlier.judgement):
        return _said(_stays(item, earlier, judgement, rounds), history)
    message = SuiteVerified(
        namespace=item.namespace,
        job_id=item.job_id,
        task_id=item.task_id,
        attempt=item.attempt,
        judgement=fitting(judgement),
        judged=item.candidate.digest,
        usage=item.usage,
        log=item.log,
        requirements=item.requirements,
        rounds=rounds,
        spent=item.spent,
        first_started_at=item.first_started_at,
    )
    return _said(message, history)


def _stays(item: VerifySuite, earlier: SuiteVerified, judgement: Judgement, rounds: int) -> SuiteVerified:
    return replace(
        earlier,
        previous=None,
        attempt=item.attempt,
        judgement=fitting(with_news(earlier.judgement, judgement)),
        usage=item.usage,
        log=item.log,
        best=earlier.best or earlier.attempt,
        rounds=rounds,
        spent=item.spent,
    )


def _said(message: SuiteVerified, history: TaskHistory) -> Publish:
    return Publish(message=message, expect=Expect(subject=subjects.event(message), sequence=history.verified_sequence))


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
        spent=item.spent,
    )
    return Publish(message=message, expect=_under(item))


def _under(item: VerifySuite) -> Expect:
    subject = subjects.task_event(item.namespace, item.task_id, "started")
    return Expect(subject=subject, sequence=item.fence)
