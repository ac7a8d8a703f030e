"""What stages do, one function for each kind of work; each returns how it ended and never raises what it can tell."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from inspect import isawaitable
from pathlib import Path

import anyio
from anyio.to_thread import run_sync
from msgspec.structs import replace

from testwright.bus import Bus
from testwright.client import Client
from testwright.errors import BusClosedError, TestwrightError
from testwright.pacing import Backoff
from testwright.snapshots.bundle import bundle
from testwright.submission import Job, TaskRef
from testwright.voice import Archive, Clock, Voice
from testwright.workflow import process
from testwright.workflow.collecting import Collector, Judge
from testwright.workflow.core import JobEnd, job_id, task_id
from testwright_schemas import (
    Artifact,
    CallFunction,
    CancelTasks,
    CollectSuites,
    ModuleResult,
    Publish,
    Record,
    RunCommand,
    StageFinished,
    StageOutcome,
    StageSpec,
    SubmitModules,
    subjects,
)

TAIL = 4000
"""Characters of a program's output that travel with the end of its stage."""

Function = Callable[[], object]
"""What a stage may call: plain functions in a thread, coroutine functions on the event loop."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What driving a run takes.

    Attributes:
        clock: time of day.
        worker: name of this process.
        judge: holds suites against files that have changed.
        functions: what stages call, by the name of the stage.
    """

    clock: Clock
    worker: str
    judge: Judge
    functions: Mapping[str, Function]


class Report(Record, frozen=True, kw_only=True):
    """How the work of a stage ended: fields as in ``StageFinished``."""

    outcome: StageOutcome
    message: str = ""
    exit_code: int | None = None
    tries: int = 0
    output: str = ""
    log: Artifact | None = None
    job_id: str | None = None
    task_ids: tuple[str, ...] = ()
    modules: tuple[ModuleResult, ...] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """Where the stages of a run work: its connection, names and folder."""

    bus: Bus
    namespace: str
    run_id: str
    root: Path


Wait = Callable[[str], Awaitable[JobEnd]]
"""Returns the end of a job, now or when it comes."""


async def perform(place: Place, tools: Tools, spec: StageSpec, submission: StageFinished | None, wait: Wait) -> Report:
    """Do the work of a stage.

    Args:
        place: where.
        tools: with what.
        spec: the stage.
        submission: the end of the stage that a collecting one collects.
        wait: for the end of a job.
    """
    try:
        match spec.work:
            case RunCommand():
                return await command(place, spec.work)
            case SubmitModules():
                return await submit(place, tools, spec.name, spec.work)
            case CollectSuites() if submission is not None:
                return await collect(place, tools, spec.work, submission, wait)
            case CallFunction():
                return await call(tools.functions.get(spec.name), spec.work)
            case _:
                return Report(outcome="failed", message="there is nothing to do for it")
    except BusClosedError:
        raise
    except TestwrightError as error:
        return Report(outcome="failed", message=str(error))


async def command(place: Place, work: RunCommand) -> Report:
    """Run a program, again after a pause where it failed and may be retried."""
    pace, tries = Backoff(base_s=0.5), 0
    while True:
        tries += 1
        ended = await process.run(work.argv, place.root, work.timeout_s)
        if ended.exit_code == 0 or ended.exit_code in work.skip_codes or tries > work.retries:
            break
        await pace.pause()
    outcome, message = _judged(work, ended)
    digest = await place.bus.put(subjects.ARTIFACTS, ended.output) if ended.output else None
    return Report(
        outcome=outcome,
        message=message,
        exit_code=ended.exit_code,
        tries=tries,
        output=ended.output.decode(errors="replace")[-TAIL:],
        log=Artifact(name="output.txt", digest=digest, size=len(ended.output)) if digest else None,
    )


def _judged(work: RunCommand, ended: process.Ended) -> tuple[StageOutcome, str]:
    """Return how a stage ended whose program has ended, and why."""
    if ended.exit_code == 0:
        return "completed", ""
    if ended.exit_code in work.skip_codes:
        return "skipped", f"there was nothing to do: {work.argv[0]} has ended with {ended.exit_code}"
    return "failed", ended.reason or f"{work.argv[0]} has ended with {ended.exit_code}"


async def submit(place: Place, tools: Tools, stage: str, work: SubmitModules) -> Report:
    """Submit modules; what an earlier process of this run has submitted is taken over."""
    job = job_id(place.namespace, place.run_id, stage)
    known = (await Archive(place.bus).job(place.namespace, job)).submitted
    if known:
        return Report(outcome="completed", job_id=job, task_ids=known.task_ids)
    bundled = await run_sync(bundle, [place.root / path for path in work.paths])
    ids = iter([*(task_id(job, target.path) for target in bundled.targets), job])
    client = Client(place.bus, namespace=place.namespace, clock=tools.clock, new_id=lambda _: next(ids))
    output = str(place.root / work.policy.output) if work.policy.output else None
    made = await client.submit_bundle(bundled, replace(work.policy, output=output))
    return Report(outcome="completed", message=_counted(made), job_id=job, task_ids=_ids(made.tasks))


async def collect(place: Place, tools: Tools, work: CollectSuites, submission: StageFinished, wait: Wait) -> Report:
    """Wait for a job, and deliver what still passes of the suites that are there in time."""
    job = submission.job_id or ""
    end: JobEnd | None = None
    with anyio.move_on_after(work.timeout_s):
        end = await wait(job)
    if end and end.refused:
        return Report(outcome="failed", message=end.refused, job_id=job)
    collector = Collector(place.bus, place.namespace, place.root, tools.judge)
    modules = await collector.collect(submission.task_ids)
    pending = tuple(result.task_id for result in modules if result.fate == "pending")
    if pending and work.cancel_pending:
        command_id = f"cancel-{job.removeprefix('job-')}"
        reason = f"not done within {work.timeout_s:g} s of the beginning of its collection"
        withdrawal = CancelTasks(namespace=place.namespace, command_id=command_id, task_ids=pending, reason=reason)
        await Voice(place.bus, "workflow", tools.clock).say(Publish(message=withdrawal), {})
    return Report(
        outcome=_outcome(modules),
        message=_fates(modules),
        job_id=job,
        task_ids=submission.task_ids,
        modules=modules,
    )


async def call(function: Function | None, work: CallFunction) -> Report:
    """Call a function; what it raises fails the stage, what it returns is its message."""
    if function is None:
        return Report(outcome="failed", message=f"{work.name} is not in this program: continue the run with its own")
    try:
        # A coroutine function only makes its coroutine in the thread; it runs here.
        result = await run_sync(function, abandon_on_cancel=True)
        if isawaitable(result):
            result = await result
    except Exception as error:  # noqa: BLE001  a user's function may raise anything, and the run must go on
        return Report(outcome="failed", message=f"{type(error).__name__}: {error}")
    return Report(outcome="completed", message="" if result is None else str(result)[:TAIL])


def _outcome(modules: tuple[ModuleResult, ...]) -> StageOutcome:
    delivered = sum(result.fate == "delivered" for result in modules)
    if delivered == len(modules):
        return "completed"
    return "partial" if any(result.files for result in modules) else "failed"


def _fates(modules: tuple[ModuleResult, ...]) -> str:
    fates = [result.fate for result in modules]
    return ", ".join(f"{fates.count(fate)} {fate}" for fate in dict.fromkeys(fates))


def _counted(job: Job) -> str:
    return f"{len(job.tasks)} module{'' if len(job.tasks) == 1 else 's'}"


def _ids(tasks: tuple[TaskRef, ...]) -> tuple[str, ...]:
    return tuple(task.id for task in tasks)
