"""The verb run: one actor as a process of its own."""

from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Annotated, Literal

import typer

from testwright import app, loop, settings
from testwright.cli import gateway, output
from testwright.cli.foreground import in_foreground
from testwright.cli.observing import Health, LogFormat, log_as, observed
from testwright.cli.options import Concurrency, Grace, Json, Namespace, Sandbox, Server, Verbose
from testwright.cli.session import address
from testwright.engines import registry
from testwright.errors import InvalidSubmissionError
from testwright.gateway.listening import Place
from testwright.observe.observation import Observation

Process = Literal["submitter", "generator", "verifier", "collector", "workflow", "gateway"]
"""Every actor, and the gateway."""


def run(
    role: Annotated[Process, typer.Argument(help="Which actor.")],
    *,
    concurrency: Concurrency = 1,
    engine: Annotated[
        list[str] | None, typer.Option("--engine", "-e", metavar="NAME", help="Serve this engine's queues only.")
    ] = None,
    places: Annotated[
        int | None,
        typer.Option(
            "--places",
            min=1,
            metavar="N",
            help="Collector: tasks at work at a time of each namespace without limits; else TESTWRIGHT_PLACES. [all]",
        ),
    ] = None,
    grace: Grace = app.GRACE_S,
    listen: Annotated[
        str | None,
        typer.Option("--listen", metavar="HOST:PORT", help="Where the gateway is. [127.0.0.1:8420, or a free port]"),
    ] = None,
    sandbox: Sandbox = None,
    health: Health = None,
    log_format: LogFormat = None,
    server: Server = None,
    namespace: Namespace = None,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Run one actor as a process.

    SIGTERM or Ctrl-C lets running work finish for a while, then stops; a second one stops at once.

    It binds to what `testwright topology apply` has made, and creates nothing. It serves every namespace.

    The gateway takes the tokens in TESTWRIGHT_GATEWAY_TOKENS_FILE (a token a line, and behind it the namespace it is
    for), or else makes one of its own and prints it.
    """
    log_as(log_format)
    for name in engine or ():
        if name not in registry.names():
            raise InvalidSubmissionError(
                "--engine", f"no engine {name!r} here: there are {', '.join(registry.names())}"
            )
    if role == "gateway":
        raise typer.Exit(_gateway(server, listen, health, as_json=as_json))
    here = settings.load()
    options = app.Options(
        concurrency=concurrency,
        engines=tuple(engine or ()),
        grace_s=grace,
        system_url=here.system_server if role == "collector" else None,
        sandbox=sandbox,
        places=places or here.places,
    )

    def greet(_: object) -> None:
        output.line({"running": role, "worker": here.worker}) if as_json else output.say(f"{role} is running")

    def serve(seen: Observation) -> AbstractAsyncContextManager[None]:
        return app.serving(address(server), [role], here, replace(options, observation=seen))

    raise typer.Exit(loop.run(in_foreground, observed(f"testwright-{role}", health, serve), greet))


def _gateway(server: str | None, listen: str | None, health: str | None, *, as_json: bool) -> int:
    where = gateway.place(listen)

    def greet(_: object) -> None:
        shown = where.url if settings.gateway().tokens else where.invitation
        output.line({"running": "gateway", "page": shown}) if as_json else output.say(f"gateway is running: {shown}")

    def serve(seen: Observation) -> AbstractAsyncContextManager[Place]:
        return gateway.service(address(server), where, seen)

    return loop.run(in_foreground, observed("testwright-gateway", health, serve, page=True), greet)
