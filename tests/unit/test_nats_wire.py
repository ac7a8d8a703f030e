"""What NATS puts on the wire."""

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from testwright.bus._nats_credentials import public
from testwright.bus._nats_wire import Message, denied, origin, parse_headers, size, timestamp

TOKEN = st.text("abcXYZ-_0123", min_size=1, max_size=8)
NUMBER = st.integers(0, 2**53)


@given(TOKEN, TOKEN, st.tuples(NUMBER, NUMBER, NUMBER), NUMBER)
def test_an_ack_subject_reads_the_same_with_and_without_a_domain(
    stream: str, consumer: str, numbers: tuple[int, int, int], pending: int
) -> None:
    count, sequence, delivery = numbers
    rest = f"{stream}.{consumer}.{count}.{sequence}.{delivery}.1700000000123456789.{pending}"

    plain, with_domain = origin(f"$JS.ACK.{rest}"), origin(f"$JS.ACK.hub.hash.{rest}.token")

    assert plain == with_domain
    assert (plain.stream, plain.consumer, plain.count) == (stream, consumer, count)
    assert (plain.sequence, plain.delivery, plain.pending) == (sequence, delivery, pending)
    assert plain.time == datetime(2023, 11, 14, 22, 13, 20, 123456, tzinfo=UTC)


@given(st.dictionaries(st.text("abc-", min_size=1), st.text("xyzé: ", max_size=9).map(str.strip)))
def test_headers_are_read_as_they_were_written_and_counted(headers: dict[str, str]) -> None:
    block = "NATS/1.0\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers.items()) + "\r\n"

    assert parse_headers(block.encode()) == headers
    assert size(b"12345", headers) == len(block.encode()) + 5


def test_a_refusal_is_told_from_other_errors() -> None:
    publish = 'nats: permissions violation for publish to "$js.api.stream.info.x"'
    listen = 'nats: permissions violation for subscription to "_inbox.>" using queue "q"'

    assert denied(publish) == ("publish", "$js.api.stream.info.x")
    assert denied(listen) == ("subscription", "_inbox.>")
    assert denied("nats: stale connection") is None


def test_a_message_that_was_delivered_is_no_status_whatever_its_headers_say() -> None:
    delivered = Message("a", "$JS.ACK.S.C.1.1.1.1.0", b"", {"Status": "404"})

    assert (delivered.status, Message("a", "", b"", {"Status": "404"}).status) == ("", "404")


def test_times_are_told_in_utc() -> None:
    at = datetime(2026, 1, 1, 1, 0, 0, 5, tzinfo=timezone(timedelta(hours=2)))

    assert timestamp(at) == "2025-12-31T23:00:00.000005Z"


def test_credentials_are_not_shown() -> None:
    assert public("nats://user:secret@one:4222, nats://two") == "one:4222,two"
