"""Drives a run: follows its events, asks the core what is to be done, does it, tells how it ended.

One process at a time drives a run. Whoever takes it over claims it, reads what has happened up to its own claim, and
goes on from there. What a driver says of a stage is said on condition that the last claim is its own: the server
refuses the others, who stop.
"""

import secrets
from collections.abc import Callable
from pathlib import Path

import anyio
import msgspec
from anyio.abc import TaskGroup, TaskStatus

from testwright.actor import SupersededError
from testwright.background import beside
from testwright.bus import Bus, Stored
from testwright.errors import BusError, ConflictError, RunNotFoundError
from testwright.voice import Voice
from testwright.watching import last_readable, read
from testwright.workflow import core
from testwright.workflow.stages import Place, Report, Tools, Work, perform
from testwright_schemas import (
    CollectSuites,
    Expect,
    Publish,
    RunWorkflow,
    StageFinished,
    StageStarted,
    WorkflowClaimed,
    WorkflowFinished,
    WorkflowStarted,
    envelope,
    subjects,
)

FOLLOWED = envelope.Decoder[core.Followed](core.Followed)
"""Decodes whatever a run follows."""

_STARTS = envelope.Decoder[WorkflowStarted](WorkflowStarted)
_ENDS = envelope.Decoder[WorkflowFinished](WorkflowFinished)

Heard = Callable[[core.Followed], None]
"""Told each event of the run as it comes, from its beginning."""


async def begin(bus: Bus, tools: Tools, command: RunWorkflow) -> None:
    """Tell that a run has begun, if that has not been told."""
    started = WorkflowStarted(
        namespace=command.namespace,
        run_id=command.run_id,
        plan=command.plan,
        root=command.root,
        started_at=tools.clock(),
    )
    await Voice(bus, "workflow", tools.clock).say(Publish(message=started, once=True), {})


async def drive(bus: Bus, tools: Tools, namespace: str, run_id: str, heard: Heard | None = None) -> WorkflowFinished:
    """Drive a run that has begun to its end, and return that.

    Raises:
        RunNotFoundError: it has never begun.
        SupersededError: another process drives it from now on.
    """
    begun = await last_readable(bus, subjects.workflow_event(namespace, run_id, "started"), _STARTS)
    if begun is None:
        raise RunNotFoundError(run_id)
    if found := await last_readable(bus, subjects.workflow_event(namespace, run_id, "finished"), _ENDS):
        return found[1]
    return await _Driver(bus, tools, begun[1], heard).drive()


class _Driver:
    def __init__(self, bus: Bus, tools: Tools, started: WorkflowStarted, heard: Heard | None) -> None:
        self._bus = bus
        self._tools = tools
        self._voice = Voice(bus, "workflow", tools.clock)
        self._started = started
        self._place = Place(bus, started.namespace, started.run_id, Path(started.root))
        self._heard = heard
        self._claimed = 0
        self._claim = WorkflowClaimed(
            namespace=started.namespace,
            run_id=started.run_id,
            claim_id=f"claim-{secrets.token_hex(8)}",
            worker=tools.worker,
        )
        self._run = core.Run()
        self._busy: dict[str, anyio.CancelScope] = {}
        self._stages: TaskGroup
        jobs = core.followed_jobs(started.namespace, started.run_id, started.plan).values()
        self._job_ends = {job: anyio.Event() for job in jobs}

    async def drive(self) -> WorkflowFinished:
        async with self._bus.feed(subjects.EVENTS, self._filters(), after=0) as feed, beside(self._host):
            await self._make_claim()
            async for stored in feed:
                self._note(stored)
                if self._run.finished:
                    return self._run.finished
                if stored.sequence >= self._claimed:
                    for decision in core.decide(self._run, self._busy, stored.time):
                        await self._act(decision)
        raise BusError("the feed of the run's events has ended")

    async def _host(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Run stages beside the feed until cancelled."""
        async with anyio.create_task_group() as self._stages:
            task_status.started()
            await anyio.sleep_forever()

    def _filters(self) -> list[str]:
        namespace = self._started.namespace
        kinds = ("finished", "rejected")
        ends = [subjects.job_event(namespace, job, kind) for job in self._job_ends for kind in kinds]
        return [subjects.workflow_event(namespace, self._started.run_id), *ends]

    async def _make_claim(self) -> None:
        receipt = await self._voice.say(Publish(message=self._claim), {})
        self._claimed = receipt.sequence if receipt else 0

    async def _say(self, event: StageStarted | StageFinished) -> None:
        fence = Expect(subject=subjects.event(self._claim), sequence=self._claimed)
        try:
            await self._voice.say(Publish(message=event, expect=fence), {})
        except ConflictError as error:
            raise SupersededError from error

    def _note(self, stored: Stored) -> None:
        event = read(stored, FOLLOWED)
        if event is None:
            return
        if isinstance(event, WorkflowClaimed) and stored.sequence > self._claimed:
            raise SupersededError
        self._run = core.evolve(self._run, event, stored.time)
        if isinstance(event, StageFinished):
            self._busy.pop(event.stage, None)
        for job in self._run.jobs:
            self._job_ends[job].set()
        if self._heard:
            self._heard(event)

    async def _act(self, decision: core.Decision) -> None:
        match decision:
            case core.Begin():
                self._busy[decision.stage.name] = anyio.CancelScope()
                self._stages.start_soon(self._stage, decision)
            case core.Abort():
                self._busy[decision.stage].cancel()
            case Publish(message=StageFinished() as event):
                self._busy[event.stage] = anyio.CancelScope()
                await self._say(event)
            case Publish():
                await self._voice.say(decision, {})

    async def _stage(self, begin: core.Begin) -> None:
        spec, names = begin.stage, {"namespace": self._started.namespace, "run_id": self._started.run_id}
        started_at = self._tools.clock()
        started = StageStarted(
            **names, stage=spec.name, attempt=begin.attempt, claim_id=self._claim.claim_id, started_at=started_at
        )
        basis = self._run.ended.get(core.leans_on(spec) or "")
        begun = self._run.begun.get(spec.name, started_at)
        report = Report(outcome="cancelled", message="ended before it was done")
        with self._busy[spec.name]:
            await self._say(started)
            report = await perform(self._place, self._tools, Work(spec, basis, begun), self._job_end)
        collected = basis.job_id if basis and isinstance(spec.work, CollectSuites) else None
        job = self._run.jobs.get(collected or "")
        times = {
            "started_at": started_at,
            "completed_at": self._tools.clock(),
            "ready_at": job.at if job else None,
        }
        told = {"type": "stage-finished", "stage": spec.name, **names, **times, **msgspec.to_builtins(report)}
        end = msgspec.convert(told, StageFinished)
        await self._say(end)

    async def _job_end(self, job: str) -> core.JobEnd:
        # Waiting gives way even where there is nothing to wait for, and the time for it may be over already.
        if job not in self._run.jobs:
            await self._job_ends[job].wait()
        return self._run.jobs[job]
