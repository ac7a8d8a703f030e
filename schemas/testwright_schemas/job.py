"""Job: one submission, made of tasks."""

from typing import Annotated

import msgspec

from testwright_schemas._base import Count, Id, Message, Record, Time, Token


class JobEvent(Message, frozen=True, kw_only=True):
    """What every event of a job carries."""

    namespace: Token
    job_id: Id


class JobSubmitted(JobEvent, frozen=True, kw_only=True):
    """A job was accepted and is fanned out into these tasks, of which ``concurrency`` may be worked on at a time.

    With a ``concurrency_key`` that is how many of all tasks of the namespace with the same one may be. They may cost
    ``max_cost_usd`` dollars, all together.
    """

    task_ids: tuple[Id, ...]
    created_at: Time
    concurrency: Annotated[int, msgspec.Meta(ge=1)] | None = None
    max_cost_usd: Annotated[float, msgspec.Meta(ge=0)] | None = None
    concurrency_key: Token | None = None


class JobRejected(JobEvent, frozen=True, kw_only=True):
    """A submission was refused: ``field`` is the path of what is wrong, ``reason`` says why."""

    field: str
    reason: str


class OutcomeCounts(Record, frozen=True, kw_only=True):
    """How many tasks of a job ended how."""

    completed: Count = 0
    failed: Count = 0
    cancelled: Count = 0


class JobProgressed(JobEvent, frozen=True, kw_only=True):
    """Task ``task_id`` of the job has ended too; ``remaining`` names those that have not.

    Not said of the last one: the job has finished then.
    """

    task_id: Id
    remaining: tuple[Id, ...]
    counts: OutcomeCounts


class JobFinished(JobEvent, frozen=True, kw_only=True):
    """Every task of the job has ended."""

    total: Annotated[int, msgspec.Meta(ge=1)]
    counts: OutcomeCounts


JobMessage = JobSubmitted | JobRejected | JobProgressed | JobFinished
