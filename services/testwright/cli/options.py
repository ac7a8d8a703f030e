"""The options that verbs share."""

import logging
import sys
from pathlib import Path
from typing import Annotated

import typer

from testwright.cli import duration
from testwright.sandbox.choice import Mode


def seconds(text: str | float) -> float:
    """Return the seconds of an option, or refuse it as the command line does."""
    try:
        return duration.parse(str(text))
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def log_to_stderr(wanted: bool) -> bool:
    """Have what happens logged on standard error, one line each; without this only that the server is away, or back."""
    line = "%(asctime)s %(levelname)s %(name)s %(message)s"
    level = logging.INFO if wanted else logging.CRITICAL
    logging.basicConfig(level=level, stream=sys.stderr, format=line, force=True)
    logging.getLogger("testwright.bus.nats").setLevel(logging.INFO)
    return wanted


Server = Annotated[
    str | None,
    typer.Option(
        "--server", metavar="URL", help="NATS server; else NATS_URL, else the one of a running `testwright up`."
    ),
]
Namespace = Annotated[
    str | None, typer.Option("--namespace", metavar="NAME", help="Namespace; else TESTWRIGHT_NAMESPACE, or default.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs, and nothing else.")]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", callback=log_to_stderr, help="Log what happens on standard error.")
]
Paths = Annotated[
    list[Path], typer.Argument(metavar="PATH", help="Modules, or folders for all modules below; of one project.")
]
Ids = Annotated[list[str], typer.Argument(metavar="ID", help="Ids of tasks, or of jobs for all their tasks.")]
Output = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="DIR", help="Folder for the suites; else the project's tests.")
]
Branch = Annotated[
    str | None,
    typer.Option(
        "--branch",
        metavar="NAME",
        help="Commit the suites on this git branch, with a report; else they go into the working tree.",
    ),
]
Timeout = Annotated[
    float | None, typer.Option("--timeout", parser=seconds, metavar="TIME", help="Wait no longer, e.g. 90s or 5m.")
]
Grace = Annotated[
    float,
    typer.Option("--grace", parser=seconds, metavar="TIME", help="How long running work may take at the end. [20s]"),
]
Sandbox = Annotated[
    Mode | None,
    typer.Option(
        "--sandbox", help="Where foreign code runs; required: not without bubblewrap; else TESTWRIGHT_SANDBOX. [auto]"
    ),
]
Concurrency = Annotated[
    int, typer.Option("--concurrency", min=1, max=256, help="Attempts at a time, as far as there is memory.")
]
