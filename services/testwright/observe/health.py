"""Health and metrics over HTTP: ``/livez``, ``/readyz`` and ``/metrics`` on a small listener of their own.

It runs in the loop of what it speaks for: that it answers is the sign of life. Nothing is asked of anybody until
somebody asks here.
"""

import logging
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
from anyio.abc import TaskStatus
from hypercorn.asyncio import serve  # pyright: ignore[reportUnknownVariableType]  its types are partial
from hypercorn.config import Config

from testwright.background import beside
from testwright.bus.figures import Depth
from testwright.errors import BusError
from testwright.observe.core import Sample
from testwright.observe.prometheus import CONTENT_TYPE, Prometheus

log = logging.getLogger("testwright.observe")

METRICS = "/metrics"
PATHS = ("/livez", "/readyz", METRICS)

GRACE_S = 1.0
"""Seconds that answers under way may take at the end."""

FIGURES_S = 2.0
"""Seconds that the server has to tell how long queues are; after that the rest is shown without."""

_QUEUES = ("testwright_queue_pending", "testwright_queue_unanswered", "testwright_queue_redelivered")

Check = Callable[[], bool]
Depths = Callable[[], Awaitable[Sequence[Depth]]]


@dataclass
class Health:
    """How a process is.

    Attributes:
        metrics: what it has measured.
        checks: by name, what must hold for it to be ready; it is not while there are none.
        depths: asks the server how long queues are; ``None`` where this process does not tell.
    """

    metrics: Prometheus
    checks: dict[str, Check] = field(default_factory=dict[str, Check])
    depths: Depths | None = None

    def unready(self) -> tuple[str, ...]:
        """Return the names of what is not ready."""
        return tuple(name for name, check in self.checks.items() if not check()) if self.checks else ("starting",)

    async def answer(self, path: str) -> tuple[int, str, bytes]:
        """Return status, media type and body for one of ``PATHS``."""
        match path:
            case "/livez":
                return 200, "text/plain", b"alive\n"
            case "/readyz":
                waiting = self.unready()
                return (503, "text/plain", f"not ready: {', '.join(waiting)}\n".encode()) if waiting else _READY
            case "/metrics":
                await self._ask_depths()
                return 200, CONTENT_TYPE, self.metrics.text()
            case _:
                return 404, "text/plain", b"there are /livez, /readyz and /metrics\n"

    async def _ask_depths(self) -> None:
        if self.depths is None:
            return
        found: Sequence[Depth] = ()
        with anyio.move_on_after(FIGURES_S):
            try:
                found = await self.depths()
            except BusError as error:
                log.warning("no-queue-depth error=%s", error)
        self.metrics.renew((sample for depth in found for sample in _told(depth)), *_QUEUES)


_READY = (200, "text/plain", b"ready\n")


def _told(depth: Depth) -> Sequence[Sample]:
    values = (depth.pending, depth.unanswered, depth.redelivered)
    return [Sample(name, value, (depth.stream, depth.consumer)) for name, value in zip(_QUEUES, values, strict=True)]


def application(health: Health) -> Any:
    """Return health and metrics as an ASGI application."""

    async def answer(scope: Any, _: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        status, type_, body = await health.answer(scope["path"])
        headers = [(b"content-type", type_.encode()), (b"content-length", b"%d" % len(body))]
        if scope["method"] not in ("GET", "HEAD"):
            status, body = 405, b""
            headers = [(b"allow", b"GET, HEAD"), (b"content-length", b"0")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    return answer


@asynccontextmanager
async def listening(bound: socket.socket, health: Health) -> AsyncGenerator[None]:
    """Serve health and metrics for as long as the body runs.

    Args:
        bound: a socket that listens; it is closed at the end.
        health: what is served.
    """
    closing, ended = anyio.Event(), anyio.Event()

    async def run(*, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        config = Config()
        config.bind = [f"fd://{bound.detach()}"]
        config.graceful_timeout = GRACE_S
        config.include_server_header = False
        config.errorlog = log
        # The socket listens already: who comes before the next line waits for an instant.
        task_status.started()
        try:
            await serve(application(health), config, shutdown_trigger=closing.wait)
        finally:
            ended.set()

    async with beside(run):
        try:
            yield
        finally:
            closing.set()
            # Cancelled while it closes connections that are kept alive, hypercorn raises an error of its own.
            with anyio.move_on_after(2 * GRACE_S, shield=True):
                await ended.wait()
