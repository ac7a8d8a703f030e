"""Task: one module of a job, and everything that happens to it."""

from typing import Annotated, Literal

import msgspec

from testwright_schemas._base import Count, Digest, Id, Message, Record, Seconds, Time, Token
from testwright_schemas.policy import Policy
from testwright_schemas.snapshot import Snapshot, Target
from testwright_schemas.suite import Artifact, CaseVerdict, Coverage, Isolation, Judgement, Mutation, Usage

Outcome = Literal["completed", "failed", "cancelled"]
Phase = Literal["prepare", "generate", "verify"]


class Attempt(Record, frozen=True, kw_only=True):
    """One engine's try at a task.

    Attributes:
        number: counts all attempts of the task from 1; a higher one replaces a lower one.
        engine: name of the engine.
        engine_index: its place in the policy's list.
        engine_try: counts the tries of this engine in this round from 1.
        round: counts the rounds of this engine from 1; a later one gets what earlier ones have left to do.
        searched_s: seconds that earlier rounds of this engine have taken out of the budget.
    """

    number: Annotated[int, msgspec.Meta(ge=1)]
    engine: Token
    engine_index: Count = 0
    engine_try: Annotated[int, msgspec.Meta(ge=1)] = 1
    round: Annotated[int, msgspec.Meta(ge=1)] = 1
    searched_s: Seconds = 0.0


class Failure(Record, frozen=True, kw_only=True):
    """Why something ended badly: ``cause`` is one kebab-case word for programs, ``message`` is for people.

    ``retry_after_s`` are the seconds that a provider asked to be left alone for: the attempt is given back unspent.
    """

    cause: str
    message: str
    retryable: bool = False
    retry_after_s: Seconds | None = None


class TaskError(Record, frozen=True, kw_only=True):
    """The ``error`` of a result."""

    cause: str
    message: str
    log: Artifact | None = None


class TaskEvent(Message, frozen=True, kw_only=True):
    """What every event of a task carries; ``previous`` is the digest of the body of the event that led to it."""

    namespace: Token
    job_id: Id
    task_id: Id
    previous: Digest | None = None


class TaskSubmitted(TaskEvent, frozen=True, kw_only=True):
    """A task was accepted. One that has ``joined_to`` another does no work: it ends as that one does.

    It is said again, without ``joined_to``, where the other was cancelled: then it does the work. ``concurrency`` tasks
    of its job, or of all with its ``concurrency_key``, may work at a time, and all tasks of its job may cost
    ``job_cost_usd`` dollars. One that is ``alone`` is its job's only task.
    """

    target: Target
    snapshot: Snapshot
    policy: Policy
    created_at: Time
    retry_of: Id | None = None
    joined_to: Id | None = None
    project: str = ""
    concurrency: Annotated[int, msgspec.Meta(ge=1)] | None = None
    job_cost_usd: Annotated[float, msgspec.Meta(ge=0)] | None = None
    alone: bool = False
    concurrency_key: Token | None = None


class TaskCancelRequested(TaskEvent, frozen=True, kw_only=True):
    """Someone asked for the end of a task, or a newer one of the same module did; the collector ends it."""

    command_id: Id
    reason: str = ""
    superseded_by: Id | None = None


class AttemptStarted(TaskEvent, frozen=True, kw_only=True):
    """A worker took the task. Whoever holds the last of these is the only one whose results count.

    ``turn`` counts the announcements of the worker; ``first_started_at`` is when the first attempt began, ``None`` for
    the first one itself. ``item`` is the number that the work item gives the attempt: lower than its own where the
    item was delivered before.
    """

    attempt: Attempt
    worker: str
    turn: Count = 0
    item: Count = 0
    started_at: Time
    first_started_at: Time | None = None


class TaskProgressed(TaskEvent, frozen=True, kw_only=True):
    """A sign of life: what the attempt is doing, and which ``worker`` is at it; rate-limited by its sender."""

    attempt: int
    phase: Phase
    worker: str = ""
    message: str = ""
    tests: Count | None = None
    coverage: float | None = None
    elapsed_s: Seconds = 0.0


class SuiteGenerated(TaskEvent, frozen=True, kw_only=True):
    """An engine delivered a candidate; ``requirements`` are packages that its tests need besides pytest.

    ``fence`` is the stream sequence of the ``started`` event it was made under: later events of the same attempt are
    published only while that is still the newest one. ``isolation`` is the engine's. ``rounds`` says whether the engine
    has use for another round. ``usage`` is of this attempt, ``spent`` of all attempts up to this one.
    ``first_started_at`` is when the first attempt began.
    """

    attempt: Attempt
    candidate: Artifact
    files: tuple[str, ...]
    fence: Count
    requirements: tuple[str, ...] = ()
    usage: Usage = Usage()
    log: Artifact | None = None
    isolation: Isolation = "none"
    rounds: bool = False
    spent: Usage | None = None
    first_started_at: Time | None = None


class SuiteVerified(TaskEvent, frozen=True, kw_only=True):
    """A candidate was judged, test by test, with what was accepted before. No judgement is worse than the last one.

    ``judged`` is the digest of the candidate, ``log`` of the engine; ``requirements`` are packages that the suite needs
    besides pytest. ``best`` is the attempt whose judgement it is, where this one has added nothing to it. ``rounds``
    counts the candidates of the task that were judged. ``usage`` is of this attempt, ``spent`` of all up to this one.
    ``first_started_at`` is when the first attempt began.
    """

    attempt: Attempt
    judgement: Judgement
    judged: Digest | None = None
    usage: Usage = Usage()
    log: Artifact | None = None
    requirements: tuple[str, ...] = ()
    best: Attempt | None = None
    rounds: Count = 1
    spent: Usage | None = None
    first_started_at: Time | None = None


class AttemptFailed(TaskEvent, frozen=True, kw_only=True):
    """An attempt yielded nothing that can be verified; ``spent`` is the usage of all attempts up to this one."""

    attempt: Attempt
    phase: Phase
    failure: Failure
    log: Artifact | None = None
    usage: Usage = Usage()
    spent: Usage | None = None


class TaskFinished(TaskEvent, frozen=True, kw_only=True):
    """The one end of a task, and its result.

    ``coverage`` is ``None`` where no suite could be measured; ``threshold_met`` compares its line share with the
    policy's. ``omitted`` verdicts did not fit into the message: the report has them all. ``usage`` sums up all attempts
    that said what they had used, ``rounds`` counts the candidates that were judged. One that is ``completed`` has an
    ``error`` where something else than its coverage, or a lack of progress, ended it. Times are UTC; ``started_at``
    is ``None`` where no worker ever took the task, and by the worker's clock, the others are by the server's. Where
    ``joined`` names another task, this is the result of that one, which has the usage, too. One that is ``unsettled``
    ended while an attempt was at work: what that one had used is not known, and not in ``usage``.
    """

    module: str
    outcome: Outcome
    threshold_met: bool = False
    files: tuple[Artifact, ...] = ()
    coverage: Coverage | None = None
    mutation: Mutation = Mutation()
    tests: tuple[CaseVerdict, ...] = ()
    omitted: Count = 0
    usage: Usage = Usage()
    attempts: Count = 0
    rounds: Count = 0
    engine: str | None = None
    isolation: Isolation = "none"
    report: Artifact | None = None
    error: TaskError | None = None
    joined: Id | None = None
    unsettled: bool = False
    created_at: Time
    started_at: Time | None = None
    completed_at: Time

    @property
    def kept(self) -> int:
        """Number of tests that were kept."""
        return sum(case.verdict == "kept" for case in self.tests)


TaskMessage = (
    TaskSubmitted
    | TaskCancelRequested
    | AttemptStarted
    | TaskProgressed
    | SuiteGenerated
    | SuiteVerified
    | AttemptFailed
    | TaskFinished
)
