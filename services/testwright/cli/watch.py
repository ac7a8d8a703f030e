"""The verb watch: what happens, as it happens."""

from collections.abc import Callable, Collection
from contextlib import nullcontext
from datetime import datetime
from typing import Annotated

import msgspec
import typer

from testwright import clock
from testwright.bus import Stored
from testwright.cli import output
from testwright.cli.ids import is_job, tasks_of
from testwright.cli.options import Json, Namespace, Server, Verbose
from testwright.cli.session import with_client
from testwright.cli.view import View
from testwright.client import Client
from testwright.watching import newest
from testwright_schemas import (
    AttemptFailed,
    AttemptStarted,
    ContentClaimed,
    EventMessage,
    GateMoved,
    JobEvent,
    JobFinished,
    JobProgressed,
    JobRejected,
    JobSubmitted,
    LanePaused,
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
    subjects,
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
    beginning, until all of them have ended. On a terminal as a table that changes in place, with workers and workflow
    runs below it; elsewhere one event a line; with --json as it was published, and the time the server stored it as
    `at`.
    """
    console = output.console()
    view = View(console, clock.now, keep=bool(ids)) if console.is_terminal and not as_json else None
    tell = _telling(view, as_json=as_json)

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
            if view:
                await _begin(view, client, wanted)
            async for stored, event in events:
                tell(stored, event)
                open_ends.discard(_ended(event))
                if wanted and not open_ends:
                    return

    with view.shown() if view else nullcontext():
        with_client(follow, server, namespace)


def _telling(view: View | None, *, as_json: bool) -> Callable[[Stored, EventMessage], None]:
    if as_json:
        return lambda stored, event: output.line(document(stored, event))
    if view is None:
        return lambda stored, event: output.say(describe(stored, event))

    def shown(stored: Stored, event: EventMessage) -> None:
        view.note(stored, event)
        view.take(event, describe(stored, event))

    return shown


async def _begin(view: View, client: Client, wanted: Collection[str]) -> None:
    """Show what there is, of which no event will come: nothing of it where ids were given, which come from the past."""
    if wanted:
        view.begin([])
        return
    async for stored, event in newest(client.bus, [subjects.events_of(client.namespace)]):
        view.note(stored, event)
    view.begin(await client.tasks())


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
        case MessageDeadLettered(resent_at=datetime()):
            return "sent again"
        case TaskCancelRequested() | MessageDeadLettered() | ScheduleCancelled():
            return event.reason
        case JobSubmitted():
            return output.counted(len(event.task_ids), "task")
        case JobProgressed():
            return f"{output.counted(len(event.remaining), 'task')} left"
        case JobRejected() | ScheduleRejected():
            return f"{event.field}: {event.reason}"
        case _:
            return _said_of_many(event)


def _said_of_many(event: EventMessage) -> str:
    match event:
        case JobFinished():
            counts = event.counts
            return f"{counts.completed} completed, {counts.failed} failed, {counts.cancelled} cancelled"
        case LanePaused():
            return f"{event.lane} rests until {event.until.astimezone():%H:%M:%S}: {event.reason}"
        case GateMoved():
            return f"{event.kind} {event.gate}: {len(event.taken)} of {event.places or 'any number'} at work"
        case _:
            return ""
