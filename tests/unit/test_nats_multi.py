"""Reading a few messages at once, from servers that may lag behind."""

from typing import Any, cast

from testwright.bus._nats_link import Link
from testwright.bus._nats_multi import last_per_subject
from testwright.bus._nats_wire import Message

FOUND = {
    "Nats-Stream": "EVENTS",
    "Nats-Sequence": "7",
    "Nats-Subject": "a.b",
    "Nats-Time-Stamp": "2026-01-01T00:00:00Z",
}


class Cluster:
    """A link whose first answer is by a server that knows the stream up to sequence 6, the second by one that has 7."""

    def __init__(self) -> None:
        self.asked = 0
        self.narrow: set[str] = set()

    async def request(self, _subject: str, _data: bytes, **options: Any) -> Message:
        self.asked += 1
        if self.asked == 1:
            return Message("inbox", "", b"", {"Status": "204", "Nats-UpTo-Sequence": "6"})
        options["gather"].append(Message("inbox", "", b"it", FOUND))
        return Message("inbox", "", b"", {"Status": "204", "Nats-UpTo-Sequence": "7"})


async def read(at_least: int) -> tuple[list[int], int]:
    cluster = Cluster()
    found = last_per_subject(cast("Link", cluster), "EVENTS", ["a.*"], 10, at_least)
    return [stored.sequence async for stored in found], cluster.asked


async def test_a_server_that_lags_behind_what_must_be_known_is_not_believed() -> None:
    assert await read(at_least=7) == ([7], 2)


async def test_where_nothing_must_be_known_the_first_answer_will_do() -> None:
    assert await read(at_least=0) == ([], 1)
