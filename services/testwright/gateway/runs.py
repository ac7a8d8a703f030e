"""What the gateway shows of a workflow run: one row with its stages, folded from the run's events. Pure."""

from datetime import datetime

from msgspec.structs import replace

from testwright_schemas import (
    CollectSuites,
    Record,
    StageFinished,
    StageSpec,
    StageStarted,
    WorkflowCancelRequested,
    WorkflowClaimed,
    WorkflowFinished,
    WorkflowMessage,
    WorkflowStarted,
    kebab,
)


class StageRow(Record, frozen=True, kw_only=True):
    """A stage of a run; ``state`` is ``waiting``, ``running`` or its outcome.

    ``collects`` names the stage whose job it waits for; ``ready_at`` is when that job had ended.
    """

    name: str
    kind: str
    needs: tuple[str, ...] = ()
    optional: bool = False
    collects: str | None = None
    state: str = "waiting"
    message: str = ""
    started_at: datetime | None = None
    ready_at: datetime | None = None
    completed_at: datetime | None = None
    job: str | None = None
    tasks: tuple[str, ...] = ()


class RunRow(Record, frozen=True, kw_only=True):
    """A workflow run; ``state`` is ``running``, ``cancelling`` or its outcome. The critical path comes with the end."""

    id: str
    namespace: str
    name: str
    state: str = "running"
    message: str = ""
    worker: str = ""
    stages: tuple[StageRow, ...] = ()
    critical_path: tuple[str, ...] = ()
    savings_ms: float | None = None
    started_at: datetime
    completed_at: datetime | None = None
    sequence: int


def evolve(row: RunRow | None, sequence: int, event: WorkflowMessage) -> RunRow | None:
    """Return the row after an event; ``None`` as long as the plan is unknown."""
    if isinstance(event, WorkflowStarted):
        return row or _started(sequence, event)
    if row is None:
        return None
    return replace(_advanced(row, event), sequence=sequence)


def _started(sequence: int, event: WorkflowStarted) -> RunRow:
    return RunRow(
        id=event.run_id,
        namespace=event.namespace,
        name=event.plan.name,
        stages=tuple(map(_stage, event.plan.stages)),
        started_at=event.started_at,
        sequence=sequence,
    )


def _stage(spec: StageSpec) -> StageRow:
    return StageRow(
        name=spec.name,
        kind=kebab(type(spec.work).__name__),
        needs=spec.needs,
        optional=spec.optional,
        collects=spec.work.stage if isinstance(spec.work, CollectSuites) else None,
    )


def _advanced(row: RunRow, event: WorkflowMessage) -> RunRow:
    match event:
        case WorkflowClaimed():
            return replace(row, worker=event.worker)
        case WorkflowCancelRequested():
            return row if row.completed_at else replace(row, state="cancelling", message=event.reason)
        case StageStarted():
            return _with(row, event.stage, state="running", started_at=event.started_at)
        case StageFinished():
            return _with(
                row,
                event.stage,
                state=event.outcome,
                message=event.message,
                started_at=event.started_at,
                ready_at=event.ready_at,
                completed_at=event.completed_at,
                job=event.job_id,
                tasks=event.task_ids,
            )
        case WorkflowFinished():
            return replace(
                row,
                state=event.outcome,
                message=event.message,
                critical_path=event.timing.critical_path,
                savings_ms=event.timing.parallel_execution_savings_ms,
                completed_at=event.completed_at,
            )
        case WorkflowStarted():
            return row


def _with(row: RunRow, name: str, **changes: object) -> RunRow:
    stages = tuple(replace(stage, **changes) if stage.name == name else stage for stage in row.stages)
    return replace(row, stages=stages)
