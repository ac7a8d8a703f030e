"""Runs as their users see them: started, taken over, looked at, cancelled, and what is known when they have ended."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from testwright import clock
from testwright.background import beside
from testwright.bus import Bus
from testwright.client import Client
from testwright.errors import RunNotFoundError
from testwright.voice import Voice
from testwright.watching import read
from testwright.workflow import core
from testwright.workflow.actor import canceller
from testwright.workflow.driver import FOLLOWED, Heard, begin, drive
from testwright.workflow.stages import Tools
from testwright_schemas import (
    CancelWorkflow,
    CollectSuites,
    Plan,
    Publish,
    RunWorkflow,
    StageFinished,
    StageSpec,
    SubmitModules,
    WorkflowFinished,
    subjects,
)


@dataclass(frozen=True, slots=True)
class RunResult:
    """What is known of a run that has ended.

    Attributes:
        run_id: of the run.
        end: how it ended, with its timing.
        stages: the end of each stage, in the order of the plan.
        openhands_task_ids: the tasks that were submitted.
        tasks: what became of each of them: the fate of its module where it was collected; ``cancelled`` where its end
            was asked for, because time was up or the run has not ended well; ``left running`` where the plan wants
            that; else ``not collected``.
    """

    run_id: str
    end: WorkflowFinished
    stages: Mapping[str, StageFinished] = field(default_factory=dict[str, StageFinished])
    openhands_task_ids: tuple[str, ...] = ()
    tasks: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def success(self) -> bool:
        """Whether the run has completed; stages without work are skipped and count for nothing."""
        return self.end.outcome == "completed"

    @property
    def stage_results(self) -> dict[str, dict[str, Any]]:
        """The end of each stage as JSON has it."""
        return {name: msgspec.json.decode(msgspec.json.encode(stage)) for name, stage in self.stages.items()}

    @property
    def parallel_execution_savings_ms(self) -> float:
        """See ``testwright_schemas.Timing``."""
        return self.end.timing.parallel_execution_savings_ms


def order(client: Client, plan: Plan, root: Path, run_id: str) -> RunWorkflow:
    """Return the command that runs a checked plan in a folder."""
    return RunWorkflow(
        namespace=client.namespace,
        run_id=run_id,
        plan=plan,
        root=str(root),
        submitted_at=clock.now(),
    )


async def start(client: Client, tools: Tools, command: RunWorkflow, heard: Heard | None = None) -> RunResult:
    """Begin a run and drive it to its end in this process.

    Raises:
        SupersededError: another process drives it from now on.
        BusError: the server cannot be reached any more; ``go_on`` continues the run.
    """
    await begin(client.bus, tools, command)
    return await go_on(client, tools, command.run_id, heard)


async def go_on(client: Client, tools: Tools, run_id: str, heard: Heard | None = None) -> RunResult:
    """Drive a run that has begun to its end in this process; whoever drove it stops.

    Raises:
        RunNotFoundError: it has never begun.
        SupersededError: another process drives it from now on.
    """
    async with beside(canceller(client.bus, tools).run):
        end = await drive(client.bus, tools, client.namespace, run_id, heard)
    return result(await known(client.bus, client.namespace, run_id), end)


async def ask_for(client: Client, command: RunWorkflow) -> None:
    """Have a workflow actor drive a run; returns when that is stored."""
    await Voice(client.bus, "client", clock.now).say(Publish(message=command), {})


async def cancel(client: Client, run_id: str, reason: str = "") -> None:
    """Ask for the end of a run; returns when that is stored.

    Raises:
        RunNotFoundError: it has never begun.
    """
    await known(client.bus, client.namespace, run_id)
    command = CancelWorkflow(
        namespace=client.namespace, run_id=run_id, command_id=clock.new_id("cancel"), reason=reason
    )
    await Voice(client.bus, "client", clock.now).say(Publish(message=command), {})


async def known(bus: Bus, namespace: str, run_id: str) -> core.Run:
    """Return what is known of a run.

    Raises:
        RunNotFoundError: it has never begun, or its events have expired.
    """
    run = core.Run()
    async for stored in bus.last_per_subject(subjects.EVENTS, [subjects.workflow_event(namespace, run_id)]):
        if event := read(stored, FOLLOWED):
            run = core.evolve(run, event, stored.time)
    if run.started is None:
        raise RunNotFoundError(run_id)
    return run


def result(run: core.Run, end: WorkflowFinished) -> RunResult:
    """Return the result of a run that has ended."""
    specs = run.started.plan.stages if run.started else ()
    stages = {spec.name: run.ended[spec.name] for spec in specs if spec.name in run.ended}
    submitting = [spec.name for spec in specs if isinstance(spec.work, SubmitModules) and spec.name in stages]
    tasks = tuple(task for name in submitting for task in stages[name].task_ids)
    return RunResult(end.run_id, end, stages, tasks, fates(specs, stages, end))


def fates(specs: Sequence[StageSpec], stages: Mapping[str, StageFinished], end: WorkflowFinished) -> dict[str, str]:
    """Return what became of each task that a run has submitted; see ``RunResult``."""
    found: dict[str, str] = {}
    for spec in specs:
        stage = stages.get(spec.name)
        if stage is None:
            continue
        if isinstance(spec.work, SubmitModules):
            fate = "cancelled" if stage.job_id in end.withdrawn else "not collected"
            found |= {task: found.get(task, fate) for task in stage.task_ids}
        elif isinstance(spec.work, CollectSuites):
            pending = "cancelled" if spec.work.cancel_pending else "left running"
            found |= {one.task_id: pending if one.fate == "pending" else one.fate for one in stage.modules}
    return found
