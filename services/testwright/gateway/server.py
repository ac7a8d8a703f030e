"""The gateway as a part of the process: starts with the others, and comes to rest with them."""

import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, cast

import anyio
from anyio.abc import TaskStatus
from hypercorn.asyncio import serve  # pyright: ignore[reportUnknownVariableType]  its types are partial
from hypercorn.config import Config

from testwright._telemetry import Telemetry
from testwright.background import beside
from testwright.bus import Bus
from testwright.bus.nats import connect
from testwright.gateway.api import Api
from testwright.gateway.app import application
from testwright.gateway.listening import Place
from testwright.gateway.live import Live
from testwright.observe.health import Health
from testwright.observe.observation import Observation, observe
from testwright.observe.prometheus import Prometheus

log = logging.getLogger("testwright.gateway")

REST_S = 2.0
"""Seconds that answers under way may take at the end; streams end at once, and their readers come again."""


class Gateway:
    """HTTP on a socket, over one connection to the bus.

    Args:
        bus: its connection.
        place: where it listens.
        namespace: of requests that name none.
        health: of its process; one of its own if ``None``.
    """

    def __init__(self, bus: Bus, place: Place, namespace: str, health: Health | None = None) -> None:
        self._live = Live(bus)
        self._place = place
        self._health = health or Health(Prometheus())
        self._app = application(Api(bus, self._live, namespace), self._health, place.grants, place.hosts)
        self._ended: anyio.Event | None = None

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Serve until it comes to rest; reports started when it shows what there is and answers."""
        ended = self._ended = anyio.Event()
        try:
            async with anyio.create_task_group() as parts:
                await parts.start(self._live.follow)
                self._health.checks["gateway"] = lambda: not self._live.closing.is_set()
                task_status.started()
                # The socket listens already: who comes before the next line waits for an instant.
                await serve(cast("Any", self._app), self._config(), shutdown_trigger=self._live.closing.wait)
                parts.cancel_scope.cancel()
        finally:
            ended.set()

    async def rest(self, grace_s: float) -> None:
        """End streams and take no new requests; what is being answered has at most ``grace_s`` seconds."""
        # Whoever connects from now on is refused, and does not wait for somebody to answer.
        self._place.socket.close()
        self._live.close()
        if self._ended is not None:
            # Cancelled at its own limit, hypercorn raises an error of its own.
            with anyio.move_on_after(2 * grace_s, shield=True):
                await self._ended.wait()

    def _config(self) -> Config:
        config = Config()
        # The server closes what it is given.
        config.bind = [f"fd://{self._place.socket.dup().detach()}"]
        config.graceful_timeout = REST_S
        config.include_server_header = False
        config.errorlog = log
        return config


@asynccontextmanager
async def serving(
    url: str, place: Place, namespace: str, observation: Observation | None = None
) -> AsyncGenerator[Place]:
    """Run a gateway, on a connection of its own, for as long as the body runs; it creates nothing on the server.

    Args:
        url: of the server.
        place: where it listens.
        namespace: of requests that name none.
        observation: who watches; nobody but those who ask the gateway itself if ``None``.

    Raises:
        ConnectError: the server cannot be reached.
        StreamNotFoundError: the topology was not applied.
    """
    seen = observation or observe(Telemetry(), "testwright-gateway", "", served=True)
    async with connect(url, name="testwright-gateway", on_state=seen.on_state("gateway")) as bus:
        if seen.health:
            seen.health.depths = bus.depths
        gateway = Gateway(seen.bus(bus, "gateway"), place, namespace, seen.health)
        seen.check("connection of gateway", lambda: bus.connected)
        async with beside(gateway.run):
            try:
                yield place
            finally:
                await gateway.rest(REST_S)
