"""The only place that speaks HTTP/1.1 as a server: one request a connection, over any byte stream."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

import anyio
import h11
from anyio.abc import ByteStream

MOST_BYTES = 32_000_000
"""Longest request that is taken."""

CHUNK = 65_536


@dataclass(frozen=True, slots=True)
class Request:
    """A request, whole: header names in lower case, ``target`` as it was sent."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


class Reply:
    """Where the answer to one request goes: a head, then pieces of the body as they come."""

    def __init__(self, stream: ByteStream, connection: h11.Connection) -> None:
        self._stream = stream
        self._connection = connection

    async def begin(self, status: int, headers: Sequence[tuple[str, str]] = ()) -> None:
        """Send the head; the body follows in chunks."""
        await self._send(h11.Response(status_code=status, headers=[*headers, ("connection", "close")]))

    async def add(self, data: bytes) -> None:
        """Send a piece of the body at once."""
        if data:
            await self._send(h11.Data(data=data))

    async def end(self) -> None:
        """Send the end of the body."""
        await self._send(h11.EndOfMessage())

    async def whole(self, status: int, body: bytes, headers: Sequence[tuple[str, str]] = ()) -> None:
        """Send a whole answer in JSON."""
        length = ("content-length", str(len(body)))
        await self.begin(status, [("content-type", "application/json"), length, *headers])
        await self.add(body)
        await self.end()

    async def _send(self, event: h11.Response | h11.Data | h11.EndOfMessage) -> None:
        if data := self._connection.send(event):
            await self._stream.send(data)


Answer = Callable[[Request, Reply], Awaitable[None]]
"""Answers one request."""


async def serve_one(stream: ByteStream, answer: Answer) -> None:
    """Read one request, have it answered, and close the connection; who speaks no HTTP, or leaves, gets nothing."""
    connection = h11.Connection(h11.SERVER)
    async with stream:
        try:
            request = await _read(stream, connection)
            await answer(request, Reply(stream, connection))
        except (h11.ProtocolError, anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
            return


async def _read(stream: ByteStream, connection: h11.Connection) -> Request:
    head: h11.Request | None = None
    body = bytearray()
    while True:
        event = connection.next_event()
        match event:
            case h11.NEED_DATA:
                await _feed(stream, connection)
            case h11.Request():
                head = event
            case h11.Data():
                body += event.data
                if len(body) > MOST_BYTES:
                    raise h11.RemoteProtocolError("request too long", error_status_hint=413)
            case h11.EndOfMessage() if head:
                headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in head.headers}
                return Request(head.method.decode(), head.target.decode("latin-1"), headers, bytes(body))
            case _:
                raise anyio.EndOfStream


async def _feed(stream: ByteStream, connection: h11.Connection) -> None:
    if connection.they_are_waiting_for_100_continue:
        go_on = connection.send(h11.InformationalResponse(status_code=100, headers=[]))
        await stream.send(go_on or b"")
    try:
        connection.receive_data(await stream.receive(CHUNK))
    except anyio.EndOfStream:
        connection.receive_data(b"")
