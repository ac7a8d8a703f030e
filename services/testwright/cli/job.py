"""One job from its submission to the last suite written: the work behind ``testwright generate``."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import anyio
from anyio.to_thread import run_sync

from testwright import app, settings
from testwright.background import beside
from testwright.cli import service
from testwright.cli.interruption import Interruption
from testwright.cli.output import counted
from testwright.cli.progress import Row, evolve
from testwright.cli.report import Report
from testwright.cli.screen import Changed
from testwright.client import Client
from testwright.delivery import deliver
from testwright.errors import InvalidSubmissionError
from testwright.sandbox.choice import Mode, choose, mode
from testwright.snapshots.bundle import Bundle
from testwright.submission import Terms
from testwright_schemas import EventMessage, JobRejected, Policy, TaskEvent, TaskFinished


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be done.

    Attributes:
        bundled: the project and its targets.
        policy: how.
        output: folder for the suites.
        server: URL, ``None`` to find one or to start it.
        namespace: of the tasks, ``None`` for the usual one.
        concurrency: attempts at a time where the server is our own.
        branch: that will take the suites; ``None`` for the working tree.
        terms: how it stands to other submissions.
        sandbox: mode of actors of our own; ``None`` for what the settings ask for.
    """

    bundled: Bundle
    policy: Policy
    output: Path
    server: str | None
    namespace: str | None
    concurrency: int
    branch: str | None = None
    terms: Terms | None = None
    sandbox: Mode | None = None


@dataclass(frozen=True, slots=True)
class Desk:
    """Where the work is seen.

    Attributes:
        report: filled in as tasks end, so that it holds what is there whenever the work stops.
        rows: progress by task id, filled in here.
        changed: told the id of each task whose row has changed.
        tell: told what the user should know meanwhile, in one line.
    """

    report: Report
    rows: dict[str, Row]
    changed: Changed
    tell: Callable[[str], None]


async def carry_out(order: Order, desk: Desk) -> None:
    """Submit the job, follow it, and write each suite as its task ends; for a branch they are kept in the report.

    The first Ctrl-C (or SIGTERM) cancels the tasks and sees them end; the second one stops at once.

    Raises:
        InvalidSubmissionError: the submission is refused.
        ConnectError: the server cannot be reached.
    """
    with anyio.CancelScope() as scope:
        interruption = Interruption(scope)
        try:
            async with beside(interruption.follow), AsyncExitStack() as stack:
                client = await _client(stack, order, desk)
                await _follow(client, order, desk, interruption)
        finally:
            desk.report.interrupted = interruption.count > 0


async def _client(stack: AsyncExitStack, order: Order, desk: Desk) -> Client:
    client = await service.existing(stack, order.server, order.namespace)
    if client is None:
        await service.check_engines(order.policy.engines)
        await run_sync(choose, order.sandbox or mode(settings.load().sandbox))
        desk.tell("no server is running: starting one for this run")
        options = app.Options(concurrency=order.concurrency, sandbox=order.sandbox)
        url = await stack.enter_async_context(service.complete(None, options))
        client = await stack.enter_async_context(Client.connect(url, namespace=order.namespace))
    return client


async def _follow(client: Client, order: Order, desk: Desk, interruption: Interruption) -> None:
    job = await client.submit_bundle(order.bundled, order.policy, order.terms)
    desk.report.job = job.id
    desk.report.modules.update({task.id: task.module for task in job.tasks})
    desk.rows.update({task.id: Row(task.module) for task in job.tasks})

    async def cancel() -> None:
        left = len(job.tasks) - len(desk.report.results)
        desk.tell(f"cancelling {counted(left, 'task')}; interrupt again to stop at once")
        await client.cancel(job.id, reason="interrupted by the user")

    interruption.ask = cancel
    desk.tell(f"{job.id} is submitted: {counted(len(job.tasks), 'module')}")
    async with client.watch(job.id, *(task.id for task in job.tasks)) as events:
        async for _, event in events:
            await _take(client, order, desk, event)
            if desk.report.complete:
                return


async def _take(client: Client, order: Order, desk: Desk, event: EventMessage) -> None:
    match event:
        case JobRejected():
            raise InvalidSubmissionError(event.field, event.reason)
        case TaskEvent():
            if isinstance(event, TaskFinished):
                files = await client.files(event)
                if order.branch is None:
                    desk.report.written[event.task_id] = await run_sync(deliver, files, order.output)
                else:
                    desk.report.suites[event.task_id] = files
                desk.report.results[event.task_id] = event
            before = desk.rows[event.task_id]
            desk.rows[event.task_id] = evolve(before, event)
            if desk.rows[event.task_id] != before:
                desk.changed(event.task_id)
        case _:
            return
