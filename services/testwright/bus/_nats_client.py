"""The nats-py client as it can be relied on: how it connects, paces its reconnects and ends a subscription.

Messages go past what nats-py does with each of them, which costs more than all else about a confirmed publish: they are
sent without a task, and handed to their subscriber as they are taken off the connection.
"""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import anyio
import nats.errors
from nats.aio.client import Client, Server, Srv
from nats.aio.subscription import Subscription
from nats.aio.transport import TcpTransport

from testwright.bus._nats_credentials import credentials, place, public
from testwright.bus._nats_intake import Wire
from testwright.bus._nats_wire import Handler, Message, command, parse_headers
from testwright.errors import ConnectError
from testwright.pacing import Backoff

_PATIENCE_S = 3.0
_TIMEOUT_S = 2
_HANG_UP_S = 1.0
_PING_S = 5
_FOREVER_S = 10 * 365 * 86_400
_SOON_S = 0.005

BROKEN = (OSError, RuntimeError, TypeError, AttributeError, nats.errors.OutboundBufferLimitError)
"""What nats-py, or the event loop under it, may raise while the connection is going away."""


@dataclass(frozen=True, slots=True)
class Callbacks:
    """What a client tells its link; none of them may raise."""

    failed: Callable[[Exception], None]
    connected: Callable[[], Awaitable[None]]
    disconnected: Callable[[], Awaitable[None]]
    closed: Callable[[], Awaitable[None]]


class ReliableClient(Client):
    """A client that reconnects for ever, once ``dial`` has connected it.

    Args:
        callbacks: what it calls.
    """

    def __init__(self, callbacks: Callbacks) -> None:
        super().__init__()
        self._callbacks = callbacks
        self._backoff = Backoff(max_s=2.0, factor=1.5)
        self._turn = itertools.count()
        self._problem: Exception | None = None
        self._handlers: dict[int, Handler] = {}
        self._writing = False
        self._waits: asyncio.TimerHandle | None = None

    @property
    def identity(self) -> str:
        """Return the ids of the server and of this connection there, as the server announces its end."""
        return f"{self._server_info.get('server_id', '')}/{self.client_id}"

    async def try_connect(
        self, servers: list[str], name: str, inbox: str, signed: Mapping[str, Any]
    ) -> Exception | None:
        """Connect if that is possible now, otherwise return why it is not; whatever ends this leaves nothing open."""
        connected = False
        try:
            await self.connect(
                servers,
                name=name,
                allow_reconnect=False,
                max_reconnect_attempts=1,
                reconnect_time_wait=0,
                connect_timeout=_TIMEOUT_S,
                ping_interval=_PING_S,
                inbox_prefix=inbox,
                error_cb=self._failed,
                disconnected_cb=self._callbacks.disconnected,
                reconnected_cb=self._callbacks.connected,
                closed_cb=self._callbacks.closed,
                reconnect_to_server_handler=self._choose,
                **signed,
            )
            connected = True
        except (OSError, nats.errors.Error, ValueError) as error:
            return self._problem or error
        finally:
            if not connected:
                with anyio.move_on_after(_HANG_UP_S, shield=True), suppress(*BROKEN):
                    await self._close(Client.DISCONNECTED, do_cbs=False)
        # nats-py reads these at every reconnect.
        self.options.update(allow_reconnect=True, max_reconnect_attempts=-1)
        return None

    async def listen(self, subject: str, handler: Handler) -> Subscription:
        """Subscribe, if the connection is just going away then with the next one.

        Args:
            subject: what to listen to.
            handler: called with each message as it is taken off the connection.
        """
        self._handlers[self._sid + 1] = handler  # the number that comes next
        try:
            return await self.subscribe(subject)
        except BROKEN:
            return self._subs[self._sid]  # known already, and so said again when the connection is back

    def send(self, subject: str, data: bytes, reply: str = "", headers: bytes = b"", *, soon: bool = False) -> None:
        """Have a message sent at once, if the connection is just going away then with the next one.

        Args:
            subject: where to.
            data: the body.
            reply: where answers go.
            headers: what ``block`` made of them.
            soon: whether it may wait some milliseconds for others that are sent: a write of its own costs as much as
                making it.

        Raises:
            nats.errors.Error: it cannot be sent, or not now.
        """
        # What nats-py keeps is read past its properties here: three calls for each message are a tenth of sending it.
        status = self._status
        if status == Client.CLOSED:
            raise nats.errors.ConnectionClosedError
        if len(headers) + len(data) > self._max_payload:
            raise nats.errors.MaxPayloadError
        try:
            said = command(subject, data, reply, headers)
        except ValueError as error:
            raise nats.errors.BadSubjectError from error
        if status != Client.CONNECTED and self._pending_data_size + len(said) > self._max_pending_size:
            raise nats.errors.OutboundBufferLimitError
        self._pending.append(said)
        self._pending_data_size += len(said)
        if status == Client.CONNECTED and not self._writing:
            self._have_written(soon=soon)

    def _have_written(self, *, soon: bool) -> None:
        loop = asyncio.get_running_loop()
        if not soon:
            self._writing = True
            loop.call_soon(self._write_out)
        elif self._waits is None:
            self._waits = loop.call_later(_SOON_S, self._write_what_waits)

    def _write_what_waits(self) -> None:
        self._waits = None
        if self._pending and not self._writing:
            self._write_out()

    def _write_out(self) -> None:
        # What was sent in one turn of the event loop leaves at once, and without nats-py's task for that.
        self._writing = False
        if not self.is_connected or self._transport is None or not self._pending:
            return  # what is left is said when the connection is back
        if not isinstance(self._transport, TcpTransport):
            if self._flush_queue is not None and self._flush_queue.empty():
                self._flush_queue.put_nowait(asyncio.Future())
            return
        said, self._pending, self._pending_data_size = self._pending, [], 0
        with suppress(*BROKEN):  # the reader finds out, too
            self._transport.writelines(said)  # type: ignore[no-untyped-call]  # nats-py has no types for it

    async def close(self) -> None:
        """Hang up, also where there is nobody to hang up on."""
        if not self.is_connected:
            self._pending.clear()
            self._pending_data_size = 0
        try:
            await super().close()
        except BROKEN:
            await self._callbacks.closed()

    async def flush(self, timeout: int = _FOREVER_S) -> None:
        """Wait for a pong; never given up, as a late one would then kill the reader."""
        await super().flush(timeout=_FOREVER_S)

    async def catch_up(self) -> None:
        """Wait until the server has seen all that was sent, and what it sent before that has arrived."""
        await self._flush_pending(force_flush=True)  # a ping overtakes what waits to be sent
        await self.flush()

    async def withdraw(self, subscription: Subscription) -> None:
        """End a subscription on the server first, and here when what was on its way has reached its handler."""
        try:
            if self.is_connected:
                await self._send_unsubscribe(subscription._id)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  no public way
                await self.catch_up()
        finally:
            self._handlers.pop(subscription._id, None)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  no public way
            if not self.is_closed:
                await subscription.unsubscribe()

    def rested(self) -> None:
        """Try at once when the connection goes away the next time."""
        self._backoff.reset()

    async def _connect_to_server(self, s: Srv) -> None:
        # nats-py makes its own where there is none.
        if self._transport is None and s.uri.scheme not in ("ws", "wss"):
            self._transport = Wire(self._take)
        await super()._connect_to_server(s)

    def _take(self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes) -> None:
        handler = self._handlers.get(sid)
        if handler is None:
            return
        try:
            handler(Message(subject.decode(), reply.decode(), data, parse_headers(headers) if headers else {}))
        except Exception as error:  # noqa: BLE001  one that fails must not keep messages from others
            self._note(error)

    async def _process_msg(self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes) -> None:
        # nats-py's parser calls this with what came by another way.
        self._take(sid, subject, reply, data, headers)

    async def _failed(self, error: Exception) -> None:
        self._note(error)

    def _note(self, error: Exception) -> None:
        self._problem = error
        self._callbacks.failed(error)

    def _choose(self, servers: list[Server], _info: dict[str, Any]) -> tuple[Server, float]:
        return servers[next(self._turn) % len(servers)], self._backoff.next_s()


async def dial(url: str, name: str, inbox: str | None, callbacks: Callbacks) -> ReliableClient:
    """Return a client that is connected to a server, or to one of several separated by commas.

    Args:
        url: of the servers; how to sign in is said with the first.
        name: of the connection.
        inbox: subject prefix for answers; ``None`` for the one that the credentials name.
        callbacks: what the client calls.

    Raises:
        ConnectError: none answers within a few seconds, or the credentials are refused.
    """
    servers = [server.strip() for server in url.split(",")]
    places = [place(server) for server in servers]
    signed = await anyio.to_thread.run_sync(credentials, servers[0])
    patience = anyio.current_time() + _PATIENCE_S
    backoff = Backoff(base_s=0.2)
    while True:
        client = ReliableClient(callbacks)
        problem = await client.try_connect(places, name, inbox or signed.inbox or "_INBOX", signed.options)
        if problem is None:
            return client
        if is_refusal(problem) or anyio.current_time() >= patience:
            why = str(problem) or "it does not answer"
            raise ConnectError(f"cannot connect to {public(url)}: {why}") from problem
        await backoff.pause()


def is_refusal(error: Exception) -> bool:
    """Return whether the server does not accept the credentials."""
    return "authorization violation" in str(error).lower()
