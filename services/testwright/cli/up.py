"""The verb up: a server and everything on it, in the foreground."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from testwright import app, loop, settings
from testwright.bus.nats import connect
from testwright.bus.server import check_folder
from testwright.cli import gateway, output
from testwright.cli.foreground import in_foreground
from testwright.cli.observing import Health, LogFormat, log_as, observed
from testwright.cli.options import Concurrency, Grace, Json, Sandbox, Verbose
from testwright.cli.service import hosted
from testwright.errors import ConnectError
from testwright.gateway.listening import Place
from testwright.observe.observation import Observation
from testwright.running import announced, locate
from testwright_schemas import subjects


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to run: see the options of ``up``."""

    data: Path
    port: int
    durable: bool
    options: app.Options
    page: Place
    health: str | None
    as_json: bool


def up(
    *,
    data: Annotated[Path | None, typer.Option("--data", metavar="DIR", help="Where the server keeps its data.")] = None,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port of the server; 0 for a free one.")] = 0,
    durable: Annotated[
        bool, typer.Option("--durable", help="Have each message on disk before it is confirmed, against power cuts.")
    ] = False,
    listen: Annotated[
        str | None,
        typer.Option("--listen", metavar="HOST:PORT", help="Where the page is. [127.0.0.1:8420, or a free port]"),
    ] = None,
    concurrency: Concurrency = 1,
    grace: Grace = app.GRACE_S,
    sandbox: Sandbox = None,
    health: Health = None,
    log_format: LogFormat = None,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Run a server and everything on it, in the foreground.

    The other verbs of this user find it by themselves.

    Ctrl-C (or SIGTERM) lets running work finish for a while, then stops; interrupted work goes on at the next start. A
    second Ctrl-C stops at once. The line for `nats` holds the password of this server: it listens on this machine only.
    The address of the page holds the token that opens it.
    """
    log_as(log_format)
    here = settings.load()
    check_folder(data or here.data)
    places = here.places or app.AT_WORK * concurrency
    options = app.Options(concurrency=concurrency, grace_s=grace, sandbox=sandbox, places=places)
    wish = Wish(data or here.data, port, durable, options, gateway.place(listen), health, as_json)
    raise typer.Exit(loop.run(_up, wish, here.data))


async def _up(wish: Wish, announce: Path) -> int:
    await _check_alone(announce)
    service = observed("testwright", wish.health, lambda seen: _service(wish, announce, seen), page=True)
    return await in_foreground(service, lambda url: _greet(wish, url))


@asynccontextmanager
async def _service(wish: Wish, announce: Path, seen: Observation) -> AsyncGenerator[str]:
    service = hosted(wish.data, replace(wish.options, observation=seen), port=wish.port, durable=wish.durable)
    async with service as server, gateway.service(server.url_of("gateway"), wish.page, seen):
        with announced(announce, server.url):
            yield server.url


async def _check_alone(announce: Path) -> None:
    try:
        url = locate(announce)
        async with connect(url, name="testwright-up"):
            raise typer.BadParameter(f"`testwright up` runs already, on {public(url)}: stop it first")
    except ConnectError:
        return


def _greet(wish: Wish, url: str) -> None:
    sub = f"nats sub --server '{url}' '{subjects.EVENTS_ALL}'"
    if wish.as_json:
        page = wish.page.invitation
        output.line({"url": url, "sub": sub, "data": str(wish.data), "roles": (*app.ROLES, "gateway"), "page": page})
        return
    output.say(f"server   {public(url)}")
    output.say(f"data     {wish.data}")
    output.say(f"running  {', '.join((*app.ROLES, 'gateway'))}; {wish.options.concurrency} at a time")
    output.say(f"places   {wish.options.places} for each namespace without limits (`testwright limits`)")
    output.say(f"watch    testwright watch, or: {sub}")
    output.say(f"page     {wish.page.invitation}")
    output.say("ready: submit with `testwright submit PATH`, stop with Ctrl-C")


def public(url: str) -> str:
    """Return a server's URL without credentials."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}:{parts.port}"
