"""A proxy before a NATS server that writes down every message that its clients send."""

from collections import defaultdict
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit, urlunsplit

import anyio
import msgspec
from anyio.abc import SocketStream
from anyio.streams.buffered import BufferedByteReceiveStream

MAX_LINE = 100_000
CLOSED = (anyio.EndOfStream, anyio.IncompleteRead, anyio.BrokenResourceError, anyio.ClosedResourceError)


class Wiretap:
    """What clients have sent, by the name of their connection.

    Attributes:
        url: the proxy's address, with the server's credentials.
        sent: the messages of each connection, each as ``(subject, payload)``; without pings and subscriptions.
    """

    def __init__(self, server: str, port: int) -> None:
        parts = urlsplit(server)
        assert parts.hostname is not None
        assert parts.port is not None
        self._server = (parts.hostname, parts.port)
        self.url = urlunsplit(parts._replace(netloc=f"{parts.username}:{parts.password}@127.0.0.1:{port}"))
        self.sent: dict[str, list[tuple[str, bytes]]] = defaultdict(list)
        self._news = anyio.Event()

    def forget(self) -> None:
        """Start counting from here."""
        self.sent.clear()

    async def hears(self, name: str, payload: bytes) -> None:
        """Return when a connection has sent this payload since the last ``forget``."""
        while all(body != payload for _, body in self.sent[name]):
            await self._news.wait()

    async def carry(self, client: SocketStream) -> None:
        """Connect a client to the server, for as long as both want."""
        async with client, await anyio.connect_tcp(*self._server) as server, anyio.create_task_group() as tasks:

            async def down() -> None:
                with suppress(*CLOSED):
                    async for chunk in server:
                        await client.send(chunk)
                tasks.cancel_scope.cancel()

            tasks.start_soon(down)
            with suppress(*CLOSED):
                await self._up(BufferedByteReceiveStream(client), server)
            tasks.cancel_scope.cancel()

    async def _up(self, client: BufferedByteReceiveStream, server: SocketStream) -> None:
        name = ""
        while True:
            line = await client.receive_until(b"\r\n", MAX_LINE)
            verb, *words = line.split(b" ")
            if verb == b"CONNECT":
                name = str(msgspec.json.decode(line.partition(b" ")[2])["name"])
            whole = line + b"\r\n"
            if verb in {b"PUB", b"HPUB"}:
                body = await client.receive_exactly(int(words[-1]) + 2)
                start = int(words[-2]) if verb == b"HPUB" else 0
                whole += body
                self.sent[name].append((words[0].decode(), body[start:-2]))
                self._news.set()
                self._news = anyio.Event()
            await server.send(whole)


@asynccontextmanager
async def wiretap(server: str) -> AsyncGenerator[Wiretap]:
    """Listen in between a server, given by its URL, and whoever connects to the tap's own URL."""
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
        tap = Wiretap(server, listener.extra(anyio.abc.SocketAttribute.local_port))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(listener.serve, tap.carry)
            yield tap
            tasks.cancel_scope.cancel()
