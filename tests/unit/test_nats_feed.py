"""How a follower of a stream deals with what gets lost on the way to it; the server is a small real fake."""

import json
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import Any, cast

import anyio

from testwright.bus._nats_feed import Follower
from testwright.bus._nats_link import Link
from testwright.bus._nats_wire import Message


class FakeLink:
    """Records the consumers that are created, and lets a test deliver to the latest."""

    def __init__(self, pending: int = 0) -> None:
        self.created: list[dict[str, Any]] = []
        self.posted: list[str] = []
        self.narrow: set[str] = set()
        self._pending = pending
        self._deliver: Callable[[Message], None] = lambda _: None
        self.opened = anyio.Event()

    def deliver(self, sequence: int, number: int, pending: int = 0) -> None:
        reply = f"$JS.ACK.EVENTS.name.1.{sequence}.{number}.1700000000000000000.{pending}"
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
        answer = {"num_pending": self._pending, "delivered": {"stream_seq": 10, "consumer_seq": 0}}
        return Message("answer", "", json.dumps(answer).encode())

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

    opened = link.opened
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(read)
        with anyio.fail_after(5):
            await opened.wait()
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
    assert [config["deliver_policy"] for config in link.created] == ["new", "by_start_sequence"]


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
