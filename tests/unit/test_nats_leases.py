"""What a dead worker held is handed back, and nothing else."""

from testwright.bus._nats_leases import Leases
from testwright_schemas import Lease


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
