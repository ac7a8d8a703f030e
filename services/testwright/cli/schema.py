"""Verbs about schemas."""

from pathlib import Path
from typing import Annotated

import typer

from testwright import schema_export
from testwright.cli import output
from testwright.cli.options import Json, Namespace, Server, Verbose

app = typer.Typer(
    help="Export the schemas of all messages.", no_args_is_help=True, add_completion=False, rich_markup_mode=None
)


@app.callback()
def schema() -> None:
    """Export the schemas of all messages."""


@app.command()
def export(
    directory: Annotated[
        Path | None, typer.Argument(metavar="DIR", help="Folder; without one everything is printed as one document.")
    ] = None,
    server: Server = None,
    namespace: Namespace = None,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Write JSON Schema (`json/*.json`) and AsyncAPI (`asyncapi.json`) documents of all messages into a folder."""
    if directory is None:
        schemas = schema_export.json_schemas() | schema_export.document_schemas()
        output.document({"asyncapi": schema_export.asyncapi(), "schemas": schemas})
        return
    schema_export.write(directory)
    if as_json:
        output.document({"written": str(directory)})
    else:
        output.say(f"written to {directory}")
