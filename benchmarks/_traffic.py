"""How many messages connections send and receive, as their server counts them, and what those messages are."""

import re
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import msgspec
import nats
from nats.aio.msg import Msg

from testwright_schemas import envelope

WATCHER = "counting"
_VARIES = re.compile(r"\d|.{30}")
"""Words of a subject that are made for the occasion: ids, digests and numbers."""


class _Connection(msgspec.Struct):
    in_msgs: int
    out_msgs: int
    name: str = ""


class _Connections(msgspec.Struct):
    connections: list[_Connection]


class _Connz(msgspec.Struct):
    data: _Connections


class Watcher:
    """A connection of its own that counts for the others of its account; what it does itself does not count."""

    def __init__(self, connection: nats.NATS) -> None:
        self._connection = connection
        self.heard = Counter[str]()

    async def traffic(self) -> Counter[str]:
        """Return how many messages the connections of each name have sent and received."""
        answer = await self._connection.request("$SYS.REQ.ACCOUNT.PING.CONNZ", timeout=10)
        found = Counter[str]()
        for each in envelope.decode(answer.data, _Connz).data.connections:
            if each.name != WATCHER:
                found[each.name] += each.in_msgs + each.out_msgs
        return found

    async def listen(self) -> None:
        """Count from now on what is said in the account, by what it is; see ``heard``."""

        async def on_message(message: Msg) -> None:
            self.heard[_kind(message)] += 1

        await self._connection.subscribe(">", cb=on_message)
        await self._connection.flush()


def _kind(message: Msg) -> str:
    headers = message.headers or {}
    status = headers.get("Status")
    if status == "100" or "Nats-Last-Consumer" in headers:
        return "heartbeats, of feeds and of queues that are waited at"
    if message.subject.startswith("_INBOX"):
        return f"answers with status {status}" if status else "answers"
    words = ["*" if _VARIES.search(word) else word for word in message.subject.split(".")]
    while words[-2:] == ["*", "*"]:
        words.pop()
    return ".".join(words)


@asynccontextmanager
async def watching(url: str) -> AsyncGenerator[Watcher]:
    """Watch a server.

    Args:
        url: with credentials that may hear everything in their account.
    """
    connection = await nats.connect(url, name=WATCHER)
    try:
        yield Watcher(connection)
    finally:
        await connection.close()
