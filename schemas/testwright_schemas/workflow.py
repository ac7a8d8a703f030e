"""Workflow: a run of stages that react to each other's events; what travels of it."""

from typing import Annotated, Literal

import msgspec

from testwright_schemas._base import Count, Id, Message, Record, Seconds, Time, Token, kebab
from testwright_schemas.policy import Policy
from testwright_schemas.suite import Artifact

StageOutcome = Literal["completed", "partial", "failed", "skipped", "cancelled"]
"""``partial``: some modules have their tests, others have not. ``skipped``: there was nothing to do, which is no
success. ``cancelled``: it was ended, or never begun, because of what happened elsewhere in the run."""

RunOutcome = Literal["completed", "failed", "cancelled"]

ModuleFate = Literal["delivered", "stale", "failed", "cancelled", "pending"]
"""``stale``: verified when it was written, but not all of its tests pass on the files as they are now."""


class StageWork(Record, frozen=True, kw_only=True, tag=kebab, tag_field="kind"):
    """What a stage does."""


class RunCommand(StageWork, frozen=True, kw_only=True):
    """Run a program in the run's folder, with the rights of whoever drives the run.

    Attributes:
        argv: program and arguments; no shell.
        timeout_s: seconds that one try may take.
        retries: further tries after a failed one.
        skip_codes: exit codes that mean that there was nothing to do.
        repeatable: whether it may run again when its run is continued by another process; otherwise it has failed.
        sandboxed: whether it runs without network and credentials, and can write nothing but the run's folder.
        suites_of: collecting stage; what that has committed on a branch lies over a copy of the run's folder, in which
            the program runs. Without a commit, it runs in the folder itself.
    """

    argv: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]
    timeout_s: Annotated[float, msgspec.Meta(gt=0)] = 3600.0
    retries: Annotated[int, msgspec.Meta(ge=0, le=20)] = 0
    skip_codes: tuple[int, ...] = ()
    repeatable: bool = True
    sandboxed: bool = False
    suites_of: Token | None = None


class SubmitModules(StageWork, frozen=True, kw_only=True):
    """Submit modules (files, or folders, relative to the run's folder) and be done; the work goes on elsewhere."""

    paths: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]
    policy: Policy = Policy()


class CollectSuites(StageWork, frozen=True, kw_only=True):
    """Wait for the end of the job that a stage submitted, and deliver what still passes.

    Attributes:
        stage: the one that submitted.
        timeout_s: seconds to wait from the first beginning of this stage, whichever process it was.
        cancel_pending: whether tasks that have not ended by then are cancelled; otherwise they go on.
        branch: of git, that the suites are committed on; ``None`` for the working tree.
    """

    stage: Token
    timeout_s: Annotated[float, msgspec.Meta(gt=0)] = 3600.0
    cancel_pending: bool = True
    branch: Annotated[str, msgspec.Meta(min_length=1, max_length=255)] | None = None


class CallFunction(StageWork, frozen=True, kw_only=True):
    """Call a function of the program that drives the run; ``name`` is for people."""

    name: str


class NoWork(StageWork, frozen=True, kw_only=True):
    """Nothing: the stage is skipped, for this reason."""

    reason: str = "nothing is configured for it"


class StageSpec(Record, frozen=True, kw_only=True):
    """One stage of a plan.

    Attributes:
        name: unique in the plan.
        work: what it does.
        needs: stages that must have ended well before it begins.
        optional: whether the run, and stages that need this one, go on if it fails.
    """

    name: Token
    work: RunCommand | SubmitModules | CollectSuites | CallFunction | NoWork
    needs: tuple[Token, ...] = ()
    optional: bool = False


class Plan(Record, frozen=True, kw_only=True):
    """The definition of a workflow.

    ``on_failure`` says what a failed stage means for those beside it: ``finish`` lets them go on, ``cancel`` ends them.
    """

    stages: Annotated[tuple[StageSpec, ...], msgspec.Meta(min_length=1, max_length=200)]
    name: str = "workflow"
    on_failure: Literal["finish", "cancel"] = "finish"


class RunWorkflow(Message, frozen=True, kw_only=True):
    """Run a plan in a folder of the machine where workflows are run. The run's id is the idempotency key."""

    namespace: Token
    run_id: Id
    plan: Plan
    root: str
    submitted_at: Time


class CancelWorkflow(Message, frozen=True, kw_only=True):
    """End a run, and what it has submitted and not collected."""

    namespace: Token
    run_id: Id
    command_id: Id
    reason: str = ""


WorkflowCommand = RunWorkflow | CancelWorkflow


class WorkflowEvent(Message, frozen=True, kw_only=True):
    """What every event of a workflow run carries."""

    namespace: Token
    run_id: Id


class StageEvent(WorkflowEvent, frozen=True, kw_only=True):
    """What every event of a stage carries."""

    stage: Token


class WorkflowStarted(WorkflowEvent, frozen=True, kw_only=True):
    """A run began."""

    plan: Plan
    root: str
    started_at: Time


class WorkflowClaimed(WorkflowEvent, frozen=True, kw_only=True):
    """A process drives the run from here on; whoever drove it before stops when it sees this."""

    claim_id: Id
    worker: str


class WorkflowCancelRequested(WorkflowEvent, frozen=True, kw_only=True):
    """Someone asked for the end of a run."""

    command_id: Id
    reason: str = ""


class StageStarted(StageEvent, frozen=True, kw_only=True):
    """A stage began; ``attempt`` counts the processes that began it, ``claim_id`` is the claim of this one."""

    attempt: Annotated[int, msgspec.Meta(ge=1)] = 1
    claim_id: Id
    started_at: Time


class ModuleResult(Record, frozen=True, kw_only=True):
    """What became of one module in a collecting stage; ``files`` are relative to the run's folder where they can be."""

    task_id: Id
    module: str
    fate: ModuleFate
    message: str = ""
    files: tuple[str, ...] = ()
    threshold_met: bool = False
    line: float | None = None


class StageFinished(StageEvent, frozen=True, kw_only=True):
    """The one end of a stage, and why in one line.

    ``started_at`` is ``None`` where it never began; ``ready_at`` is when that which a collecting stage waited for was
    there. Of a program there are the exit code of its last try, the number of tries, the end of what the last one
    printed in ``output`` and all of it in ``log``; of generated tests the job, its tasks, what became of each, and the
    commit that has them where they went on a branch.
    """

    outcome: StageOutcome
    message: str = ""
    started_at: Time | None = None
    completed_at: Time
    ready_at: Time | None = None
    exit_code: int | None = None
    tries: Count = 0
    output: str = ""
    log: Artifact | None = None
    job_id: Id | None = None
    task_ids: tuple[Id, ...] = ()
    modules: tuple[ModuleResult, ...] = ()
    commit: str | None = None


class Timing(Record, frozen=True, kw_only=True):
    """How long a run took, and why.

    Attributes:
        wall_s: from its beginning to its end.
        sequential_s: sum of what the stages took; a submitted job counts from its submission to its end, collecting it
            from then on.
        parallel_execution_savings_ms: what running stages side by side has saved, by these figures.
        critical_path: the chain of stages that took longest.
        critical_path_s: how long that took.
    """

    wall_s: Seconds = 0.0
    sequential_s: Seconds = 0.0
    parallel_execution_savings_ms: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    critical_path: tuple[Token, ...] = ()
    critical_path_s: Seconds = 0.0


class WorkflowFinished(WorkflowEvent, frozen=True, kw_only=True):
    """The one end of a run; ``withdrawn`` are jobs whose end was asked for because nobody will collect them."""

    outcome: RunOutcome
    message: str = ""
    timing: Timing = Timing()
    withdrawn: tuple[Id, ...] = ()
    completed_at: Time


WorkflowMessage = (
    WorkflowStarted | WorkflowClaimed | WorkflowCancelRequested | StageStarted | StageFinished | WorkflowFinished
)
