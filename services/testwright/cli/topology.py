"""Verbs about the topology: the streams, consumers and buckets that must exist on a server."""

from collections.abc import Sequence
from typing import Annotated, Literal

import anyio
import typer

from testwright.bus import nack
from testwright.bus.nats import apply_topology
from testwright.bus.nats import export as exported
from testwright.bus.topology import Topology, declare
from testwright.cli import output
from testwright.cli.options import Json, Namespace, Server, Verbose
from testwright.cli.session import address
from testwright.engines import registry
from testwright.misfit import WORD
from testwright_schemas import is_word

app = typer.Typer(
    help="Export, or create, what must exist on a server.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)

Engines = Annotated[
    list[str] | None,
    typer.Option("--engine", "-e", metavar="NAME", help="Queues for this engine; else for all that are installed."),
]
Replicas = Annotated[int, typer.Option("--replicas", min=1, max=5, help="Servers that hold each message.")]


AtATime = Annotated[
    list[str] | None,
    typer.Option("--at-a-time", metavar="ENGINE=N", help="Attempts of an engine at a time, for each priority."),
]


@app.command()
def export(
    *,
    engine: Engines = None,
    replicas: Replicas = 1,
    at_a_time: AtATime = None,
    format_: Annotated[
        Literal["json", "nack"],
        typer.Option("--format", help="json: as the server's API takes it; nack: resources of NACK for Kubernetes."),
    ] = "json",
    server: Server = None,
    namespace: Namespace = None,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Print the configurations of streams, buckets and consumers."""
    found = exported(declared(engine, replicas, at_a_time))
    output.document(nack.resources(found) if format_ == "nack" else found)


@app.command()
def apply(
    *,
    engine: Engines = None,
    replicas: Replicas = 1,
    at_a_time: AtATime = None,
    server: Server = None,
    namespace: Namespace = None,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Create on a server what is missing, and change what is configured otherwise; doing it twice does no harm."""
    wanted = declared(engine, replicas, at_a_time)
    anyio.run(apply_topology, address(server), wanted)
    made = {name: len(getattr(wanted, name)) for name in ("streams", "consumers", "buckets")}
    if as_json:
        output.document(made)
    else:
        output.say(f"there are {made['streams']} streams, {made['consumers']} consumers, {made['buckets']} buckets")


def declared(engines: list[str] | None, replicas: int, at_a_time: list[str] | None = None) -> Topology:
    """Return the topology for these engines, or for all that are installed.

    Raises:
        typer.BadParameter: what an engine is called cannot be a name, or ``at_a_time`` does not read ``ENGINE=N``, or
            names no such engine.
    """
    names = engines or registry.names()
    for name in names:
        if not is_word(name):
            raise typer.BadParameter(f"engine {name!r} {WORD}")
    base = declare(names, dict(_limit(text, names) for text in at_a_time or ()))
    return Topology(streams=base.streams, consumers=base.consumers, buckets=base.buckets, replicas=replicas)


def _limit(text: str, engines: Sequence[str]) -> tuple[str, int]:
    name, _, number = text.partition("=")
    if name not in engines or not number.isdecimal() or int(number) < 1:
        raise typer.BadParameter(f"{text!r} is not ENGINE=N with one of {', '.join(engines)} and a number from 1")
    return name, int(number)
