"""Futures for answers that may be a message, nothing, or an error: settled once, by whoever is first."""

import asyncio
from typing import TypeVar

from testwright.bus._nats_wire import Message
from testwright.errors import BusError

Answer = asyncio.Future[Message | BusError | None]

T = TypeVar("T")


def settle(future: "asyncio.Future[T] | None", result: T) -> None:
    """Settle a future that nobody has settled yet."""
    if future is not None and not future.done():
        future.set_result(result)


def checked(result: T | BusError) -> T:
    """Return a result, or raise it where it is an error."""
    if isinstance(result, BusError):
        raise result
    return result
