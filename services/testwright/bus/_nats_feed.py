"""Following a stream without a gap, and reading a part of it.

A short-lived push consumer delivers to an inbox; its deliveries are numbered, so a lost one is noticed. Whenever that
or a reconnect, a missed heartbeat or a deleted consumer leaves a doubt, a new consumer starts behind the last message
that was handed out. Where the stream does not reach as far as that, the server that answers may lag behind for a
moment; or the stream was made anew, or has lost its end, and what the reader waits for may never come. What the reader
has not taken yet holds back the server through flow control.

Whoever may read a part of the stream only is held to it by the subject that creates the consumer, which has room for
one filter. Several are then followed through one that covers them all, and what is too much is left out here.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from typing import Any, Literal

import anyio
import msgspec

from testwright.bus import Stored
from testwright.bus._filters import compile_filters, cover
from testwright.bus._nats_answers import Mailbox, now
from testwright.bus._nats_api import API, read
from testwright.bus._nats_link import Link, Retire, State
from testwright.bus._nats_wire import NS, Message, origin, stored
from testwright.errors import BusClosedError, BusError, BusTimeoutError, PermissionDeniedError, StreamReplacedError
from testwright.pacing import Backoff

HEARTBEAT_S = 5.0
"""Seconds of silence after which the server says that a feed is alive."""

QUIET_S = 2.5 * HEARTBEAT_S
"""Seconds without a word after which a feed is made anew."""

_ABANDONED_S = 10.0
_STATUS = "100"

LAG_S = 30.0
"""Seconds that a server of a cluster may lag behind what another one has delivered."""

Start = Literal["new", "resume", "last_per_subject"]
Queue = Mailbox[Message | BusError | None]


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
        self._last_at: datetime | None = None
        self._opened = False
        self._behind_since: float | None = None
        self._reached = 0
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
            message = await queue.take(QUIET_S)
            if isinstance(message, BusError):
                raise message
            if message is None or not self._in_order(message):
                self._queue = None
            elif message.delivered and (taken := self._take(message)) is not None:
                return taken
            elif self._behind_since is not None and now() > self._behind_since + LAG_S:
                self._queue = None

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
            self._queue.put(None)
        elif self._queue is not None and state == "closed":
            self._queue.put(BusClosedError("the connection was closed for good"))

    def _close(self) -> None:
        if self._retire is not None:
            self._retire()
        self._queue = self._retire = None

    async def _try_open(self) -> Queue | None:
        # A new inbox and a new name for each try: what an older consumer may still deliver is not mistaken for its own.
        self._close()
        queue: Queue = Mailbox()
        inbox, name = self._link.new_inbox(), self._link.new_name()

        def refused() -> None:
            queue.put(PermissionDeniedError("subscribe to", inbox))

        self._retire = await self._link.subscribe(inbox, queue.put, refused)
        if self._opened and self._start == "resume" and not await self._look_behind():
            return None
        content = await self._created(name, inbox, self._start)
        if content is None:
            return None
        self._begin(content)
        return queue

    async def _look_behind(self) -> bool:
        """Take note of whether the stream reaches as far as what was handed out; returns whether the server said.

        Raises:
            StreamReplacedError: for too long it has not.
        """
        # Nobody listens to this one, which ends by itself; the answer says where the stream ends.
        content = await self._created(self._link.new_name(), self._link.new_inbox(), "new")
        if content is None:
            return False
        self._reached = int(content["delivered"]["stream_seq"])
        if self._reached >= self._last:
            self._behind_since = None
        elif self._behind_since is None:
            self._behind_since = now()
        elif now() > self._behind_since + LAG_S:
            raise self._replaced()
        return True

    def _replaced(self) -> BusError:
        why = "was deleted and made again, or has lost what it had confirmed"
        return StreamReplacedError(f"{self._stream} {why}: start anew")

    async def _created(self, name: str, inbox: str, start: Start) -> dict[str, Any] | None:
        """Return what the server says of a new consumer, ``None`` where it does not."""
        try:
            answer = await self._create(name, inbox, start)
        except PermissionDeniedError:
            if self._narrow or len(self._filters) == 1:
                raise
            self._link.narrow.add(self._stream)
            answer = await self._create(name, inbox, start)
        return None if answer is None else read(answer, f"stream {self._stream}")

    @property
    def _narrow(self) -> bool:
        return self._stream in self._link.narrow

    async def _create(self, name: str, inbox: str, start: Start) -> Message | None:
        filters = [cover(self._filters)] if self._narrow else self._filters
        scope = f".{filters[0]}" if len(filters) == 1 else ""
        body = {"stream_name": self._stream, "config": self._config(name, inbox, filters, start)}
        return await self._link.request(
            f"{API}.CONSUMER.CREATE.{self._stream}.{name}{scope}",
            msgspec.json.encode(body),
            operation="create a consumer by",
        )

    def _config(self, name: str, inbox: str, filters: Sequence[str], start: Start) -> dict[str, Any]:
        behind = self._last if self._behind_since is None else self._reached
        starts: dict[Start, dict[str, Any]] = {
            "new": {"deliver_policy": "new"},
            "resume": {"deliver_policy": "by_start_sequence", "opt_start_seq": behind + 1},
            "last_per_subject": {"deliver_policy": "last_per_subject"},
        }
        return {
            "name": name,
            "deliver_subject": inbox,
            "ack_policy": "none",
            "flow_control": True,
            "idle_heartbeat": int(HEARTBEAT_S * NS),
            "inactive_threshold": int(_ABANDONED_S * NS),
            "mem_storage": True,
            "num_replicas": 1,
            **({"filter_subject": filters[0]} if len(filters) == 1 else {"filter_subjects": list(filters)}),
            **starts[start],
        }

    def _begin(self, content: Mapping[str, Any]) -> None:
        self._delivered = 0
        self._pending = self._goal = int(content["num_pending"])
        if self._start == "new":
            self._last = int(content["delivered"]["stream_seq"])
            self._start = "resume"
        self._opened = True

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
            if self._last_at and where.time > self._last_at:
                raise self._replaced()
            return None
        self._last, self._last_at, self._behind_since = where.sequence, where.time, None
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
