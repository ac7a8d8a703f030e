"""Lets ids of jobs stand for those of their tasks."""

import anyio

from testwright.client import ACCEPTANCE_S, Client
from testwright.errors import InvalidSubmissionError, TaskNotFoundError
from testwright_schemas import JobRejected, JobSubmitted, envelope, subjects

_ANSWER = envelope.Decoder[JobSubmitted | JobRejected](JobSubmitted | JobRejected)


async def tasks_of(client: Client, ids: list[str]) -> list[str]:
    """Return ids with each job's replaced by those of its tasks, each once.

    Raises:
        TaskNotFoundError: a job was not accepted within ``ACCEPTANCE_S``.
        InvalidSubmissionError: a job was refused.
    """
    found: dict[str, None] = {}
    for id_ in ids:
        found |= dict.fromkeys(await _tasks_of_job(client, id_) if is_job(id_) else (id_,))
    return list(found)


def is_job(id_: str) -> bool:
    """Say whether an id is one of a job."""
    return id_.startswith("job-")


async def _tasks_of_job(client: Client, job_id: str) -> tuple[str, ...]:
    filters = [subjects.job_event(client.namespace, job_id, kind) for kind in ("submitted", "rejected")]
    with anyio.move_on_after(ACCEPTANCE_S):
        async with client.bus.feed(subjects.EVENTS, filters, after=0) as feed:
            async for stored in feed:
                answer: JobSubmitted | JobRejected = _ANSWER.decode(stored.data)
                if isinstance(answer, JobRejected):
                    raise InvalidSubmissionError(answer.field, answer.reason)
                return answer.task_ids
    raise TaskNotFoundError(job_id)
