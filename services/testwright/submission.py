"""Submissions: what a client gets for one, and what is checked before anything is sent."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec

from testwright.errors import InvalidSubmissionError, ScheduleNotFoundError, TaskNotFoundError
from testwright.misfit import WORD, misfit
from testwright.snapshots.bundle import Bundle
from testwright_schemas import Message, Policy, SubmitJob, TaskSpec, is_word


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


@dataclass(frozen=True, slots=True)
class Terms:
    """How a submission stands to others.

    Attributes:
        join: whether the same content under the same policy is not worked on again: a running task is joined, a stored
            result is returned at once.
        supersede: whether older tasks about the same modules of the same project are cancelled.
        concurrency: tasks of the job that may be worked on at a time; ``None`` for as many as there are workers.
        concurrency_key: has ``concurrency`` count the tasks of all jobs of the namespace that name the same key.
        max_cost_usd: dollars that all its tasks together may cost; ``None`` for any.
    """

    join: bool = False
    supersede: bool = False
    concurrency: int | None = None
    max_cost_usd: float | None = None
    concurrency_key: str | None = None


def prepare(
    bundled: Bundle,
    policy: Policy | None,
    terms: Terms | None,
    *,
    namespace: str,
    new_id: Callable[[str], str],
    now: datetime,
) -> tuple[Job, SubmitJob]:
    """Return the submission of a bundle's targets, under new ids.

    Raises:
        InvalidSubmissionError: a field is out of range.
    """
    stance = terms or Terms()
    specs = tuple(TaskSpec(task_id=new_id("task"), target=target) for target in bundled.targets)
    command = SubmitJob(
        namespace=namespace,
        job_id=new_id("job"),
        tasks=specs,
        snapshot=bundled.snapshot,
        policy=policy or Policy(),
        submitted_at=now,
        join=stance.join,
        supersede=stance.supersede,
        project=bundled.project,
        concurrency=stance.concurrency,
        max_cost_usd=stance.max_cost_usd,
        concurrency_key=stance.concurrency_key,
    )
    check(command)
    return Job(command.job_id, tuple(TaskRef(spec.task_id, spec.target.module) for spec in specs)), command


def listed(paths: Sequence[Path | str]) -> list[Path]:
    """Return the paths of a submission.

    Raises:
        InvalidSubmissionError: it is one text, which would pass for a list of its letters.
    """
    if isinstance(paths, str):
        raise InvalidSubmissionError("paths", f"give a list of paths, such as [{paths!r}]")
    return [Path(path) for path in paths]


def check(message: Message) -> None:
    """Have the receiver's checks made before anything is sent.

    Raises:
        InvalidSubmissionError: a field is out of range.
    """
    try:
        # Not by way of JSON, which has no NaN: a limit of that would arrive as none at all.
        msgspec.convert(msgspec.to_builtins(message), type(message))
    except msgspec.ValidationError as error:
        field, reason = misfit(error)
        raise InvalidSubmissionError(field or "policy", reason) from error


def check_namespace(namespace: str) -> None:
    """Return if this can be a namespace.

    Raises:
        InvalidSubmissionError: it cannot.
    """
    if not is_word(namespace):
        raise InvalidSubmissionError("namespace", f"{namespace!r} {WORD}")


def check_id(id_: str) -> None:
    """Return if this can be the id of a task or job: in a subject anything else could stand for others, or for many.

    Raises:
        TaskNotFoundError: it cannot, so there is none.
    """
    if not is_word(id_):
        raise TaskNotFoundError(id_)


def check_schedule_id(id_: str) -> None:
    """Return if this can be the id of a schedule.

    Raises:
        ScheduleNotFoundError: it cannot, so there is none.
    """
    if not is_word(id_):
        raise ScheduleNotFoundError(id_)


def is_job(id_: str) -> bool:
    """Return whether an id that a client made is one of a job."""
    return id_.startswith("job-")
