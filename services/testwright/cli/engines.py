"""The verb engines: which there are, whether they can run here, and what they need fetched ahead of time."""

from typing import Annotated

import anyio
import msgspec
import typer

from testwright import settings
from testwright.cli import output
from testwright.cli.options import Json, Namespace, Server, Verbose
from testwright.engines import Engine, EngineStatus, Installable, registry
from testwright.environments.uv import UvEnvironments

engines = typer.Typer(
    help="List the engines and whether they can run here.",
    invoke_without_command=True,
    add_completion=False,
    rich_markup_mode=None,
)


@engines.callback()
def list_(
    context: typer.Context,
    server: Server = None,
    namespace: Namespace = None,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """List the engines and whether they can run here."""
    if context.invoked_subcommand:
        return
    found = [(engine, engine.status()) for engine in map(registry.load, registry.names())]
    if as_json:
        output.document([document(engine, status) for engine, status in found])
        return
    output.show(output.table(("engine", "available", "what", "detail"), [cells(*one) for one in found]))


@engines.command()
def install(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of the engine.")],
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Fetch what an engine needs, ahead of its first attempt."""
    engine = registry.load(name)
    folder = None
    if isinstance(engine, Installable):
        folder = anyio.run(engine.install, UvEnvironments(settings.load().cache)).prefixes[0]
    if as_json:
        output.document({"name": name, "folder": str(folder) if folder else None})
        return
    output.say(f"{name}  installed in {folder}" if folder else f"{name}  needs nothing of its own")


def document(engine: Engine, status: EngineStatus) -> dict[str, object]:
    """Return an engine for programs."""
    return {"name": engine.name, "summary": engine.summary, **msgspec.to_builtins(status)}


def cells(engine: Engine, status: EngineStatus) -> tuple[str, ...]:
    """Return an engine as the cells of its line."""
    detail = f"{status.detail}; {status.remedy}" if status.remedy else status.detail
    return engine.name, "yes" if status.available else "no", engine.summary, detail
