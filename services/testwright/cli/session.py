"""The only place that starts an event loop, and that decides which server a verb talks to."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

from testwright import settings
from testwright.client import Client
from testwright.running import locate

T = TypeVar("T")


def address(server: str | None) -> str:
    """Return the server's URL: the one named, else ``NATS_URL``, else that of a running ``testwright up``.

    It says how to sign in, where the surroundings do.

    Raises:
        ConnectError: there is none.
    """
    here = settings.load()
    return (here.reach(server) if server else here.server) or locate(here.data)


def with_client(body: Callable[[Client], Awaitable[T]], server: str | None, namespace: str | None) -> T:
    """Run ``body`` with a client and return what it returns.

    Raises:
        ConnectError: there is no server, or it cannot be used.
    """

    async def connected() -> T:
        async with Client.connect(server, namespace=namespace) as client:
            return await body(client)

    return anyio.run(connected)
