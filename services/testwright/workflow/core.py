"""What becomes of a run, as functions from its events to what is to be done now.

The rules, in the order in which a run meets them:

1. A stage begins when every stage it needs has ended well, or is optional and has ended.
2. A stage whose needs can no longer end well is cancelled. One without work is skipped as soon as it could begin.
3. A failed stage leaves those beside it alone, or ends them, as the plan says. A cancel request ends all of them.
4. A stage that another process had begun begins again, unless its command may not be repeated: then it has failed.
5. When every stage has ended, so does the run. Unless it has ended well, what it has submitted and not collected is
   cancelled before.

All of this follows from the state alone: whoever has the same events does the same, and doing it twice changes nothing.
"""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import assert_never

from testwright.workflow.timing import timing
from testwright_schemas import (
    CancelTasks,
    CollectSuites,
    JobFinished,
    JobRejected,
    NoWork,
    Plan,
    Publish,
    RunCommand,
    StageFinished,
    StageOutcome,
    StageSpec,
    StageStarted,
    SubmitModules,
    WorkflowCancelRequested,
    WorkflowClaimed,
    WorkflowFinished,
    WorkflowMessage,
    WorkflowStarted,
)
from testwright_schemas.workflow import RunOutcome

Followed = WorkflowMessage | JobFinished | JobRejected
"""Events that a run follows."""


@dataclass(frozen=True, slots=True)
class JobEnd:
    """The end of a job: when, and why it was refused if it was."""

    at: datetime
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Run:
    """What is known of a run.

    Attributes:
        started: how it began.
        cancel_requested: set once someone asked for its end.
        attempts: how often each stage was begun.
        begun: when each stage was begun first.
        ended: the end of each stage that has one.
        jobs: the ends of jobs by id.
        finished: its end.
    """

    started: WorkflowStarted | None = None
    cancel_requested: WorkflowCancelRequested | None = None
    attempts: dict[str, int] = field(default_factory=dict[str, int])
    begun: dict[str, datetime] = field(default_factory=dict[str, datetime])
    ended: dict[str, StageFinished] = field(default_factory=dict[str, StageFinished])
    jobs: dict[str, JobEnd] = field(default_factory=dict[str, JobEnd])
    finished: WorkflowFinished | None = None


@dataclass(frozen=True, slots=True)
class Begin:
    """Begin a stage."""

    stage: StageSpec
    attempt: int


@dataclass(frozen=True, slots=True)
class Abort:
    """End a stage that is under way; its end is still to be told."""

    stage: str


Decision = Begin | Abort | Publish


def evolve(run: Run, event: Followed, at: datetime) -> Run:
    """Return a run with an event, which was stored at a time; the first of a kind counts."""
    match event:
        case WorkflowStarted():
            return replace(run, started=run.started or event)
        case WorkflowCancelRequested():
            return replace(run, cancel_requested=run.cancel_requested or event)
        case StageStarted():
            attempts = {**run.attempts, event.stage: max(event.attempt, run.attempts.get(event.stage, 0))}
            return replace(run, attempts=attempts, begun={event.stage: event.started_at, **run.begun})
        case StageFinished():
            return replace(run, ended={event.stage: event, **run.ended})
        case WorkflowFinished():
            return replace(run, finished=run.finished or event)
        case JobFinished() | JobRejected():
            return replace(run, jobs={event.job_id: _job_end(event, at), **run.jobs})
        case WorkflowClaimed():
            return run
        case _:
            assert_never(event)


def decide(run: Run, busy: Collection[str], at: datetime) -> tuple[Decision, ...]:
    """Return what is to be done.

    Args:
        run: what is known.
        busy: stages that are under way in this process, or whose end is being told.
        at: the time of the last event.
    """
    started = run.started
    if started is None or run.finished is not None:
        return ()
    if len(run.ended) == len(started.plan.stages):
        return _finish(run, started, at)
    halted = _halted(run, started.plan)
    decisions: list[Decision] = [Abort(name) for name in busy if name not in run.ended] if halted else []
    for spec in started.plan.stages:
        if spec.name not in run.ended and spec.name not in busy:
            decisions += _advance(run, started, spec, halted, at)
    return tuple(decisions)


def _job_end(event: JobFinished | JobRejected, at: datetime) -> JobEnd:
    if isinstance(event, JobRejected):
        return JobEnd(at, f"the submission was refused: {event.field}: {event.reason}")
    return JobEnd(at)


def job_id(namespace: str, run_id: str, stage: str) -> str:
    """Return the id of the job that a stage submits: the same whoever submits it."""
    return f"job-{_digest(namespace, run_id, stage)}"


def task_id(job: str, path: str) -> str:
    """Return the id of a module's task in such a job."""
    return f"task-{_digest(job, path)}"


def followed_jobs(namespace: str, run_id: str, plan: Plan) -> dict[str, str]:
    """Return the jobs that the stages of a plan submit, by the name of the stage."""
    submitting = (spec.name for spec in plan.stages if isinstance(spec.work, SubmitModules))
    return {name: job_id(namespace, run_id, name) for name in submitting}


def leans_on(spec: StageSpec) -> str | None:
    """Return the stage whose end says what this one has to work with."""
    match spec.work:
        case CollectSuites(stage=stage):
            return stage
        case RunCommand(suites_of=stage):
            return stage
        case _:
            return None


def _digest(*parts: str) -> str:
    return hashlib.sha256("/".join(parts).encode()).hexdigest()[:26]


def _advance(run: Run, started: WorkflowStarted, spec: StageSpec, halted: str, at: datetime) -> tuple[Decision, ...]:
    blocked = halted or _blocked(run, started.plan, spec)
    if blocked:
        return (_conclude(started, spec, "cancelled", blocked, at),)
    if not all(need in run.ended for need in spec.needs):
        return ()
    if isinstance(spec.work, NoWork):
        return (_conclude(started, spec, "skipped", spec.work.reason, at),)
    attempt = run.attempts.get(spec.name, 0) + 1
    if attempt > 1 and isinstance(spec.work, RunCommand) and not spec.work.repeatable:
        message = "the process that drove the run ended meanwhile, and this command may not be repeated"
        return (_conclude(started, spec, "failed", message, at),)
    return (Begin(spec, attempt),)


def _halted(run: Run, plan: Plan) -> str:
    """Return why nothing may go on, empty if it may."""
    if run.cancel_requested:
        return run.cancel_requested.reason or "cancelled on request"
    failed = _failed(run, plan)
    return f"stage {failed[0]!r} has failed" if failed and plan.on_failure == "cancel" else ""


def _blocked(run: Run, plan: Plan, spec: StageSpec) -> str:
    """Return why a stage can never begin, empty if it can."""
    optional = {other.name for other in plan.stages if other.optional}
    collected = spec.work.stage if isinstance(spec.work, CollectSuites) else None
    for need in spec.needs:
        end = run.ended.get(need)
        if end and end.outcome in {"failed", "cancelled"} and need not in optional:
            return f"stage {need!r} has {'failed' if end.outcome == 'failed' else 'been cancelled'}"
        if end and need == collected and end.outcome != "completed":
            return f"stage {need!r} has submitted nothing"
    return ""


def _failed(run: Run, plan: Plan) -> list[str]:
    ended = run.ended
    return [
        spec.name
        for spec in plan.stages
        if not spec.optional and spec.name in ended and ended[spec.name].outcome == "failed"
    ]


def _conclude(started: WorkflowStarted, spec: StageSpec, outcome: StageOutcome, message: str, at: datetime) -> Publish:
    return Publish(
        message=StageFinished(
            namespace=started.namespace,
            run_id=started.run_id,
            stage=spec.name,
            outcome=outcome,
            message=message,
            completed_at=at,
        )
    )


def _finish(run: Run, started: WorkflowStarted, at: datetime) -> tuple[Decision, ...]:
    failed = _failed(run, started.plan)
    outcome: RunOutcome = "cancelled" if run.cancel_requested else "failed" if failed else "completed"
    abandoned = [] if outcome == "completed" else _abandoned(run, started)
    message = (run.cancel_requested.reason if run.cancel_requested else "") or _blamed(run, started.plan)
    end = WorkflowFinished(
        namespace=started.namespace,
        run_id=started.run_id,
        outcome=outcome,
        message=message,
        timing=timing(started.plan, run.ended, started.started_at, at),
        withdrawn=tuple(abandoned),
        completed_at=at,
    )
    withdrawals = (
        CancelTasks(
            namespace=started.namespace,
            command_id=f"cancel-{_digest(job)}",
            job_ids=(job,),
            reason=f"the run {started.run_id} has {outcome if outcome == 'failed' else 'been cancelled'}",
        )
        for job in abandoned
    )
    return (*(Publish(message=each) for each in withdrawals), Publish(message=end, once=True))


def _blamed(run: Run, plan: Plan) -> str:
    """Return the stages that have failed, whether the run depends on them or not."""
    failed = [spec for spec in plan.stages if spec.name in run.ended and run.ended[spec.name].outcome == "failed"]
    return ", ".join(f"{spec.name} (optional)" if spec.optional else spec.name for spec in failed)


def _abandoned(run: Run, started: WorkflowStarted) -> list[str]:
    """Return the jobs that go on although nobody will collect them."""
    jobs = followed_jobs(started.namespace, started.run_id, started.plan)
    # Of a stage that another process had begun nobody knows whether that one has submitted.
    begun = {stage for stage in jobs if stage in run.begun or run.ended[stage].started_at}
    return [job for stage, job in jobs.items() if stage in begun and job not in run.jobs and not _unsent(run, stage)]


def _unsent(run: Run, stage: str) -> bool:
    """Return whether a stage has failed before it submitted; one that was begun again may have done that before."""
    end = run.ended[stage]
    return end.outcome == "failed" and end.job_id is None and run.attempts.get(stage, 1) == 1
