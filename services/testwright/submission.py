"""Submissions: what a client gets for one, and what is checked before it is sent."""

from dataclasses import dataclass

import msgspec

from testwright.errors import InvalidSubmissionError
from testwright_schemas import SubmitJob, envelope


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
