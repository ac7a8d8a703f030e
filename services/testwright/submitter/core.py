"""What a command leads to, as functions from the command and what is known to effects.

A submission is either accepted (its job first, then its tasks, each said once) or rejected with the field and the
reason; nothing in between, and the answer does not change when the command comes again: it is said on the condition
that there is none, as another may have the same command and see another state. A retry is a new task that names the one
it repeats: the old one keeps its result.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from testwright.history import JobHistory, TaskHistory
from testwright.submitter import asking, joining
from testwright.submitter.asking import Refusal
from testwright_schemas import (
    CancelTasks,
    Effect,
    Expect,
    JobRejected,
    JobSubmitted,
    LimitsSet,
    ModuleTaken,
    Publish,
    Record,
    RetryTasks,
    SubmitJob,
    TaskCancelRequested,
    TaskError,
    TaskFinished,
    TaskSpec,
    TaskSubmitted,
    subjects,
)


class Claims(Record, frozen=True, kw_only=True):
    """What is taken already, and what may be.

    Attributes:
        job: history of the job.
        owners: the job of each of its tasks that is submitted.
        limits: of the namespace.
        open_tasks: of the namespace that have not ended.
    """

    job: JobHistory = JobHistory()
    owners: Mapping[str, str] = {}
    limits: LimitsSet | None = None
    open_tasks: int = 0


def submit(
    command: SubmitJob,
    claims: Claims,
    engines: Collection[str],
    at: datetime,
    joined: Mapping[str, str | None] | None = None,
) -> tuple[Effect, ...]:
    """Return the events of a submission.

    Args:
        command: the submission.
        claims: what is taken.
        engines: names of the engines that this bus has queues for.
        at: when the command was stored (UTC).
        joined: which task joins which.
    """
    sources = joined or {}
    tasks = [
        TaskSubmitted(
            namespace=command.namespace,
            job_id=command.job_id,
            task_id=spec.task_id,
            target=spec.target,
            snapshot=command.snapshot,
            policy=command.policy,
            created_at=at,
            joined_to=sources.get(spec.task_id),
            project=command.project,
            concurrency=command.concurrency,
            job_cost_usd=command.max_cost_usd,
            alone=len(command.tasks) == 1,
            concurrency_key=command.concurrency_key,
        )
        for spec in command.tasks
    ]
    refusal = asking.refusal(command, engines, claims.limits)
    answer = _answer(command, tasks, refusal, claims, at)
    return (*answer, *_entries(command, tasks)) if is_acceptance(answer) else answer


def is_acceptance(effects: Sequence[Effect]) -> bool:
    """Return whether a submission that leads to these effects is accepted."""
    return any(isinstance(effect, Publish) and isinstance(effect.message, JobSubmitted) for effect in effects)


def cancel(
    command: CancelTasks, jobs: Mapping[str, JobHistory], tasks: Mapping[str, TaskHistory]
) -> tuple[Effect, ...]:
    """Return the cancel requests for the named tasks and for all tasks of the named jobs that have not ended.

    Args:
        command: the command.
        jobs: history of each job it names.
        tasks: history of each task it names or that belongs to such a job.
    """
    effects: list[Effect] = []
    for task_id in wanted(command, jobs):
        history = tasks.get(task_id)
        if history is None or history.submitted is None or history.finished:
            continue
        request = TaskCancelRequested(
            namespace=command.namespace,
            job_id=history.submitted.job_id,
            task_id=task_id,
            command_id=command.command_id,
            reason=command.reason,
        )
        effects.append(Publish(message=request))
    return tuple(effects)


def wanted(command: CancelTasks, jobs: Mapping[str, JobHistory]) -> list[str]:
    """Return the ids of all tasks that a cancel is about, each once."""
    found = dict.fromkeys(command.task_ids)
    for job in jobs.values():
        found.update(dict.fromkeys(job.submitted.task_ids if job.submitted else ()))
    return list(found)


def unheard_of(command: CancelTasks, jobs: Mapping[str, JobHistory], tasks: Mapping[str, TaskHistory]) -> str | None:
    """Return one thing that a cancel is about and that was not submitted, or not yet; ``None`` where there is none."""
    unknown_jobs = (id_ for id_, job in jobs.items() if not job.submitted and not job.rejected)
    unknown_tasks = (id_ for id_ in wanted(command, jobs) if id_ not in tasks or not tasks[id_].submitted)
    return next(unknown_jobs, None) or next(unknown_tasks, None)


def retry(
    command: RetryTasks,
    claims: Claims,
    tasks: Mapping[str, TaskHistory],
    engines: Collection[str],
    at: datetime,
) -> tuple[Effect, ...]:
    """Return the events of a job that does finished tasks again.

    Args:
        command: the command.
        claims: what is taken.
        tasks: history of each task to be repeated.
        engines: names of the engines that this bus has queues for.
        at: when the command was stored (UTC).
    """
    new: list[TaskSubmitted] = []
    refusals: list[Refusal] = []
    for spec in command.tasks:
        old = tasks.get(spec.retry_of, TaskHistory())
        if old.submitted is None:
            refusals.append(("tasks", f"there is no task {spec.retry_of!r}"))
        elif old.finished is None:
            refusals.append(("tasks", f"task {spec.retry_of!r} has not ended: cancel it first"))
        else:
            policy = old.submitted.policy
            # It was accepted at another time: engines may be gone, and limits be set.
            if fault := asking.unserved(policy, engines) or asking.unpaid(command.namespace, policy, claims.limits):
                refusals.append(("tasks", f"task {spec.retry_of!r}: {fault[1]}"))
            again = TaskSubmitted(
                namespace=command.namespace,
                job_id=command.job_id,
                task_id=spec.task_id,
                target=old.submitted.target,
                snapshot=old.submitted.snapshot,
                policy=policy,
                created_at=at,
                retry_of=spec.retry_of,
                alone=len(command.tasks) == 1,
            )
            new.append(again)
    return _answer(command, new, next(iter(refusals), None), claims, at)


def rejected(namespace: str, job_id: str, field: str, reason: str) -> Publish:
    """Return the refusal of a submission."""
    return _first(JobRejected(namespace=namespace, job_id=job_id, field=field, reason=reason))


def _first(answer: JobSubmitted | JobRejected) -> Publish:
    expect = Expect(subject=subjects.job_event(answer.namespace, answer.job_id), sequence=0)
    return Publish(message=answer, expect=expect)


def give_up(command: SubmitJob | RetryTasks, claims: Claims, reason: str, at: datetime) -> tuple[Effect, ...]:
    """Return what ends a submission that cannot be carried out: it may have been halfway through.

    Where nothing was said of it, it is refused. Otherwise the tasks that are there go on, and the others end.

    Args:
        command: the submission.
        claims: what is taken.
        reason: why it is given up.
        at: when.
    """
    job = claims.job
    if job.submitted is None:
        refused = rejected(command.namespace, command.job_id, "body", reason)
        return () if job.rejected else (refused,)
    if job.submitted.task_ids != tuple(spec.task_id for spec in command.tasks):
        return ()
    return tuple(
        Publish(
            message=TaskFinished(
                namespace=command.namespace,
                job_id=command.job_id,
                task_id=spec.task_id,
                module=spec.target.module if isinstance(spec, TaskSpec) else "",
                outcome="failed",
                error=TaskError(cause="dead-lettered", message=reason),
                created_at=job.submitted.created_at,
                completed_at=max(at, job.submitted.created_at),
            ),
            once=True,
        )
        for spec in command.tasks
        if spec.task_id not in claims.owners
    )


def _answer(
    command: SubmitJob | RetryTasks,
    tasks: Sequence[TaskSubmitted],
    refusal: Refusal | None,
    claims: Claims,
    at: datetime,
) -> tuple[Effect, ...]:
    ids = tuple(spec.task_id for spec in command.tasks)
    before = claims.job.submitted
    if claims.job.rejected or (before and before.task_ids != ids):
        return ()
    refusal = refusal or _taken(command.job_id, ids, claims.owners) or _full(len(ids), claims)
    if refusal and not before:
        return (rejected(command.namespace, command.job_id, *refusal),)
    job = JobSubmitted(
        namespace=command.namespace,
        job_id=command.job_id,
        task_ids=ids,
        created_at=at,
        concurrency=command.concurrency if isinstance(command, SubmitJob) else None,
        max_cost_usd=command.max_cost_usd if isinstance(command, SubmitJob) else None,
        concurrency_key=command.concurrency_key if isinstance(command, SubmitJob) else None,
    )
    opening = Publish(message=job, once=True) if before else _first(job)
    return (opening, *(Publish(message=task, once=True) for task in tasks))


def _entries(command: SubmitJob, tasks: Sequence[TaskSubmitted]) -> Iterator[Publish]:
    """Yield what the tasks are found by later; whoever acts on it at once needs the task to be there."""
    if not command.join:
        # Whoever joins has claimed the content before, or has left it to another.
        yield from (Publish(message=joining.claim(task)) for task in tasks)
    for task in tasks:
        if task.project:
            taken = ModuleTaken(
                namespace=task.namespace,
                module=joining.module(task.project, task.target.path),
                task_id=task.task_id,
                supersede=command.supersede,
            )
            yield Publish(message=taken, once=True, behind=command.supersede)
    for task in tasks:
        if task.joined_to:
            yield Publish(message=joining.joining(task, task.joined_to), once=True, behind=True)


def _full(count: int, claims: Claims) -> Refusal | None:
    most = claims.limits.tasks if claims.limits else None
    if most is None or claims.open_tasks + count <= most:
        return None
    return "tasks", f"{count} more would be too many: {claims.open_tasks} of at most {most} tasks have not ended"


def _taken(job_id: str, task_ids: Iterable[str], owners: Mapping[str, str]) -> Refusal | None:
    seen: set[str] = set()
    for index, task_id in enumerate(task_ids):
        if task_id in seen:
            return f"tasks[{index}].task_id", f"{task_id!r} is given twice"
        if owners.get(task_id, job_id) != job_id:
            return f"tasks[{index}].task_id", f"{task_id!r} is a task of {owners[task_id]!r} already"
        seen.add(task_id)
    return None
