"""How a follower of a stream deals with what gets lost on the way to it; the server is a small real fake."""

import json
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any, cast

import anyio
import pytest

from testwright.bus import _nats_feed
from testwright.bus._nats_feed import Follower
from testwright.bus._nats_link import Link
from testwright.bus._nats_wire import Message
from testwright.errors import StreamReplacedError


class FakeLink:
    """Records the consumers that are created, and lets a test deliver to the latest."""

    def __init__(self, pending: int = 0, reached: int = 10) -> None:
        self.reached = reached
        self.created: list[dict[str, Any]] = []
        self.posted: list[str] = []
        self.narrow: set[str] = set()
        self._pending = pending
        self._deliver: Callable[[Message], None] = lambda _: None
        self.opened = anyio.Event()

    def deliver(self, sequence: int, number: int, pending: int = 0, at_s: int = 1_700_000_000) -> None:
        reply = f"$JS.ACK.EVENTS.name.1.{sequence}.{number}.{at_s}000000000.{pending}"
        self.reached = max(self.reached, sequence)
        self._deliver(Message(f"event.{sequence}", reply, b"%d" % sequence))

    def status(self, code: str, headers: Mapping[str, str] | None = None, reply: str = "") -> None:
        self._deliver(Message("inbox", reply, b"", {"Status": code, **(headers or {})}))

    def new_inbox(self) -> str:
        return "inbox"

    def new_name(self) -> str:
        return f"name-{len(self.created)}"

    async def ready(self) -> None:
        return

    async def subscribe(self, _subject: str, handler: Callable[[Message], None], _refused: Any) -> Callable[[], None]:
        self._deliver = handler
        return lambda: None

    async def request(self, _subject: str, data: bytes, *, operation: str) -> Message:
        assert operation
        self.created.append(json.loads(data)["config"])
        self.opened.set()
        self.opened = anyio.Event()
        answer = {"num_pending": self._pending, "delivered": {"stream_seq": self.reached, "consumer_seq": 0}}
        return Message("answer", "", json.dumps(answer).encode())

    async def created_again(self, since: int = 1) -> None:
        """Return when a consumer was created that goes on where one ended, behind so many that there were."""
        while not any("opt_start_seq" in each for each in self.created[since:]):
            await self.opened.wait()

    def post(self, subject: str) -> None:
        self.posted.append(subject)

    @contextmanager
    def listening(self, _listener: Any) -> Generator[None]:
        yield


def follower(link: FakeLink, **options: Any) -> Follower:
    return Follower(cast("Link", link), "EVENTS", ["event.*"], options.pop("start", "new"), **options)


async def reopened(link: FakeLink, feed: Follower) -> bytes:
    """Return what the feed yields once it has a new consumer that delivers what comes next."""
    found: list[bytes] = []

    async def read() -> None:
        found.append((await anext(feed)).data)

    since = len(link.created)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(read)
        with anyio.fail_after(5):
            await link.created_again(since)
        link.deliver(link.created[-1]["opt_start_seq"], 1)
    return found[0]


async def test_a_feed_of_what_is_new_starts_behind_what_the_stream_had() -> None:
    link = FakeLink()
    feed = follower(link)
    await feed.open(1.0)
    link.deliver(11, 1)
    link.status("409")

    first, second = (await anext(feed)).data, await reopened(link, feed)

    assert (first, second) == (b"11", b"12")
    # The one between tells where the stream ends.
    assert [config["deliver_policy"] for config in link.created] == ["new", "new", "by_start_sequence"]


async def test_a_delivery_that_was_lost_is_fetched_again() -> None:
    link = FakeLink()
    feed = follower(link, start="resume", after=4)
    await feed.open(1.0)
    link.deliver(5, 1)
    link.deliver(7, 3)

    first, second = (await anext(feed)).data, await reopened(link, feed)

    assert (first, second) == (b"5", b"6")


async def test_a_heartbeat_that_tells_of_a_lost_delivery_has_it_fetched_again() -> None:
    link = FakeLink()
    feed = follower(link, start="resume", after=4)
    await feed.open(1.0)
    link.status("100", {"Nats-Last-Consumer": "1"})

    assert await reopened(link, feed) == b"5"


async def test_flow_control_is_answered_once_what_came_before_is_taken() -> None:
    link = FakeLink()
    feed = follower(link, start="resume")
    await feed.open(1.0)
    link.deliver(1, 1)
    link.status("100", reply="$JS.FC.EVENTS.name")
    link.status("100", {"Nats-Last-Consumer": "1", "Nats-Consumer-Stalled": "$JS.FC.stalled"})
    link.deliver(2, 2)

    await anext(feed)
    before = list(link.posted)
    await anext(feed)

    assert (before, link.posted) == ([], ["$JS.FC.EVENTS.name", "$JS.FC.stalled"])


async def test_a_reading_that_starts_anew_repeats_nothing() -> None:
    link = FakeLink(pending=2)
    feed = follower(link, start="last_per_subject", ends_within_s=1.0)
    found: list[bytes] = []

    async def read() -> None:
        found.extend([stored.data async for stored in feed])

    await feed.open(1.0)
    link.deliver(3, 1, pending=1)
    link.status("409")
    opened = link.opened
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(read)
        with anyio.fail_after(5):
            await opened.wait()
        link.deliver(3, 1, pending=1)
        link.deliver(8, 2, pending=0)

    assert found == [b"3", b"8"]


async def test_a_reading_ends_where_new_messages_keep_coming() -> None:
    link = FakeLink(pending=2)
    feed = follower(link, start="last_per_subject", ends_within_s=1.0)
    await feed.open(1.0)
    for number in range(1, 9):
        link.deliver(number, number, pending=5)

    assert [stored.data async for stored in feed] == [b"1", b"2"]


@asynccontextmanager
async def reopening(link: FakeLink, feed: Follower) -> AsyncGenerator[None]:
    """Have the feed open again and run the body when it has; what it reads then must tell of another stream."""

    async def read() -> None:
        with pytest.raises(StreamReplacedError, match="start anew"):
            await anext(feed)

    link.status("409")
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            await link.created_again()
            yield


async def test_a_follower_of_a_stream_that_was_made_anew_is_told_by_the_first_message_of_that() -> None:
    link = FakeLink()
    feed = follower(link)
    await feed.open(1)
    link.deliver(11, 1)
    assert (await anext(feed)).sequence == 11
    link.reached = 0
    async with reopening(link, feed):
        link.deliver(1, 1, at_s=1_700_000_001)


async def test_a_follower_is_told_that_a_stream_was_made_anew_although_nothing_is_said_on_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_nats_feed, "LAG_S", 0.0)
    link = FakeLink()
    feed = follower(link)
    await feed.open(1)
    link.reached = 3
    async with reopening(link, feed):
        link.status("100", {"Nats-Last-Consumer": "0"})


async def test_a_server_that_lags_behind_another_one_is_waited_for() -> None:
    link = FakeLink()
    feed = follower(link)
    await feed.open(1)
    link.deliver(11, 1)
    link.deliver(12, 2)
    assert [(await anext(feed)).sequence for _ in range(2)] == [11, 12]
    link.reached = 10
    link.status("409")
    found: list[int] = []

    async def read() -> None:
        found.append((await anext(feed)).sequence)

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            await link.created_again()
            for number, sequence in enumerate((11, 12, 13), start=1):
                link.deliver(sequence, number)

    assert found == [13]
