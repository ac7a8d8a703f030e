"""The verb watch: what happens, as it happens."""

from typing import Annotated

import msgspec
import typer

from testwright.bus import Stored
from testwright.cli import output
from testwright.cli.ids import is_job, tasks_of
from testwright.cli.options import Json, Namespace, Server, Verbose
from testwright.cli.session import with_client
from testwright.client import Client
from testwright_schemas import (
    AttemptFailed,
    AttemptStarted,
    ContentClaimed,
    EventMessage,
    JobEvent,
    JobFinished,
    JobProgressed,
    JobRejected,
    JobSubmitted,
    MessageDeadLettered,
    ModuleTaken,
    ScheduleCancelled,
    ScheduleEvent,
    ScheduleRejected,
    SuiteGenerated,
    SuiteVerified,
    TaskCancelRequested,
    TaskEvent,
    TaskFinished,
    TaskJoined,
    TaskProgressed,
    TaskSubmitted,
    WorkflowEvent,
    kebab,
)


def watch(
    ids: Annotated[list[str] | None, typer.Argument(metavar="ID", help="Ids of tasks and jobs.")] = None,
    server: Server = None,
    namespace: Namespace = None,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Show events as they come.

    Without ids: all that happens from now on, until interrupted. With ids: those of these tasks and jobs from their
    beginning, until all of them have ended. With --json: one event a line, as it was published, and the time the
    server stored it as `at`.
    """

    async def follow(client: Client) -> None:
        wanted = set(ids or ())
        tasks = await tasks_of(client, list(wanted))
        for task_id in wanted:
            if not is_job(task_id):
                await client.status(task_id)
        open_ends = wanted.copy()
        async with client.watch(*filter(is_job, wanted), *tasks) as events:
            if not wanted:
                output.tell("watching; stop with Ctrl-C")
            async for stored, event in events:
                output.line(document(stored, event)) if as_json else output.say(describe(stored, event))
                open_ends.discard(_ended(event))
                if wanted and not open_ends:
                    return

    with_client(follow, server, namespace)


def document(stored: Stored, event: EventMessage) -> dict[str, object]:
    """Return an event for programs."""
    return {"at": stored.time, **msgspec.to_builtins(event)}


def describe(stored: Stored, event: EventMessage) -> str:
    """Return an event in one line."""
    words = (f"{stored.time.astimezone():%H:%M:%S}", _whose(event), kebab(type(event).__name__), _said(event))
    return "  ".join(word for word in words if word)


def _ended(event: EventMessage) -> str:
    match event:
        case TaskFinished():
            return event.task_id
        case JobFinished() | JobRejected():
            return event.job_id
        case _:
            return ""


def _whose(event: EventMessage) -> str:
    match event:
        case TaskEvent():
            return event.task_id
        case JobEvent():
            return event.job_id
        case WorkflowEvent():
            return event.run_id
        case ScheduleEvent():
            return event.schedule_id
        case TaskJoined() | ModuleTaken() | ContentClaimed():
            return event.task_id
        case _:
            return ""


def _said(event: EventMessage) -> str:
    match event:
        case TaskProgressed():
            return f"{event.phase}: {event.message}"
        case SuiteGenerated():
            return f"{event.attempt.engine}: {', '.join(event.files)}"
        case SuiteVerified():
            return f"{event.judgement.kept} of {len(event.judgement.cases)} tests kept"
        case AttemptFailed():
            return f"{event.attempt.engine}: {event.failure.cause}: {event.failure.message}"
        case TaskFinished():
            return f"{event.module} {event.outcome}" + (f": {event.error.message}" if event.error else "")
        case _:
            return _said_shortly(event)


def _said_shortly(event: EventMessage) -> str:
    match event:
        case TaskSubmitted():
            return event.target.module
        case AttemptStarted():
            return f"{event.attempt.engine} on {event.worker}, attempt {event.attempt.number}"
        case TaskCancelRequested() | MessageDeadLettered() | ScheduleCancelled():
            return event.reason
        case JobSubmitted():
            return output.counted(len(event.task_ids), "task")
        case JobProgressed():
            return f"{output.counted(len(event.remaining), 'task')} left"
        case JobRejected() | ScheduleRejected():
            return f"{event.field}: {event.reason}"
        case JobFinished():
            counts = event.counts
            return f"{counts.completed} completed, {counts.failed} failed, {counts.cancelled} cancelled"
        case _:
            return ""
