"""The only caller of nats-py: one supervised connection, its requests and its subscriptions.

nats-py calls that are cancelled in flight, or lose their connection, cannot be relied on. So what may
wait runs in a task of the link, callers wait for futures, a lost connection answers every open request with "ask again"
at once, and a refusal by the server ends the operation it was meant for.
"""

import asyncio
import itertools
import logging
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextlib import contextmanager
from typing import Any, Literal

import anyio
import nats.errors

from testwright.bus._nats_answers import Answer, Question, Questions, checked, settle
from testwright.bus._nats_client import BROKEN, Callbacks, ReliableClient, dial, is_refusal
from testwright.bus._nats_credentials import public
from testwright.bus._nats_refusals import Refusals, Refuse
from testwright.bus._nats_wire import Handler, Message
from testwright.errors import BusClosedError, BusError, PermissionDeniedError

State = Literal["connected", "disconnected", "closed"]
Retire = Callable[[], None]
"""Ends a subscription without losing what is on its way to its handler."""

_CLOSE_S = 5.0

_log = logging.getLogger("testwright.bus.nats")


class Link:
    """A connection that comes back by itself.

    Args:
        inbox: subject prefix of everything that is addressed to this connection; ``None`` for what its credentials say.
        on_state: told ``connected``, ``disconnected`` or ``closed``, with a detail.

    Attributes:
        connected: whether a message would reach the server now; asked for each, so no property.
        refusals: who is told what the server refuses.
        narrow: streams that the server was found to let us read by one filter at a time only.
    """

    def __init__(self, inbox: str | None = None, on_state: Callable[[str, str], None] | None = None) -> None:
        self._prefix = inbox
        self._on_state = on_state
        self._callbacks = Callbacks(self._on_error, self._on_connected, self._on_disconnected, self._on_closed)
        self._client = ReliableClient(self._callbacks)
        self._inbox = ""
        self._names = itertools.count(1)
        self._outbox: asyncio.Queue[Callable[[], Awaitable[None]]] = asyncio.Queue()
        self._unsent = 0
        self._questions = Questions()
        self._listeners: list[Callable[[State], None]] = []
        self._tasks: set[asyncio.Task[Any]] = set()
        self._round_trips: set[asyncio.Task[Any]] = set()
        self._up = asyncio.Event()
        self._failure = ""
        self.connected = False
        self.refusals = Refusals()
        self.narrow: set[str] = set()

    @property
    def max_payload(self) -> int:
        """Return how many bytes a message may have, headers included."""
        return self._client.max_payload

    @property
    def identity(self) -> str:
        """Return what the server calls this connection, until it goes away; see ``testwright_schemas.Lease``."""
        return self._client.identity

    async def open(self, url: str, name: str) -> None:
        """Connect.

        Raises:
            ConnectError: no server answers, or it refuses the credentials.
            PermissionDeniedError: the credentials do not allow to receive answers.
        """
        self._client = await dial(url, name, self._prefix, self._callbacks)
        self._inbox = self._client.new_inbox()
        self._spawn(self._write(), self._tasks)
        self._stand(connected=True)
        self._tell("connected", public(url))
        await self._listen_for_answers()

    async def close(self) -> None:
        """Send what waits to be sent, and hang up."""
        with anyio.move_on_after(_CLOSE_S):
            if self.connected:
                await self._outbox.join()
                await asyncio.gather(*self._round_trips, return_exceptions=True)
        with anyio.move_on_after(_CLOSE_S):
            if self._inbox:
                await self._client.close()
        for task in (leftover := [*self._tasks, *self._round_trips]):
            task.cancel()
        await asyncio.gather(*leftover, return_exceptions=True)

    async def ready(self) -> None:
        """Wait until there is a connection.

        Raises:
            BusClosedError: it was closed for good.
        """
        await self._up.wait()
        if self._failure:
            raise BusClosedError(self._failure)

    def new_inbox(self) -> str:
        """Return a subject that only this connection listens on, once it does."""
        return f"{self._inbox}.{next(self._names)}"

    def new_name(self) -> str:
        """Return a name that no other connection gives."""
        return "-".join(self.new_inbox().rsplit(".", 2)[1:])

    async def request(
        self,
        subject: str,
        data: bytes = b"",
        headers: bytes = b"",
        *,
        operation: str = "publish to",
        timeout_s: float = 5.0,
        gather: list[Message] | None = None,
    ) -> Message | None:
        """Return the answer; ``None`` if there is none in time, or the connection went away: ask again.

        With ``gather`` the answer is the status that ends a series of messages, which are put there.

        Raises:
            PermissionDeniedError: the server does not let us ask.
            BusClosedError: the connection was closed for good.
        """
        if not self.connected and not await self._back(timeout_s):
            return None
        loop = asyncio.get_running_loop()
        answer: Answer = loop.create_future()
        token = str(next(self._names))
        self._questions.put(token, Question(answer, operation, subject, gather, loop.time() + timeout_s))
        try:
            self.post(subject, data, headers, reply=f"{self._inbox}.answer.{token}", answer=answer)
            return checked(await answer)
        finally:
            self._questions.drop(token)

    def post(
        self,
        subject: str,
        data: bytes = b"",
        headers: bytes = b"",
        *,
        reply: str = "",
        answer: Answer | None = None,
        soon: bool = False,
    ) -> None:
        """Send a message as soon as there is a connection, without waiting; not at all once ``answer`` is known.

        What is to be sent ``soon`` leaves with what is sent next, or a few milliseconds later.
        """
        if self.connected and not self._unsent:
            self._send(subject, data, headers, reply, answer, soon=soon)
            return

        async def call() -> None:
            if answer is None or not answer.done():
                self._send(subject, data, headers, reply, answer)

        self._put_out(call)

    async def subscribe(self, subject: str, handler: Handler, refused: Refuse | None = None) -> Retire:
        """Have ``handler`` called with every message on a subject, also after reconnects; return what ends that.

        Args:
            subject: what to listen to.
            handler: must not raise.
            refused: called when the server does not let us listen.
        """
        await self.ready()
        made: asyncio.Future[Retire | BusError] = asyncio.get_running_loop().create_future()
        self._put_out(lambda: self._subscribe(subject, handler, refused, made))
        return checked(await made)

    @contextmanager
    def listening(self, listener: Callable[[State], None]) -> Generator[None]:
        """Have ``listener`` called when the connection comes and goes."""
        self._listeners.append(listener)
        try:
            yield
        finally:
            self._listeners.remove(listener)

    async def _listen_for_answers(self) -> None:
        subject = f"{self._inbox}.answer.*"
        refusals: list[str] = []
        await self.subscribe(subject, self._questions.take, lambda: refusals.append(subject))
        self._spawn(self._client.catch_up(), self._round_trips)  # a refusal comes before the pong
        await asyncio.wait(self._round_trips)
        if refusals:
            raise PermissionDeniedError("subscribe to", subject)

    async def _subscribe(
        self, subject: str, handler: Handler, refused: Refuse | None, made: "asyncio.Future[Retire | BusError]"
    ) -> None:
        if made.done():
            return

        def retire() -> None:
            if refused is not None:
                self.refusals.discard("subscription", subject, refused)
            self._spawn(self._client.withdraw(subscription), self._round_trips)

        if refused is not None:
            self.refusals.add("subscription", subject, refused)
        try:
            subscription = await self._client.listen(subject, handler)
        except nats.errors.Error as error:
            settle(made, BusClosedError(f"cannot subscribe to {subject}: {error}"))
            return
        settle(made, retire)
        if made.cancelled():
            retire()

    def _send(
        self, subject: str, data: bytes, headers: bytes, reply: str, answer: Answer | None, *, soon: bool = False
    ) -> None:
        try:
            self._client.send(subject, data, reply, headers, soon=soon)
        except BROKEN:
            settle(answer, None)
        except nats.errors.Error as error:
            settle(answer, BusError(f"cannot send to {subject}: {error}"))

    async def _back(self, within_s: float) -> bool:
        with anyio.move_on_after(within_s):
            await self.ready()
            return True
        return False

    def _put_out(self, call: Callable[[], Awaitable[None]]) -> None:
        self._unsent += 1
        self._outbox.put_nowait(call)

    async def _write(self) -> None:
        while True:
            call = await self._outbox.get()
            await self._up.wait()
            await call()
            self._unsent -= 1
            self._outbox.task_done()

    def _spawn(self, call: Coroutine[Any, Any, None], among: set[asyncio.Task[Any]]) -> None:
        task = asyncio.get_running_loop().create_task(call)
        among.add(task)
        task.add_done_callback(among.discard)

    def _stand(self, *, connected: bool) -> None:
        self.connected = connected and not self._failure
        if connected:
            self._up.set()
        else:
            self._up.clear()

    def _tell(self, state: State, detail: str, level: int = logging.DEBUG) -> None:
        _log.log(level, "%s: %s", state, detail)
        for listener in list(self._listeners):
            listener(state)
        if self._on_state is not None:
            self._on_state(state, detail)

    async def _on_connected(self) -> None:
        self._client.rested()
        self._stand(connected=True)
        self._tell("connected", "a server is there again", logging.INFO)

    async def _on_disconnected(self) -> None:
        self._stand(connected=False)
        for task in self._round_trips:
            task.cancel()
        self._questions.settle_all(None)
        self._tell("disconnected", "waiting for a server", logging.DEBUG if self._client.is_closed else logging.WARNING)

    async def _on_closed(self) -> None:
        self._failure = f"the connection was closed for good: {self._client.last_error or 'by us'}"
        self._questions.settle_all(BusClosedError(self._failure))
        self._stand(connected=True)  # whoever waits is to see the failure
        self._tell("closed", self._failure)

    def _on_error(self, error: Exception) -> None:
        # Whoever reads from the connection calls this.
        _log.debug("nats-py: %s", error)
        self.refusals.dispatch(str(error))
        self._questions.refuse(str(error))
        if is_refusal(error) and self._inbox:
            # While reconnecting nats-py would try the same credentials for ever.
            self._spawn(self._client.close(), self._tasks)
