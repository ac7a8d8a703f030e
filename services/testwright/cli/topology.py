"""Verbs about the topology: the streams, consumers and buckets that must exist on a server."""

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


@app.command()
def export(
    *,
    engine: Engines = None,
    replicas: Replicas = 1,
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
    found = exported(declared(engine, replicas))
    output.document(nack.resources(found) if format_ == "nack" else found)


@app.command()
def apply(
    *,
    engine: Engines = None,
    replicas: Replicas = 1,
    server: Server = None,
    namespace: Namespace = None,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Create on a server what is missing, and change what is configured otherwise; doing it twice does no harm."""
    wanted = declared(engine, replicas)
    anyio.run(apply_topology, address(server), wanted)
    made = {name: len(getattr(wanted, name)) for name in ("streams", "consumers", "buckets")}
    if as_json:
        output.document(made)
    else:
        output.say(f"there are {made['streams']} streams, {made['consumers']} consumers, {made['buckets']} buckets")


def declared(engines: list[str] | None, replicas: int) -> Topology:
    """Return the topology for these engines, or for all that are installed."""
    base = declare(engines or registry.names())
    return Topology(streams=base.streams, consumers=base.consumers, buckets=base.buckets, replicas=replicas)
