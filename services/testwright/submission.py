"""Submissions: what a client gets for one, and what is checked before anything is sent."""

from dataclasses import dataclass

import msgspec

from testwright.errors import InvalidSubmissionError, TaskNotFoundError
from testwright_schemas import SubmitJob, envelope, is_word


@dataclass(frozen=True, slots=True)
class TaskRef:
    """A submitted task: its id, and the module it is about."""

    id: str
    module: str


@dataclass(frozen=True, slots=True)
class Job:
    """A submission: its id, and its tasks in the order of their modules."""

    id: str
    tasks: tuple[TaskRef, ...]


def check(command: SubmitJob) -> None:
    """Have the receiver's checks made before anything is sent.

    Raises:
        InvalidSubmissionError: a field is out of range.
    """
    try:
        envelope.decode(envelope.encode(command), SubmitJob)
    except msgspec.ValidationError as error:
        reason, _, path = str(error).partition(" - at `$.")
        raise InvalidSubmissionError(path.rstrip("`") or "policy", reason) from error


def check_namespace(namespace: str) -> None:
    """Return if this can be a namespace.

    Raises:
        InvalidSubmissionError: it cannot.
    """
    if not is_word(namespace):
        raise InvalidSubmissionError("namespace", f"{namespace!r} must be letters, digits, '-' and '_', at most 64")


def check_id(id_: str) -> None:
    """Return if this can be the id of a task or job: in a subject anything else could stand for others, or for many.

    Raises:
        TaskNotFoundError: it cannot, so there is none.
    """
    if not is_word(id_):
        raise TaskNotFoundError(id_)


def is_job(id_: str) -> bool:
    """Return whether an id that a client made is one of a job."""
    return id_.startswith("job-")
