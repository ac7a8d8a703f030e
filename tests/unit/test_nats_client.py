"""What a client says, in which order, and what it makes of what it hears."""

from collections.abc import AsyncIterator
from contextlib import suppress

import anyio
import nats.errors
import pytest
from anyio.abc import SocketStream
from anyio.streams.buffered import BufferedByteReceiveStream
from nats.aio.transport import TcpTransport

from testwright.bus._nats_client import Callbacks, ReliableClient, dial
from testwright.bus._nats_wire import Message
from testwright.errors import ConnectError

INFO = b'INFO {"max_payload": 1048576, "headers": true}\r\n'


class Listener:
    """Answers pings, with what there is to say before the pong, and keeps the first word of every line it hears."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.to_say = b""
        self._heard_more = anyio.Event()

    async def more(self) -> None:
        """Return when another line was heard."""
        self._heard_more = anyio.Event()
        await self._heard_more.wait()

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
                self._heard_more.set()
                if line == b"PING":
                    await stream.send(self.to_say + b"PONG\r\n")


@pytest.fixture
async def listener() -> AsyncIterator[tuple[Listener, int]]:
    """Run a listener, and return it with its port."""
    heard = Listener()
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as server, anyio.create_task_group() as tasks:
        tasks.start_soon(server.serve, heard.serve)
        yield heard, server.extra(anyio.abc.SocketAttribute.local_port)
        tasks.cancel_scope.cancel()


async def _connected(port: int, errors: list[Exception] | None = None) -> ReliableClient:
    return await dial(f"nats://127.0.0.1:{port}", "test", "_INBOX", _callbacks(errors))


def _callbacks(errors: list[Exception] | None = None) -> Callbacks:
    async def nothing() -> None:
        return

    def failed(error: Exception) -> None:
        if errors is not None:
            errors.append(error)

    return Callbacks(failed=failed, connected=nothing, disconnected=nothing, closed=nothing)


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


async def test_what_arrives_before_a_pong_has_reached_its_subscriber_with_it(listener: tuple[Listener, int]) -> None:
    heard, port = listener
    client = await _connected(port)
    taken: list[Message] = []
    await client.listen("subject", taken.append)
    heard.to_say = b"HMSG subject 1 back 18 20\r\nNATS/1.0\r\na: b\r\n\r\nhi\r\nMSG subject 1 0\r\n\r\n"

    await client.catch_up()
    await client.close()

    assert taken == [Message("subject", "back", b"hi", {"a": "b"}), Message("subject", "", b"")]


async def test_a_subscriber_that_fails_does_not_keep_messages_from_others(listener: tuple[Listener, int]) -> None:
    heard, port = listener
    errors: list[Exception] = []
    client = await _connected(port, errors)
    taken: list[Message] = []

    def fail(_message: Message) -> None:
        raise LookupError

    await client.listen("bad", fail)
    await client.listen("good", taken.append)
    heard.to_say = b"MSG bad 1 0\r\n\r\nMSG good 2 0\r\n\r\n"

    await client.catch_up()
    await client.close()

    assert taken == [Message("good", "", b"")]
    assert [type(error) for error in errors] == [LookupError]


async def test_what_may_wait_leaves_by_itself_and_before_what_is_sent_after_it(listener: tuple[Listener, int]) -> None:
    heard, port = listener
    client = await _connected(port)
    heard.heard.clear()

    client.send("subject", b"1", soon=True)
    while "1" not in heard.heard:
        await heard.more()
    client.send("subject", b"2", soon=True)
    client.send("subject", b"3")
    client.send("subject", b"4", soon=True)
    await client.catch_up()
    client.send("subject", b"5", soon=True)
    await client.close()
    while "5" not in heard.heard:
        await heard.more()

    assert heard.heard == ["PUB", "1", "PUB", "2", "PUB", "3", "PUB", "4", "PING", "PUB", "5"]


async def test_what_may_wait_is_written_with_what_is_sent_next(
    listener: tuple[Listener, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, port = listener
    client = await _connected(port)
    written: list[int] = []

    def writelines(_: TcpTransport, lines: list[bytes]) -> None:
        written.append(len(lines))

    monkeypatch.setattr(TcpTransport, "writelines", writelines)

    monkeypatch.setattr("testwright.bus._nats_client._SOON_S", 60.0)
    client.send("subject", b"1", soon=True)
    await anyio.wait_all_tasks_blocked()
    client.send("subject", b"2")
    await anyio.wait_all_tasks_blocked()

    assert written == [2]
    await client.close()


async def test_what_cannot_be_sent_is_refused_before_it_is(listener: tuple[Listener, int]) -> None:
    heard, port = listener
    client = await _connected(port)
    heard.heard.clear()

    with pytest.raises(nats.errors.BadSubjectError):
        client.send("two words", b"")
    with pytest.raises(nats.errors.MaxPayloadError):
        client.send("subject", b"x" * (client.max_payload + 1))
    client.send("subject", b"x")
    await client.catch_up()
    await client.close()
    with pytest.raises(nats.errors.ConnectionClosedError):
        client.send("subject", b"x")

    assert heard.heard == ["PUB", "x", "PING"]


async def test_a_connection_that_is_given_up_while_it_is_made_is_hung_up() -> None:
    heard, hung_up = anyio.Event(), anyio.Event()

    async def say_nothing(stream: SocketStream) -> None:
        async with stream:
            await stream.send(INFO)
            with suppress(anyio.EndOfStream, anyio.BrokenResourceError):
                while await stream.receive():
                    heard.set()
        hung_up.set()

    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as server, anyio.create_task_group() as tasks:
        tasks.start_soon(server.serve, say_nothing)
        async with anyio.create_task_group() as dialling:
            dialling.start_soon(_connected, server.extra(anyio.abc.SocketAttribute.local_port))
            await heard.wait()
            dialling.cancel_scope.cancel()
        with anyio.fail_after(10):
            await hung_up.wait()
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize(
    "url", ["nats://", "nats://:4222", "nats://host:0", "nats://host:70000", "nats://host:port", "nats://[::1", "", ","]
)
async def test_what_is_no_url_of_a_server_is_refused_at_once(url: str) -> None:
    with pytest.raises(ConnectError, match="is no server's URL: write nats://HOST:PORT"):
        await dial(f"127.0.0.1:4222,{url}", "test", None, _callbacks())


async def test_no_part_of_a_password_is_shown_whatever_is_in_it() -> None:
    with pytest.raises(ConnectError) as refused:
        await dial("nats://me:sec/ret@host:4222", "test", None, _callbacks())

    assert "sec" not in f"{refused.value}{refused.value.__context__}"
