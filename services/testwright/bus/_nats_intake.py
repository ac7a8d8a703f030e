"""Takes messages off a connection as they are read: the only place that knows how the server frames them.

nats-py has each of them pass through a stream, a task that waits at it, and some regular expressions, which is most of
what receiving one costs. What else the server says, a few lines a minute, goes on to nats-py.
"""

import asyncio
from collections.abc import Callable
from typing import Any, cast

from nats.aio.transport import TcpTransport

Take = Callable[[int, bytes, bytes, bytes, bytes], None]
"""Takes the number of a subscription, subject, reply subject, body and block of headers; must not raise."""

_END = b"\r\n"


class Intake(asyncio.Protocol):
    """Stands between a connection and the protocol that it had.

    Args:
        rest: that protocol, which is told of all but messages.
        take: is given each message.
    """

    def __init__(self, rest: asyncio.Protocol, take: Take) -> None:
        self._rest = rest
        self._take = take
        self._kept: list[bytes] = []
        self._size = 0
        self._wanted = 0

    def data_received(self, data: bytes) -> None:
        """Take what is complete by now."""
        if self._kept:
            # What is long comes in many pieces, and is put together once.
            self._kept.append(data)
            self._size += len(data)
            if self._size < self._wanted:
                return
            data = b"".join(self._kept)
            self._kept.clear()
        read = self._read(data)
        if read < len(data):
            self._kept.append(data[read:])
            self._size = len(data) - read

    def _read(self, data: bytes) -> int:
        """Pass on what is complete; returns how many bytes that is."""
        at, self._wanted = 0, 0
        while (stop := data.find(_END, at)) >= 0:
            start = stop + len(_END)
            match data[at:stop].split():
                case [b"HMSG", subject, number, *reply, head, size] if (number + head + size).isdigit():
                    body = start + int(head)
                case [b"MSG", subject, number, *reply, size] if (number + size).isdigit():
                    body = start
                case _:
                    self._rest.data_received(data[at:start])
                    at = start
                    continue
            end = start + int(size)
            if len(data) < end + len(_END):
                self._wanted = end + len(_END) - at
                break
            self._take(int(number), subject, reply[0] if reply else b"", data[body:end], data[start:body])
            at = end + len(_END)
        return at

    def pause_writing(self) -> None:
        """Have writers wait."""
        self._rest.pause_writing()

    def resume_writing(self) -> None:
        """Let writers go on."""
        self._rest.resume_writing()

    def eof_received(self) -> bool | None:
        """Tell of the end."""
        return self._rest.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell of the loss."""
        self._rest.connection_lost(exc)


class Wire(TcpTransport):
    """A connection of nats-py, whose messages are taken off before it reads.

    Args:
        take: is given each message.
    """

    def __init__(self, take: Take) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # nats-py has no types for it
        self._take = take

    async def connect(self, *args: Any, **options: Any) -> None:
        """Connect; the server says one line until it is answered."""
        await super().connect(*args, **options)
        self._stand_between()

    async def connect_tls(self, *args: Any, **options: Any) -> None:
        """Encrypt the connection, in which the server waits to be answered."""
        await super().connect_tls(*args, **options)
        self._stand_between()

    def __bool__(self) -> bool:
        # nats-py takes another one where this is not said.
        return True

    def _stand_between(self) -> None:
        connection = cast(asyncio.StreamWriter, self._io_writer).transport
        connection.set_protocol(Intake(cast(asyncio.Protocol, connection.get_protocol()), self._take))
