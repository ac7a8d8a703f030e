"""Verbs about tasks as a whole: status, list, cancel, retry. None of them waits for a task's end."""

from typing import Annotated

import typer

from testwright.cli import output
from testwright.cli.ids import tasks_of
from testwright.cli.options import Ids, Json, Namespace, Server, Verbose
from testwright.cli.session import with_client
from testwright.cli.submit import tell_job
from testwright.client import Client
from testwright.history import TaskState, TaskStatus
from testwright.submission import Job


def status(
    ids: Ids, server: Server = None, namespace: Namespace = None, as_json: Json = False, verbose: Verbose = False
) -> None:
    """Say where tasks stand. With --json: a list, in the order asked for."""

    async def ask(client: Client) -> list[TaskStatus]:
        return [await client.status(task_id) for task_id in await tasks_of(client, ids)]

    _tell_statuses(with_client(ask, server, namespace), as_json=as_json)


def list_(
    *,
    state: Annotated[TaskState | None, typer.Option("--state", help="Only tasks in this state.")] = None,
    server: Server = None,
    namespace: Namespace = None,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """List the tasks that are still kept, oldest first."""
    _tell_statuses(with_client(lambda client: client.tasks(state), server, namespace), as_json=as_json)


def cancel(
    ids: Ids,
    *,
    reason: Annotated[str, typer.Option("--reason", help="Why; kept with the task.")] = "",
    server: Server = None,
    namespace: Namespace = None,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Ask for the end of tasks, or of all tasks of jobs.

    Returns when that is stored; tests that were accepted before are kept.
    """

    async def ask(client: Client) -> list[str]:
        tasks = await tasks_of(client, ids)
        await client.cancel(*tasks, reason=reason)
        return tasks

    asked = with_client(ask, server, namespace)
    if as_json:
        output.document({"requested": asked})
        return
    for task_id in asked:
        output.say(f"{task_id}  cancel requested")


def retry(
    ids: Ids, server: Server = None, namespace: Namespace = None, as_json: Json = False, verbose: Verbose = False
) -> None:
    """Submit tasks that have ended again, as a new job.

    The old results stay.
    """

    async def ask(client: Client) -> Job:
        return await client.retry(*await tasks_of(client, ids))

    tell_job(with_client(ask, server, namespace), as_json=as_json)


def _tell_statuses(found: list[TaskStatus], *, as_json: bool) -> None:
    if as_json:
        output.document(found)
        return
    columns = ("task", "state", "module", "engine", "attempt", "tests", "line", "since", "message")
    output.show(output.table(columns, map(status_cells, found), right=("attempt", "tests", "line")))


def status_cells(known: TaskStatus) -> tuple[str, ...]:
    """Return a status as the cells of its line."""
    return (
        known.id,
        known.state,
        known.module,
        known.engine or output.NONE,
        str(known.attempt),
        output.NONE if known.tests is None else str(known.tests),
        output.percent(known.coverage),
        output.moment(known.completed_at or known.started_at or known.created_at),
        known.error or known.message,
    )
