"""Runs what is meant to go on until somebody stops it."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import TypeVar

import anyio

from testwright.background import beside
from testwright.cli import failing, output
from testwright.cli.interruption import Interruption

T = TypeVar("T")


async def in_foreground(service: AbstractAsyncContextManager[T], greet: Callable[[T], None]) -> int:
    """Run a service until a signal, then let it come to rest; a second signal stops it at once.

    Args:
        service: runs while its context is open, and comes to rest when that is left.
        greet: told what the context yields as soon as it does.

    Returns:
        The exit code: ``OK``, or ``INTERRUPTED`` where there was no rest.
    """
    with anyio.CancelScope() as scope:
        interruption, stopped = Interruption(scope), anyio.Event()

        async def stop() -> None:
            output.tell("draining; interrupt again to stop at once")
            stopped.set()

        async with beside(interruption.follow), service as running:
            interruption.ask = stop
            greet(running)
            await stopped.wait()
    return failing.INTERRUPTED if scope.cancelled_caught else failing.OK
