"""Commands: what clients ask for."""

from typing import Annotated

import msgspec

from testwright_schemas._base import Id, Message, Record, Time, Token
from testwright_schemas.policy import Policy
from testwright_schemas.snapshot import Snapshot, Target

MAX_TASKS = 1000
"""Tasks in one job: its list of ids travels in one message with each step of the job."""


class TaskSpec(Record, frozen=True, kw_only=True):
    """One module of a submission, under an id that the client made."""

    task_id: Id
    target: Target


class SubmitJob(Message, frozen=True, kw_only=True):
    """Generate and verify tests for these modules. The job's id is the idempotency key of the submission.

    ``submitted_at`` is by the client's clock and for people only: the server's clock decides when a deadline is.

    With ``join`` a task whose content and policy are those of another one ends as that one does, without work; with
    ``supersede`` older tasks about the same modules are to end. The name of the ``project``, a module's path and the
    namespace tell modules apart. ``concurrency`` are tasks of this job that may be worked on at a time, ``None`` for as
    many as there are workers; with a ``concurrency_key``, tasks of all jobs of the namespace that name the same one.
    All its tasks together may cost ``max_cost_usd`` dollars, ``None`` for any cost.
    """

    namespace: Token
    job_id: Id
    tasks: Annotated[tuple[TaskSpec, ...], msgspec.Meta(min_length=1, max_length=MAX_TASKS)]
    snapshot: Snapshot
    policy: Policy
    submitted_at: Time
    join: bool = False
    supersede: bool = False
    project: Annotated[str, msgspec.Meta(max_length=200)] = ""
    concurrency: Annotated[int, msgspec.Meta(ge=1, le=MAX_TASKS)] | None = None
    max_cost_usd: Annotated[float, msgspec.Meta(ge=0)] | None = None
    concurrency_key: Token | None = None


class CancelTasks(Message, frozen=True, kw_only=True):
    """End these tasks, and all tasks of these jobs, as cancelled."""

    namespace: Token
    command_id: Id
    task_ids: tuple[Id, ...] = ()
    job_ids: tuple[Id, ...] = ()
    reason: str = ""


class RetrySpec(Record, frozen=True, kw_only=True):
    """A finished task to be done again under a new id."""

    task_id: Id
    retry_of: Id


class RetryTasks(Message, frozen=True, kw_only=True):
    """Submit finished tasks again, on the snapshot and policy they had, as the tasks of a new job."""

    namespace: Token
    job_id: Id
    tasks: Annotated[tuple[RetrySpec, ...], msgspec.Meta(min_length=1, max_length=MAX_TASKS)]
    submitted_at: Time


CommandMessage = SubmitJob | CancelTasks | RetryTasks
