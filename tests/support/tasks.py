"""Messages of one task, for tests that speak in messages."""

from datetime import UTC, datetime, timedelta
from typing import TypedDict

from testwright.history import TaskHistory, fold
from testwright_schemas import (
    Artifact,
    Attempt,
    AttemptFailed,
    AttemptStarted,
    CaseVerdict,
    Coverage,
    Failure,
    GenerateSuite,
    Judgement,
    Outcome,
    Policy,
    Snapshot,
    SuiteGenerated,
    SuiteVerified,
    Target,
    TaskCancelRequested,
    TaskFinished,
    TaskMessage,
    TaskSubmitted,
    Verdict,
    VerifySuite,
)

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SNAPSHOT = Snapshot(digest="a" * 64, size=10, files=1)
TARGET = Target(module="shop.pricing", path="src/shop/pricing.py", import_root="src")
CANDIDATE = Artifact(name="candidate.tar.gz", digest="b" * 64, size=20)
POLICY = Policy(engines=("echo", "ghostwriter"))


class Ids(TypedDict):
    """The fields that every event of a task has."""

    namespace: str
    job_id: str
    task_id: str


IDS = Ids(namespace="default", job_id="job-1", task_id="task-1")


def first(number: int = 1, *, engine_index: int = 0, engine_try: int = 1) -> Attempt:
    engine = POLICY.engines[engine_index]
    return Attempt(number=number, engine=engine, engine_index=engine_index, engine_try=engine_try)


def submitted(policy: Policy = POLICY) -> TaskSubmitted:
    return TaskSubmitted(**IDS, target=TARGET, snapshot=SNAPSHOT, policy=policy, created_at=NOW)


def started(attempt: Attempt | None = None, worker: str = "worker-1", item: int = 0) -> AttemptStarted:
    at = NOW + timedelta(seconds=1)
    return AttemptStarted(**IDS, attempt=attempt or first(), worker=worker, item=item, started_at=at)


def generated(attempt: Attempt | None = None, fence: int = 2) -> SuiteGenerated:
    return SuiteGenerated(
        **IDS, attempt=attempt or first(), candidate=CANDIDATE, files=("test_pricing.py",), fence=fence
    )


def verified(attempt: Attempt | None = None, *verdicts: Verdict, line: float = 90.0) -> SuiteVerified:
    cases = tuple(CaseVerdict(id=f"test_{i}", verdict=verdict) for i, verdict in enumerate(verdicts or ("kept",)))
    judgement = Judgement(cases=cases, coverage=Coverage(line=line))
    return SuiteVerified(**IDS, attempt=attempt or first(), judgement=judgement)


def failed(attempt: Attempt | None = None, *, retryable: bool = True, cause: str = "engine-crashed") -> AttemptFailed:
    failure = Failure(cause=cause, message="it broke", retryable=retryable)
    return AttemptFailed(**IDS, attempt=attempt or first(), phase="generate", failure=failure)


def cancel_requested() -> TaskCancelRequested:
    return TaskCancelRequested(**IDS, command_id="cancel-1", reason="changed my mind")


def finished(outcome: Outcome = "completed", task_id: str = "task-1") -> TaskFinished:
    return TaskFinished(
        namespace="default",
        job_id="job-1",
        task_id=task_id,
        module="shop.pricing",
        outcome=outcome,
        created_at=NOW,
        completed_at=NOW,
    )


def to_generate(attempt: Attempt | None = None) -> GenerateSuite:
    return GenerateSuite(**IDS, attempt=attempt or first(), target=TARGET, snapshot=SNAPSHOT, policy=POLICY)


def to_verify(attempt: Attempt | None = None, fence: int = 2) -> VerifySuite:
    return VerifySuite(
        **IDS,
        attempt=attempt or first(),
        target=TARGET,
        snapshot=SNAPSHOT,
        policy=POLICY,
        candidate=CANDIDATE,
        fence=fence,
    )


def history(*events: TaskMessage) -> TaskHistory:
    """Return the history of events stored one after the other, from sequence 1."""
    return fold(enumerate(events, start=1))
