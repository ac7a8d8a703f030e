"""What stages do, one function for each kind of work; each returns how it ended and never raises what it can tell."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from inspect import isawaitable, iscoroutinefunction
from pathlib import Path

import anyio
from anyio.to_thread import run_sync
from msgspec.structs import replace

from testwright.bus import Bus
from testwright.client import Client
from testwright.errors import BusClosedError, PublishTimeoutError, TestwrightError
from testwright.pacing import Backoff
from testwright.sandbox import Sandbox
from testwright.snapshots.bundle import bundle
from testwright.submission import Job, TaskRef
from testwright.voice import Archive, Clock, Voice
from testwright.workflow import process
from testwright.workflow.collecting import Collector, Judge
from testwright.workflow.core import JobEnd, job_id, task_id
from testwright.workflow.overlay import with_suites
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

LINE = 200
"""Characters of a program's last line that are told as its message."""

Function = Callable[[], object]
"""What a stage may call: plain functions in a thread, coroutine functions on the event loop."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What driving a run takes.

    Attributes:
        clock: time of day.
        worker: name of this process.
        judge: holds suites against files that have changed.
        sandbox: where commands run that ask for it.
        functions: what stages call, by the name of the stage.
    """

    clock: Clock
    worker: str
    judge: Judge
    sandbox: Sandbox
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
    commit: str | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where the stages of a run work: its connection, names and folder."""

    bus: Bus
    namespace: str
    run_id: str
    root: Path


Wait = Callable[[str], Awaitable[JobEnd]]
"""Returns the end of a job, now or when it comes."""


@dataclass(frozen=True, slots=True)
class Work:
    """A stage that is to be done.

    Attributes:
        spec: what it is.
        basis: the end of the stage that it collects from, or whose suites it works with.
        begun: when it was begun first, by whichever process.
    """

    spec: StageSpec
    basis: StageFinished | None
    begun: datetime


async def perform(place: Place, tools: Tools, work: Work, wait: Wait) -> Report:
    """Do the work of a stage.

    Args:
        place: where.
        tools: with what.
        work: the stage.
        wait: for the end of a job.
    """
    spec = work.spec
    try:
        match spec.work:
            case RunCommand():
                return await command(place, tools, spec.work, work.basis)
            case SubmitModules():
                return await submit(place, tools, spec.name, spec.work)
            case CollectSuites() if work.basis is not None:
                return await collect(place, tools, work, spec.work, wait)
            case CallFunction():
                return await call(tools.functions.get(spec.name), spec.work)
            case _:
                return Report(outcome="failed", message="there is nothing to do for it")
    except BusClosedError:
        raise
    except TestwrightError as error:
        return Report(outcome="failed", message=str(error))


async def command(place: Place, tools: Tools, work: RunCommand, basis: StageFinished | None) -> Report:
    """Run a program, again after a pause where it failed and may be retried."""
    pace, tries = Backoff(base_s=0.5), 0
    argv = (process.program(work.argv[0], place.root), *work.argv[1:])
    async with _folder(place, basis) as folder:
        while True:
            tries += 1
            if work.sandboxed:
                ended = await process.run_sandboxed(tools.sandbox, argv, folder, work.timeout_s)
            else:
                ended = await process.run(argv, folder, work.timeout_s)
            if ended.exit_code == 0 or ended.exit_code in work.skip_codes or tries > work.retries:
                break
            await pace.pause()
    outcome, message = _judged(work, ended)
    digest = await place.bus.put(subjects.ARTIFACTS, place.namespace, ended.output) if ended.output else None
    return Report(
        outcome=outcome,
        message=message,
        exit_code=ended.exit_code,
        tries=tries,
        output=ended.output.decode(errors="replace")[-TAIL:],
        log=Artifact(name="output.txt", digest=digest, size=len(ended.output)) if digest else None,
    )


@asynccontextmanager
async def _folder(place: Place, basis: StageFinished | None) -> AsyncGenerator[Path]:
    """Yield the run's folder, or a copy of it with the suites that are on a branch."""
    if basis is None or basis.commit is None:
        yield place.root
        return
    names = [name for module in basis.modules for name in module.files]
    async with with_suites(place.root, basis.commit, names) as copy:
        yield copy


def _judged(work: RunCommand, ended: process.Ended) -> tuple[StageOutcome, str]:
    """Return how a stage ended whose program has ended, and why: tools say what they found in their last line."""
    last = _last_line(ended.output)
    if ended.exit_code == 0:
        return "completed", last
    if ended.exit_code in work.skip_codes:
        return "skipped", f"there was nothing to do: {work.argv[0]} has ended with {ended.exit_code}"
    if ended.reason:
        return "failed", ended.reason
    reason = f"{work.argv[0]} has ended with {ended.exit_code}"
    return "failed", f"{reason}: {last}" if last else reason


def _last_line(output: bytes) -> str:
    lines = [line.strip(" =") for line in output.decode(errors="replace").splitlines()]
    return next((line for line in reversed(lines) if line), "")[:LINE]


async def submit(place: Place, tools: Tools, stage: str, work: SubmitModules) -> Report:
    """Submit modules; what an earlier process of this run has submitted is taken over.

    The report of a failure names the job if that may have been stored all the same.
    """
    job = job_id(place.namespace, place.run_id, stage)
    known = (await Archive(place.bus).job(place.namespace, job)).submitted
    if known:
        return Report(outcome="completed", job_id=job, task_ids=known.task_ids)
    bundled = await run_sync(bundle, [place.root / path for path in work.paths])
    ids = iter([*(task_id(job, target.path) for target in bundled.targets), job])
    client = Client(place.bus, namespace=place.namespace, clock=tools.clock, new_id=lambda _: next(ids))
    output = str(place.root / work.policy.output) if work.policy.output else None
    try:
        made = await client.submit_bundle(bundled, replace(work.policy, output=output))
    except PublishTimeoutError as error:
        return Report(outcome="failed", message=str(error), job_id=job)
    return Report(outcome="completed", message=_counted(made), job_id=job, task_ids=_ids(made.tasks))


async def collect(place: Place, tools: Tools, work: Work, how: CollectSuites, wait: Wait) -> Report:
    """Wait for a job, and deliver what still passes of the suites that are there in time."""
    submission = work.basis
    job = (submission and submission.job_id) or ""
    task_ids = submission.task_ids if submission else ()
    end: JobEnd | None = None
    with anyio.move_on_after(max(how.timeout_s - (tools.clock() - work.begun).total_seconds(), 0.0)):
        end = await wait(job)
    if end and end.refused:
        return Report(outcome="failed", message=end.refused, job_id=job)
    collector = Collector(place.bus, place.namespace, place.root, tools.judge, how.branch, place.run_id)
    modules, commit = await collector.collect(task_ids)
    pending = tuple(result.task_id for result in modules if result.fate == "pending")
    if pending and how.cancel_pending:
        command_id = f"cancel-{job.removeprefix('job-')}"
        reason = f"not done within {how.timeout_s:g} s of the beginning of its collection"
        withdrawal = CancelTasks(namespace=place.namespace, command_id=command_id, task_ids=pending, reason=reason)
        await Voice(place.bus, "workflow", tools.clock).say(Publish(message=withdrawal), {})
    return Report(
        outcome=_outcome(modules),
        message=_fates(modules) + (f"; on {how.branch}, at {commit[:12]}" if commit else ""),
        job_id=job,
        task_ids=task_ids,
        modules=modules,
        commit=commit,
    )


async def call(function: Function | None, work: CallFunction) -> Report:
    """Call a function; what it raises fails the stage, what it returns is its message."""
    if function is None:
        return Report(outcome="failed", message=f"{work.name} is not in this program: continue the run with its own")
    try:
        # A coroutine made in a thread that a cancel abandons would never be awaited: coroutine functions run here.
        made_here = iscoroutinefunction(function) or iscoroutinefunction(type(function).__call__)
        result = function() if made_here else await run_sync(function, abandon_on_cancel=True)
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
