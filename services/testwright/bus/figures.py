"""How long queues are, when somebody asks: the only place that asks the server for figures."""

from collections.abc import Sequence
from typing import Any

import anyio

from testwright.bus._nats_api import call
from testwright.bus._nats_link import Link
from testwright_schemas import Record


class Depth(Record, frozen=True, kw_only=True):
    """A queue as it is now.

    Attributes:
        stream: where it is.
        consumer: who takes from it.
        pending: messages that wait for their first delivery.
        unanswered: messages delivered and not answered.
        redelivered: those of them that were delivered more than once.
    """

    stream: str
    consumer: str
    pending: int
    unanswered: int
    redelivered: int


async def depths(link: Link, streams: Sequence[str], timeout_s: float) -> list[Depth]:
    """Return the queues of streams, as the consumers' leaders know them.

    Raises:
        PermissionDeniedError, StreamNotFoundError, BusTimeoutError: see there.
    """
    found: dict[str, list[Depth]] = {}

    async def ask(stream: str) -> None:
        found[stream] = await _of(link, stream, timeout_s)

    async with anyio.create_task_group() as tasks:
        for stream in streams:
            tasks.start_soon(ask, stream)
    return [depth for stream in streams for depth in found[stream]]


async def _of(link: Link, stream: str, timeout_s: float) -> list[Depth]:
    found: list[Depth] = []
    while True:
        page = await call(link, f"CONSUMER.LIST.{stream}", {"offset": len(found)}, within_s=timeout_s, name=stream)
        listed: list[dict[str, Any]] = page.get("consumers") or []
        found += [_read(stream, each) for each in listed]
        if not listed or len(found) >= page.get("total", 0):
            # A feed's consumer has no durable name: it is nobody's queue.
            return [depth for depth in found if depth.consumer]


def _read(stream: str, info: dict[str, Any]) -> Depth:
    config: dict[str, Any] = info.get("config") or {}
    return Depth(
        stream=stream,
        consumer=config.get("durable_name", ""),
        pending=info.get("num_pending", 0),
        unanswered=info.get("num_ack_pending", 0),
        redelivered=info.get("num_redelivered", 0),
    )
