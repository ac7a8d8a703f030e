"""Following a stream without a gap, and reading a part of it.

A short-lived push consumer delivers to an inbox; its deliveries are numbered, so a lost one is noticed. Whenever that
or a reconnect, a missed heartbeat or a deleted consumer leaves a doubt, a new consumer starts behind the last message
that was handed out. What the reader has not taken yet holds back the server through flow control.

Whoever may read a part of the stream only is held to it by the subject that creates the consumer, which has room for
one filter. Several are then followed through one that covers them all, and what is too much is left out here.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Literal

import anyio
import msgspec

from testwright.bus import Stored
from testwright.bus._filters import compile_filters, cover
from testwright.bus._nats_api import API, read
from testwright.bus._nats_link import Link, Retire, State
from testwright.bus._nats_wire import NS, Message, origin, stored
from testwright.errors import BusClosedError, BusError, BusTimeoutError, PermissionDeniedError
from testwright.pacing import Backoff

_HEARTBEAT_S = 5.0
_QUIET_S = 2.5 * _HEARTBEAT_S
_ABANDONED_S = 10.0
_STATUS = "100"

Start = Literal["new", "resume", "last_per_subject"]
Queue = asyncio.Queue[Message | BusError | None]


class Follower:
    """Hands out the messages of a stream that match filters.

    Args:
        link: the connection.
        stream: its name.
        filters: subjects, with wildcards.
        start: where to begin; behind ``after`` for ``resume``.
        after: a sequence.
        ends_within_s: end when all that was there has been handed out, and give up a reopening after this time;
            ``None`` to go on for ever.
    """

    def __init__(
        self,
        link: Link,
        stream: str,
        filters: Sequence[str],
        start: Start,
        *,
        after: int = 0,
        ends_within_s: float | None = None,
    ) -> None:
        self._link = link
        self._stream = stream
        self._filters = list(filters)
        self._wanted = compile_filters(filters)
        self._start: Start = start
        self._last = after
        self._ends_within_s = ends_within_s
        self._queue: Queue | None = None
        self._retire: Retire | None = None
        self._delivered = 0
        self._pending = 0
        self._goal = 0

    def __aiter__(self) -> "Follower":
        return self

    async def __anext__(self) -> Stored:
        while True:
            queue = self._queue or await self.open(self._ends_within_s)
            if self._finished():
                raise StopAsyncIteration
            message: Message | BusError | None = None
            with anyio.move_on_after(_QUIET_S):
                message = await queue.get()
            if isinstance(message, BusError):
                raise message
            if message is None or not self._in_order(message):
                self._queue = None
            elif message.delivered and (taken := self._take(message)) is not None:
                return taken

    async def open(self, within_s: float | None) -> Queue:
        """Have the server deliver what comes next; tried again for ``within_s``, ``None`` for ever.

        Raises:
            StreamNotFoundError, PermissionDeniedError, BusTimeoutError, BusClosedError: see there.
        """
        backoff = Backoff()
        with anyio.move_on_after(within_s):
            while True:
                await self._link.ready()
                self._queue = await self._try_open()
                if self._queue is not None:
                    return self._queue
                await backoff.pause()
        raise BusTimeoutError(f"stream {self._stream}", within_s or 0.0)

    @contextmanager
    def attached(self) -> Generator[None]:
        """Take note of the connection, and let go of the server's consumer at the end."""
        with self._link.listening(self._on_state):
            try:
                yield
            finally:
                self._close()

    def _on_state(self, state: State) -> None:
        if self._queue is not None and state == "connected":
            self._queue.put_nowait(None)
        elif self._queue is not None and state == "closed":
            self._queue.put_nowait(BusClosedError("the connection was closed for good"))

    def _close(self) -> None:
        if self._retire is not None:
            self._retire()
        self._queue = self._retire = None

    async def _try_open(self) -> Queue | None:
        # A new inbox and a new name for each try: what an older consumer may still deliver is not mistaken for its own.
        self._close()
        queue: Queue = asyncio.Queue()
        inbox, name = self._link.new_inbox(), self._link.new_name()

        def refused() -> None:
            queue.put_nowait(PermissionDeniedError("subscribe to", inbox))

        self._retire = await self._link.subscribe(inbox, queue.put_nowait, refused)
        try:
            answer = await self._create(name, inbox)
        except PermissionDeniedError:
            if self._narrow or len(self._filters) == 1:
                raise
            self._link.narrow.add(self._stream)
            answer = await self._create(name, inbox)
        content = None if answer is None else read(answer, f"stream {self._stream}")
        if content is None:
            return None
        self._begin(content)
        return queue

    @property
    def _narrow(self) -> bool:
        return self._stream in self._link.narrow

    async def _create(self, name: str, inbox: str) -> Message | None:
        filters = [cover(self._filters)] if self._narrow else self._filters
        scope = f".{filters[0]}" if len(filters) == 1 else ""
        body = {"stream_name": self._stream, "config": self._config(name, inbox, filters)}
        return await self._link.request(
            f"{API}.CONSUMER.CREATE.{self._stream}.{name}{scope}",
            msgspec.json.encode(body),
            operation="create a consumer by",
        )

    def _config(self, name: str, inbox: str, filters: Sequence[str]) -> dict[str, Any]:
        starts: dict[Start, dict[str, Any]] = {
            "new": {"deliver_policy": "new"},
            "resume": {"deliver_policy": "by_start_sequence", "opt_start_seq": self._last + 1},
            "last_per_subject": {"deliver_policy": "last_per_subject"},
        }
        return {
            "name": name,
            "deliver_subject": inbox,
            "ack_policy": "none",
            "flow_control": True,
            "idle_heartbeat": int(_HEARTBEAT_S * NS),
            "inactive_threshold": int(_ABANDONED_S * NS),
            "mem_storage": True,
            "num_replicas": 1,
            **({"filter_subject": filters[0]} if len(filters) == 1 else {"filter_subjects": list(filters)}),
            **starts[self._start],
        }

    def _begin(self, content: Mapping[str, Any]) -> None:
        self._delivered = 0
        self._pending = self._goal = int(content["num_pending"])
        if self._start == "new":
            self._last = int(content["delivered"]["stream_seq"])
            self._start = "resume"

    def _finished(self) -> bool:
        # What is published meanwhile must not keep the reader for ever.
        return self._ends_within_s is not None and (self._pending == 0 or self._delivered >= self._goal)

    def _in_order(self, message: Message) -> bool:
        if message.delivered:
            return origin(message.reply).delivery == self._delivered + 1
        if message.status != _STATUS:
            return False
        if message.reply:
            self._link.post(message.reply)  # flow control: everything before it has been taken
            return True
        if stalled := message.headers.get("Nats-Consumer-Stalled"):
            self._link.post(stalled)
        idle_before_the_end = self._ends_within_s is not None
        return not idle_before_the_end and int(message.headers.get("Nats-Last-Consumer", "0")) == self._delivered

    def _take(self, message: Message) -> Stored | None:
        where = origin(message.reply)
        self._delivered, self._pending = where.delivery, where.pending
        if where.sequence <= self._last:
            return None
        self._last = where.sequence
        return stored(message) if self._wanted.fullmatch(message.subject) else None


@asynccontextmanager
async def feed(
    link: Link, stream: str, filters: Sequence[str], after: int | None, within_s: float
) -> AsyncGenerator[Follower]:
    """Follow a stream; it is followed when the context is entered."""
    follower = Follower(link, stream, filters, "new" if after is None else "resume", after=after or 0)
    with follower.attached():
        await follower.open(within_s)
        yield follower


async def read_out(
    link: Link, stream: str, filters: Sequence[str], start: Start, within_s: float
) -> AsyncIterator[Stored]:
    """Yield what a stream holds now."""
    follower = Follower(link, stream, filters, start, ends_within_s=within_s)
    with follower.attached():
        async for found in follower:
            yield found
