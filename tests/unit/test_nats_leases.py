"""What a worker holds is told, and what a dead one held is handed back, and nothing else."""

import anyio
import pytest

from testwright.bus import _nats_holding
from testwright.bus._nats_answers import Answer
from testwright.bus._nats_delivery import NatsDelivery
from testwright.bus._nats_holding import RUSH, RUSH_S, Holding
from testwright.bus._nats_leases import Leases
from testwright.bus._nats_link import Link
from testwright.bus._nats_wire import Message
from testwright_schemas import Lease, envelope, subjects


def lease(connection: str, ack: str, *, held: bool = True) -> Lease:
    return Lease(connection=connection, ack=ack, held=held)


def test_what_a_connection_held_is_handed_back_at_its_end() -> None:
    leases = Leases()
    leases.note(lease("s/1", "ack.a"))
    leases.note(lease("s/1", "ack.b"))
    leases.note(lease("s/2", "ack.c"))
    assert leases.end("s/1") == ("ack.a", "ack.b")


def test_what_was_answered_is_not_handed_back() -> None:
    leases = Leases()
    leases.note(lease("s/1", "ack.a"))
    leases.note(lease("s/1", "ack.a", held=False))
    assert leases.end("s/1") == ()


def test_an_end_is_acted_on_once() -> None:
    leases = Leases()
    leases.note(lease("s/1", "ack.a"))
    leases.end("s/1")
    assert leases.end("s/1") == ()


def test_a_lease_that_is_heard_of_after_the_end_of_its_holder_is_handed_back_at_once() -> None:
    leases = Leases()
    leases.end("s/1")
    assert leases.note(lease("s/1", "ack.a")) == ("ack.a",)


def test_an_answer_of_an_unknown_connection_changes_nothing() -> None:
    leases = Leases()
    assert leases.note(lease("s/9", "ack.z", held=False)) == ()
    assert leases.end("s/9") == ()


def test_after_the_server_was_away_nothing_is_held() -> None:
    leases = Leases()
    leases.note(lease("s/1", "ack.a"))
    leases.clear()
    assert leases.end("s/1") == ()


def test_ended_connections_are_not_remembered_for_ever() -> None:
    leases = Leases()
    for number in range(2000):
        leases.end(f"s/{number}")
    assert leases.note(lease("s/0", "ack.a")) == ()
    assert leases.note(lease("s/1999", "ack.a")) == ("ack.a",)


def test_all_that_is_told_together_is_handed_back() -> None:
    leases = Leases()
    leases.note(Lease(connection="s/1", ack="ack.a", others=("ack.b", "ack.c")))
    leases.note(Lease(connection="s/1", ack="ack.a", others=("ack.c",), held=False))
    assert leases.end("s/1") == ("ack.b",)
    assert leases.note(Lease(connection="s/1", ack="ack.d", others=("ack.e",))) == ("ack.d", "ack.e")


def ack(sequence: int, count: int, stream: str = "WORK") -> str:
    """Return where answers to a delivery go, as the server spells it."""
    return f"$JS.ACK.{stream}.workers.{count}.{sequence}.{10 * sequence + count}.1795896920389703434.0"


def test_whoever_was_handed_a_message_last_holds_it_and_nobody_else() -> None:
    leases = Leases()
    leases.note(lease("s/1", ack(7, count=1)))
    leases.note(lease("s/2", ack(7, count=2)))
    leases.note(lease("s/1", ack(7, count=1)))  # it does not know yet

    assert leases.end("s/1") == ()
    assert leases.end("s/2") == (ack(7, count=2),)


def test_an_answer_by_whoever_held_a_message_before_leaves_it_where_it_is() -> None:
    leases = Leases()
    leases.note(lease("s/2", ack(7, count=2)))
    leases.note(lease("s/1", ack(7, count=1), held=False))

    assert leases.end("s/2") == (ack(7, count=2),)


def test_a_late_lease_of_an_ended_connection_takes_nothing_from_whoever_has_it_now() -> None:
    leases = Leases()
    leases.note(lease("s/2", ack(7, count=2)))
    leases.end("s/1")

    assert leases.note(Lease(connection="s/1", ack=ack(7, count=1), others=(ack(8, count=1),))) == (ack(8, count=1),)


def test_messages_of_different_queues_and_sequences_are_held_apart() -> None:
    leases = Leases()
    for each in (ack(7, count=1), ack(8, count=1), ack(7, count=1, stream="OTHER")):
        leases.note(lease("s/1", each))

    assert leases.end("s/1") == tuple(sorted((ack(7, count=1), ack(8, count=1), ack(7, count=1, stream="OTHER"))))


class _Line(Link):
    """A connection that stands, and wakes whoever waits for what is said on it."""

    def __init__(self) -> None:
        super().__init__()
        self.connected = True
        self.leases: list[Lease] = []
        self.said = anyio.Event()

    @property
    def identity(self) -> str:
        return "s/1"

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
        if subject == subjects.LEASES:
            self.leases.append(envelope.decode(data, Lease))
            self.said.set()


class _Time:
    """What the connection takes for the time of the event loop."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> _Time:
    stands = _Time()
    monkeypatch.setattr(_nats_holding, "now", stands)
    return stands


def _in_a_rush(line: _Line) -> Holding:
    holding = Holding(line)
    for number in range(RUSH):
        holding.take(f"ack.{number}")
        holding.leave(f"ack.{number}")
    line.leases.clear()
    line.said = anyio.Event()
    return holding


@pytest.mark.usefixtures("time")
async def test_a_delivery_is_told_of_at_once() -> None:
    line = _Line()
    holding = Holding(line)

    holding.take("ack.one")
    holding.take("ack.two")

    assert line.leases == [Lease(connection="s/1", ack="ack.one"), Lease(connection="s/1", ack="ack.two")]


@pytest.mark.usefixtures("time")
async def test_in_a_rush_what_is_answered_soon_is_not_told_of_at_all() -> None:
    line = _Line()
    holding = _in_a_rush(line)

    holding.take("ack.short")
    holding.leave("ack.short")
    holding.take("ack.long")
    with anyio.fail_after(10):
        await line.said.wait()

    told = [ack for lease in line.leases if lease.held for ack in (lease.ack, *lease.others)]
    assert told == ["ack.long"]


@pytest.mark.usefixtures("time")
async def test_in_a_rush_what_is_still_held_and_what_was_answered_is_told_a_moment_later() -> None:
    line = _Line()
    holding = _in_a_rush(line)

    holding.take("ack.a")
    holding.take("ack.b")
    assert line.leases == []
    with anyio.fail_after(10):
        await line.said.wait()

    assert line.leases == [
        Lease(connection="s/1", ack="ack.a", others=("ack.b",)),
        Lease(connection="s/1", ack=f"ack.{RUSH - 1}", held=False),
    ]


async def test_after_a_pause_the_next_delivery_is_told_of_at_once(time: _Time) -> None:
    line = _Line()
    holding = _in_a_rush(line)

    time.now += 2 * RUSH_S
    holding.take("ack.late")

    assert [lease.ack for lease in line.leases if lease.held] == ["ack.late"]


async def test_a_sign_of_life_tells_once_more_who_is_at_work() -> None:
    line = _Line()
    line.connected = True
    holding = Holding(line)
    holding.take(ack(7, count=1))
    line.leases.clear()

    await NatsDelivery(line, Message("work", ack(7, count=1), b""), 1.0, holding=holding).in_progress()

    assert line.leases == [Lease(connection="s/1", ack=ack(7, count=1))]
    line.leases.clear()
    holding.leave(ack(7, count=1))
    line.said = anyio.Event()
    with anyio.fail_after(10):
        await line.said.wait()
    assert line.leases == [Lease(connection="s/1", ack=ack(7, count=1), held=False)]
