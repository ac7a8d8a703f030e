"""Verbs about schedules: submissions that are made later."""

from typing import Annotated

import typer

from testwright.cli import duration, output
from testwright.cli.options import Json, Namespace, Server, Verbose
from testwright.cli.session import with_client
from testwright.client import Client
from testwright.scheduled import ScheduleStatus
from testwright_schemas import Timetable

app = typer.Typer(
    help="List and cancel submissions that are made later.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)


@app.callback()
def schedule() -> None:
    """List and cancel submissions that are made later."""


@app.command("list")
def list_(server: Server = None, namespace: Namespace = None, as_json: Json = False, verbose: Verbose = False) -> None:
    """List the schedules that are still kept, oldest first."""

    async def ask(client: Client) -> list[ScheduleStatus]:
        return list(await client.schedules.list())

    found = with_client(ask, server, namespace)
    if as_json:
        output.document(found)
        return
    columns = ("schedule", "state", "when", "next", "last", "last job", "until", "modules", "message")
    output.show(output.table(columns, map(_cells, found)))


@app.command()
def cancel(
    ids: Annotated[list[str], typer.Argument(metavar="ID", help="Ids of schedules; see `testwright schedule list`.")],
    *,
    reason: Annotated[str, typer.Option("--reason", help="Why; kept with the schedule.")] = "",
    server: Server = None,
    namespace: Namespace = None,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Have nothing more submitted by schedules; jobs that they have made go on.

    Returns when that is stored. Exit code 4: there is no such schedule.
    """

    async def ask(client: Client) -> None:
        for schedule_id in ids:
            await client.schedules.cancel(schedule_id, reason)

    with_client(ask, server, namespace)
    if as_json:
        output.document({"requested": ids})
        return
    for schedule_id in ids:
        output.say(f"{schedule_id}  cancel requested")


def _cells(known: ScheduleStatus) -> tuple[str, ...]:
    return (
        known.id,
        known.state,
        spoken(known.timetable),
        output.moment(known.next_at),
        output.moment(known.last_at),
        known.last_job or output.NONE,
        output.moment(known.until),
        ", ".join(known.modules),
        known.message,
    )


def spoken(timetable: Timetable) -> str:
    """Return a timetable in a few words."""
    if timetable.at is not None:
        return output.moment(timetable.at)
    if timetable.every_s is not None:
        return f"every {duration.spoken(timetable.every_s)}"
    if timetable.cron is None:  # of one that was rejected nothing else is kept
        return output.NONE
    return f"{timetable.cron} ({timetable.time_zone})"
