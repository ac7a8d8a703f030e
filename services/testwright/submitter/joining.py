"""Which tasks join which, and what becomes of them when the one that does the work has ended.

1. A content is a module in its snapshot, and what is asked for as far as it changes the result.
2. A task joins the last one that claimed its content while that one works, and as long as its result is kept.
3. A joined task ends as its source does: with the same result, at no cost of its own.
4. Where the source ended for reasons of its own (it was cancelled, superseded, ran out of its time, or its job
   could not pay for it), the first that joined it does the work instead, and the others join that one.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec
from msgspec.structs import replace

from testwright.history import TaskHistory
from testwright_schemas import (
    ContentClaimed,
    Effect,
    Expect,
    Policy,
    Publish,
    Snapshot,
    Target,
    TaskCancelRequested,
    TaskFinished,
    TaskJoined,
    TaskSubmitted,
    Usage,
    subjects,
)

MAX_AGE = timedelta(days=29)
"""How old a result may be that is returned again: its files are kept for a day longer."""

HOT = timedelta(minutes=10)
"""How long a claim counts whose task is not submitted yet: whoever claimed it may be about to, or was killed."""

_BESIDE_THE_POINT = ("deadline_s", "priority", "output", "retry")
"""Fields of a policy that change when and where a result comes, and not which."""

_OWN_REASONS = frozenset({"cancelled", "superseded", "deadline-exceeded"})


def content(target: Target, snapshot: Snapshot, policy: Policy) -> str:
    """Return the key of a content."""
    asked = msgspec.to_builtins(policy)
    relevant = {name: value for name, value in asked.items() if name not in _BESIDE_THE_POINT}
    return _digest([msgspec.to_builtins(target), snapshot.digest, relevant])


def module(project: str, path: str) -> str:
    """Return the key of a module: the same in every version of its project, wherever that lies."""
    return _digest([project, path])


def _digest(value: object) -> str:
    return hashlib.sha256(msgspec.json.encode(value, order="sorted")).hexdigest()


def may_join(source: TaskHistory, claimed_at: datetime, at: datetime) -> bool:
    """Return whether a task may join the one with a claim on its content, provided that the files are still there.

    Args:
        source: history of the task that made the claim.
        claimed_at: when it was made.
        at: when the question is asked.
    """
    if source.submitted is None:
        return at - claimed_at < HOT
    if source.submitted.joined_to or source.cancel_requested:
        return False
    end = source.finished
    return end is None or (end.outcome == "completed" and at - end.completed_at < MAX_AGE)


def follow(end: TaskFinished, joined: Sequence[TaskHistory], at: datetime) -> tuple[Effect, ...]:
    """Return what becomes of tasks when the one that they have joined has ended.

    Args:
        end: of that one.
        joined: histories of the tasks, in the order in which they have joined it.
        at: when the event that tells of it was stored.
    """
    open_ = [task.submitted for task in joined if task.submitted and not task.finished]
    waiting = [task for task in open_ if task.joined_to == end.task_id]
    if not _left_undone(end):
        return tuple(Publish(message=_copy(end, task, at), once=True) for task in waiting)
    unwanted = {task.cancel_requested.task_id for task in joined if task.cancel_requested}
    moved = [task for task in open_ if task.joined_to not in {end.task_id, None}]
    return _inherit([task for task in waiting if task.task_id not in unwanted], moved)


def _left_undone(end: TaskFinished) -> bool:
    """Return whether a task ended for reasons of its own: whoever has joined it still wants the work done."""
    cause = end.error.cause if end.error else ""
    # What one may cost is the same for all of them; what its job may cost, for which it was never begun, is not.
    return cause in _OWN_REASONS or (cause == "budget-exhausted" and not end.attempts)


def _inherit(tasks: Sequence[TaskSubmitted], moved: Sequence[TaskSubmitted]) -> tuple[Effect, ...]:
    """Return what makes the first of tasks do the work; ``moved`` are those that another has inherited before."""
    if not tasks:
        return ()
    heir, *others = tasks
    moves = [replace(task, joined_to=heir.task_id) for task in others]
    # Of those that were moved before, too: whoever did that may have died before it said all.
    found = [joining(task, task.joined_to) for task in (*moves, *moved) if task.joined_to]
    return (
        *(Publish(message=move) for move in moves),
        *(Publish(message=entry, once=True, behind=True) for entry in found),
        Publish(message=claim(heir)),
        # Last: as long as it has joined the old one, whoever comes here again makes the same one the heir. Where it has
        # ended meanwhile, it is not to work, and another one is.
        Publish(message=replace(heir, joined_to=None), expect=Expect(subject=_end_of(heir), sequence=0)),
    )


def _end_of(task: TaskSubmitted) -> str:
    return subjects.task_event(task.namespace, task.task_id, "finished")


def claim(task: TaskSubmitted) -> ContentClaimed:
    """Return the claim of a task on its content."""
    return ContentClaimed(
        namespace=task.namespace,
        content=content(task.target, task.snapshot, task.policy),
        task_id=task.task_id,
    )


def joining(task: TaskSubmitted, source_id: str) -> TaskJoined:
    """Return the entry that finds a task when the one that it has joined ends."""
    return TaskJoined(namespace=task.namespace, task_id=task.task_id, source_id=source_id)


def supersede(by: TaskHistory, older: Sequence[TaskHistory]) -> tuple[Effect, ...]:
    """Return the cancel requests for older tasks about the module of a newer one; what that one has joined goes on."""
    newer = by.submitted
    if newer is None:
        return ()
    spared = {newer.task_id, newer.joined_to} - {None}
    found = [task.submitted for task in older if task.submitted and not task.finished]
    ended = [
        task
        for task in found
        if task.job_id != newer.job_id and task.task_id not in spared and (task.joined_to or "") not in spared
    ]
    # Those that have joined others first, lest one of them inherits work that is not wanted any more.
    ended.sort(key=lambda task: not task.joined_to)
    return tuple(Publish(message=_request(task, newer), behind=not task.joined_to) for task in ended)


def _request(task: TaskSubmitted, newer: TaskSubmitted) -> TaskCancelRequested:
    return TaskCancelRequested(
        namespace=task.namespace,
        job_id=task.job_id,
        task_id=task.task_id,
        command_id=f"supersede-{newer.task_id}"[:64],
        reason=f"superseded by {newer.task_id}",
        superseded_by=newer.task_id,
    )


def _copy(end: TaskFinished, task: TaskSubmitted, at: datetime) -> TaskFinished:
    return replace(
        end,
        job_id=task.job_id,
        task_id=task.task_id,
        module=task.target.module,
        usage=Usage(),
        attempts=0,
        joined=end.joined or end.task_id,
        created_at=task.created_at,
        completed_at=max(at, task.created_at),
    )
