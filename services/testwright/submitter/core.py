"""What a command leads to, as functions from the command and what is known to effects.

A submission is either accepted (its job first, then its tasks, each said once) or rejected with the field and the
reason; nothing in between. A retry is a new task that names the one it repeats: the old one keeps its result.
"""

from collections.abc import Collection, Mapping

from testwright.history import JobHistory, TaskHistory
from testwright_schemas import (
    CancelTasks,
    Effect,
    JobRejected,
    JobSubmitted,
    Publish,
    RetryTasks,
    SubmitJob,
    TaskCancelRequested,
    TaskSubmitted,
)


def submit(command: SubmitJob, engines: Collection[str]) -> tuple[Effect, ...]:
    """Return the events of a submission.

    Args:
        command: the submission.
        engines: names of the engines that this bus has queues for.
    """
    refused = _refusal(command, engines)
    if refused:
        return (rejected(command.namespace, command.job_id, *refused),)
    job = JobSubmitted(
        namespace=command.namespace,
        job_id=command.job_id,
        task_ids=tuple(spec.task_id for spec in command.tasks),
        created_at=command.submitted_at,
    )
    tasks = (
        TaskSubmitted(
            namespace=command.namespace,
            job_id=command.job_id,
            task_id=spec.task_id,
            target=spec.target,
            snapshot=command.snapshot,
            policy=command.policy,
            created_at=command.submitted_at,
        )
        for spec in command.tasks
    )
    return (Publish(message=job, once=True), *(Publish(message=task, once=True) for task in tasks))


def cancel(
    command: CancelTasks, jobs: Mapping[str, JobHistory], tasks: Mapping[str, TaskHistory]
) -> tuple[Effect, ...]:
    """Return the cancel requests for the named tasks and for all tasks of the named jobs that have not ended.

    Args:
        command: the command.
        jobs: history of each job it names.
        tasks: history of each task it names or that belongs to such a job.
    """
    wanted = dict.fromkeys(command.task_ids)
    for job in jobs.values():
        wanted.update(dict.fromkeys(job.submitted.task_ids if job.submitted else ()))
    effects: list[Effect] = []
    for task_id in wanted:
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


def retry(command: RetryTasks, tasks: Mapping[str, TaskHistory]) -> tuple[Effect, ...]:
    """Return the events of a job that does finished tasks again.

    Args:
        command: the command.
        tasks: history of each task to be repeated.
    """
    new: list[Effect] = []
    for spec in command.tasks:
        old = tasks.get(spec.retry_of, TaskHistory())
        if old.submitted is None:
            return (rejected(command.namespace, command.job_id, "tasks", f"there is no task {spec.retry_of!r}"),)
        if old.finished is None:
            reason = f"task {spec.retry_of!r} has not ended: cancel it first"
            return (rejected(command.namespace, command.job_id, "tasks", reason),)
        again = TaskSubmitted(
            namespace=command.namespace,
            job_id=command.job_id,
            task_id=spec.task_id,
            target=old.submitted.target,
            snapshot=old.submitted.snapshot,
            policy=old.submitted.policy,
            created_at=command.submitted_at,
            retry_of=spec.retry_of,
        )
        new.append(Publish(message=again, once=True))
    job = JobSubmitted(
        namespace=command.namespace,
        job_id=command.job_id,
        task_ids=tuple(spec.task_id for spec in command.tasks),
        created_at=command.submitted_at,
    )
    return (Publish(message=job, once=True), *new)


def rejected(namespace: str, job_id: str, field: str, reason: str) -> Publish:
    """Return the refusal of a submission."""
    return Publish(message=JobRejected(namespace=namespace, job_id=job_id, field=field, reason=reason), once=True)


def _refusal(command: SubmitJob, engines: Collection[str]) -> tuple[str, str] | None:
    for index, engine in enumerate(command.policy.engines):
        if engine not in engines:
            return f"policy.engines[{index}]", f"no engine {engine!r} here: there are {', '.join(sorted(engines))}"
    seen: set[str] = set()
    for index, spec in enumerate(command.tasks):
        if spec.task_id in seen:
            return f"tasks[{index}].task_id", f"{spec.task_id!r} is given twice"
        seen.add(spec.task_id)
    return None
