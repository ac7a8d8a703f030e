"""The blocking client of ``testwright.testing``, without a server."""

from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from threading import Event
from types import SimpleNamespace
from typing import Any, cast

import anyio
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal

from testwright.client import Client
from testwright.testing import BlockingClient

ENDED_S = 10.0


class Interrupted:
    """A portal whose caller is interrupted as soon as what it asked for has begun."""

    def __init__(self, portal: BlockingPortal, begun: Event) -> None:
        self._portal = portal
        self._begun = begun

    def start_task_soon(self, ask: Callable[[Client], Awaitable[None]], client: Client) -> "Future[None]":
        asked = self._portal.start_task_soon(ask, client)
        vars(asked)["result"] = self._interrupt  # where a caller waits
        return asked

    def _interrupt(self, timeout: float | None = None) -> None:
        assert self._begun.wait(timeout or ENDED_S)
        raise KeyboardInterrupt


def test_an_interrupt_ends_what_a_test_waits_for() -> None:
    begun, ended = Event(), Event()

    async def wait(_: Client) -> None:
        try:
            begun.set()
            await anyio.sleep_forever()
        finally:
            ended.set()

    with start_blocking_portal() as portal:
        fake: Any = SimpleNamespace(namespace="tests")
        client = BlockingClient(fake, cast("BlockingPortal", Interrupted(portal, begun)))
        with pytest.raises(KeyboardInterrupt):
            client.call(wait)

        assert ended.wait(ENDED_S)
