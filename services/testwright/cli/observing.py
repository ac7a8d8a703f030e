"""How a process that goes on is watched: the options of it, and what they start."""

import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Annotated, TypeVar, get_args

import typer

from testwright import settings
from testwright.cli.gateway import parse
from testwright.errors import SettingError
from testwright.gateway.listening import bind
from testwright.observe import logs
from testwright.observe.observation import Observation, observing

T = TypeVar("T")

Health = Annotated[
    str | None,
    typer.Option(
        "--health", metavar="HOST:PORT", help="Serve /livez, /readyz and /metrics there; else TESTWRIGHT_HEALTH."
    ),
]
LogFormat = Annotated[
    logs.Format | None, typer.Option("--log-format", help="Of lines on standard error; else TESTWRIGHT_LOG. [text]")
]


def log_as(chosen: logs.Format | None) -> None:
    """Have what happens logged on standard error, without secrets.

    Raises:
        SettingError: the variable names no format.
    """
    said = settings.telemetry().log or "text"
    for format_ in get_args(logs.Format):
        if format_ == (chosen or said):
            logs.start(format_, logging.INFO, settings.secrets())
            return
    raise SettingError("TESTWRIGHT_LOG", f"{said!r} is neither text nor json")


def observed(
    name: str,
    health: str | None,
    service: Callable[[Observation], AbstractAsyncContextManager[T]],
    *,
    page: bool = False,
) -> AbstractAsyncContextManager[T]:
    """Return a service that is watched as options and surroundings ask for.

    Args:
        name: of the process.
        health: where health and metrics are served, if the surroundings do not say it.
        service: makes it, given who watches.
        page: whether it has a gateway, which serves metrics anyway.

    Raises:
        OSError: the place for health is taken.
    """
    place = health or settings.telemetry().health
    bound = bind(*parse(place)) if place else None

    @asynccontextmanager
    async def run() -> AsyncGenerator[T]:
        worker = settings.load().worker
        async with AsyncExitStack() as stack:
            seen = await stack.enter_async_context(observing(name, worker, served=page or bound is not None))
            if bound is not None and seen.health is not None:
                from testwright.observe.health import listening  # noqa: PLC0415  HTTP, where it is asked for

                await stack.enter_async_context(listening(bound, seen.health))
            yield await stack.enter_async_context(service(seen))

    return run()
