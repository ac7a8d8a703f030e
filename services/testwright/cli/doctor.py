"""The verb doctor: what testwright needs on this machine, and how to mend what is missing."""

import anyio
import typer

from testwright.cli import failing, output
from testwright.cli.checkup import Check, checks
from testwright.cli.options import Json, Namespace, Server, Verbose


def doctor(server: Server = None, namespace: Namespace = None, as_json: Json = False, verbose: Verbose = False) -> None:
    """Check what testwright needs on this machine.

    For what is missing it says how to mend it. A server is checked where one is named, by --server or NATS_URL, or
    announced by `testwright up`. Exit code 3: something necessary is missing.
    """
    found = anyio.run(checks, server)
    if as_json:
        output.document(found)
    else:
        output.show(output.table(("check", "level", "detail", "remedy"), map(cells, found)))
    if any(check.level == "fail" for check in found):
        raise typer.Exit(failing.UNUSABLE)


def cells(check: Check) -> tuple[str, ...]:
    """Return a check as the cells of its line."""
    return check.name, check.level, check.detail, check.remedy
