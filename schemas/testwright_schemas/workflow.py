"""Workflow: a run of stages that react to each other's events."""

from typing import Literal

from testwright_schemas._base import Id, Message, Seconds, Time, Token


class WorkflowEvent(Message, frozen=True, kw_only=True):
    """What every event of a workflow run carries."""

    namespace: Token
    run_id: Id


class WorkflowStarted(WorkflowEvent, frozen=True, kw_only=True):
    """A run began with these stages."""

    stages: tuple[str, ...]
    started_at: Time


class StageStarted(WorkflowEvent, frozen=True, kw_only=True):
    """A stage began."""

    stage: Token
    started_at: Time


class StageFinished(WorkflowEvent, frozen=True, kw_only=True):
    """A stage ended; ``task_ids`` are the tasks it submitted."""

    stage: Token
    outcome: Literal["completed", "failed", "skipped"]
    message: str = ""
    task_ids: tuple[Id, ...] = ()
    wall_s: Seconds = 0.0


class WorkflowFinished(WorkflowEvent, frozen=True, kw_only=True):
    """The run ended."""

    outcome: Literal["completed", "failed", "cancelled"]
    wall_s: Seconds = 0.0
    completed_at: Time


WorkflowMessage = WorkflowStarted | StageStarted | StageFinished | WorkflowFinished
