"""The verb run: one actor as a process of its own."""

from typing import Annotated

import anyio
import typer

from testwright import app, settings
from testwright.background import beside
from testwright.cli import output
from testwright.cli.interruption import Interruption
from testwright.cli.options import Concurrency, Json, Namespace, Server, Verbose, log_to_stderr, seconds
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
    grace: Annotated[
        float,
        typer.Option("--grace", parser=seconds, metavar="TIME", help="How long running work may take at the end."),
    ] = app.GRACE_S,
    server: Server = None,
    namespace: Namespace = None,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Run one actor as a process, until SIGTERM or Ctrl-C; a second one stops at once.

    It binds to what `testwright topology apply` has made, and creates nothing. It serves every namespace.
    """
    log_to_stderr(True)
    for name in engine or ():
        if name not in registry.names():
            raise InvalidSubmissionError(
                "--engine", f"no engine {name!r} here: there are {', '.join(registry.names())}"
            )
    options = app.Options(concurrency=concurrency, engines=tuple(engine or ()), grace_s=grace)
    anyio.run(_run, role, address(server), options, as_json)


async def _run(role: app.Role, url: str, options: app.Options, as_json: bool) -> None:
    with anyio.CancelScope() as scope:
        interruption, stopped = Interruption(scope), anyio.Event()

        async def stop() -> None:
            output.tell("draining; interrupt again to stop at once")
            stopped.set()

        here = settings.load()
        async with beside(interruption.follow), app.serving(url, [role], here, options):
            interruption.ask = stop
            output.line({"running": role, "worker": here.worker}) if as_json else output.say(f"{role} is running")
            await stopped.wait()
