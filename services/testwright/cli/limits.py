"""Verbs about limits: what a namespace may do at a time and spend."""

from typing import Annotated

import typer

from testwright import clock, limits
from testwright.cli import output
from testwright.cli.options import Json, Namespace, Server, Verbose
from testwright.cli.session import with_client
from testwright.client import Client
from testwright.submission import check
from testwright.voice import Voice
from testwright_schemas import LimitsSet, Publish

app = typer.Typer(
    help="Show, or set, what a namespace may do at a time and spend.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)


@app.command("show")
def show(server: Server = None, namespace: Namespace = None, as_json: Json = False, verbose: Verbose = False) -> None:
    """Show the limits of all namespaces that have some."""
    found = with_client(lambda client: limits.known(client.bus), server, namespace)
    if as_json:
        output.document(found)
        return
    rows = [
        (
            "everyone else" if told.everyone else told.namespace,
            *(output.NONE if limit is None else f"{limit:g}" for limit in (told.places, told.tasks, told.max_cost_usd)),
            told.period or output.NONE,
        )
        for told in found
    ]
    columns = ("namespace", "at work", "tasks", "USD", "period")
    output.show(output.table(columns, rows, right=("at work", "tasks", "USD")))


@app.command("set")
def set_(
    *,
    places: Annotated[int | None, typer.Option("--places", min=1, metavar="N", help="Tasks at work at a time.")] = None,
    tasks: Annotated[
        int | None, typer.Option("--tasks", min=1, metavar="N", help="Tasks that have not ended; more are rejected.")
    ] = None,
    max_cost: Annotated[
        float | None, typer.Option("--max-cost", min=0, metavar="USD", help="What all tasks may cost in the period.")
    ] = None,
    period: Annotated[
        str, typer.Option("--period", metavar="NAME", help="Name of the time that costs are counted in, e.g. 2026-12.")
    ] = "",
    everyone: Annotated[
        bool, typer.Option("--everyone", help="For each namespace that has no limits of its own.")
    ] = False,
    server: Server = None,
    namespace: Namespace = None,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Set the limits of a namespace, all of them: what is not given is not limited.

    Where nothing is given, they are taken away: those for everyone hold again, or the places that `up`, or the
    collector, gives to each namespace.
    """

    async def say(client: Client) -> LimitsSet:
        told = LimitsSet(
            namespace=limits.COMMONS if everyone else client.namespace,
            everyone=everyone,
            places=places,
            tasks=tasks,
            max_cost_usd=max_cost,
            period=period,
            set_at=clock.now(),
        )
        check(told)
        await Voice(client.bus, "client", clock.now).say(Publish(message=told), {})
        return told

    told = with_client(say, server, namespace)
    if as_json:
        output.document(told)
    else:
        done = "set" if limits.is_limited(told) else "taken away"
        output.say(f"limits of {'everyone' if everyone else told.namespace} are {done}")
