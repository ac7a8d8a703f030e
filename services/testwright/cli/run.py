"""The verb run: one actor as a process of its own."""

from typing import Annotated

import anyio
import typer

from testwright import app, settings
from testwright.cli import output
from testwright.cli.foreground import in_foreground
from testwright.cli.options import Concurrency, Grace, Json, Namespace, Server, Verbose, log_to_stderr
from testwright.cli.session import address
from testwright.engines import registry
from testwright.errors import InvalidSubmissionError


def run(
    role: Annotated[app.Role, typer.Argument(help="Which actor.")],
    *,
    concurrency: Concurrency = 1,
    engine: Annotated[
        list[str] | None, typer.Option("--engine", "-e", metavar="NAME", help="Serve this engine's queues only.")
    ] = None,
    grace: Grace = app.GRACE_S,
    server: Server = None,
    namespace: Namespace = None,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Run one actor as a process.

    SIGTERM or Ctrl-C lets running work finish for a while, then stops; a second one stops at once.

    It binds to what `testwright topology apply` has made, and creates nothing. It serves every namespace.
    """
    log_to_stderr(True)
    for name in engine or ():
        if name not in registry.names():
            raise InvalidSubmissionError(
                "--engine", f"no engine {name!r} here: there are {', '.join(registry.names())}"
            )
    options = app.Options(concurrency=concurrency, engines=tuple(engine or ()), grace_s=grace)
    here = settings.load()

    def greet(_: object) -> None:
        output.line({"running": role, "worker": here.worker}) if as_json else output.say(f"{role} is running")

    service = app.serving(address(server), [role], here, options)
    raise typer.Exit(anyio.run(in_foreground, service, greet))
