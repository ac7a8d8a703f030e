"""The order in which a client says things, heard by a server that only listens."""

from collections.abc import AsyncIterator

import anyio
import pytest
from anyio.abc import SocketStream
from anyio.streams.buffered import BufferedByteReceiveStream

from testwright.bus._nats_client import Callbacks, ReliableClient, dial

INFO = b'INFO {"max_payload": 1048576, "headers": true}\r\n'


class Listener:
    """Answers pings, and keeps the first word of every line it hears."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    async def serve(self, stream: SocketStream) -> None:
        async with stream:
            await stream.send(INFO)
            lines = BufferedByteReceiveStream(stream)
            while True:
                try:
                    line = await lines.receive_until(b"\r\n", 65536)
                except (anyio.EndOfStream, anyio.IncompleteRead, anyio.BrokenResourceError):
                    return
                self.heard.append(line.split(b" ")[0].decode())
                if line == b"PING":
                    await stream.send(b"PONG\r\n")


@pytest.fixture
async def listener() -> AsyncIterator[tuple[Listener, int]]:
    """Run a listener, and return it with its port."""
    heard = Listener()
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as server, anyio.create_task_group() as tasks:
        tasks.start_soon(server.serve, heard.serve)
        yield heard, server.extra(anyio.abc.SocketAttribute.local_port)
        tasks.cancel_scope.cancel()


async def _connected(port: int) -> ReliableClient:
    async def nothing() -> None:
        return

    async def failed(_error: Exception) -> None:
        return

    callbacks = Callbacks(failed=failed, connected=nothing, disconnected=nothing, closed=nothing)
    return await dial(f"nats://127.0.0.1:{port}", "test", "_INBOX", callbacks)


async def test_the_end_of_a_subscription_is_said_before_the_ping_that_confirms_it(
    listener: tuple[Listener, int],
) -> None:
    heard, port = listener
    client = await _connected(port)
    subscription = await client.subscribe("subject")
    await client.catch_up()
    heard.heard.clear()

    await client.withdraw(subscription)
    await client.close()

    assert heard.heard[:2] == ["UNSUB", "PING"]
