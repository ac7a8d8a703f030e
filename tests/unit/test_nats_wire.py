"""What NATS puts on the wire."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testwright.bus._nats_credentials import public
from testwright.bus._nats_wire import Message, answered, block, command, denied, origin, parse_headers, timestamp

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
def test_headers_are_read_as_they_were_written(headers: dict[str, str]) -> None:
    assert parse_headers(block(headers)) == headers


def test_a_status_is_read_with_its_description_and_headers() -> None:
    plain, idle = b"NATS/1.0 503\r\n\r\n", b"NATS/1.0 100 Idle Heartbeat\r\nNats-Last-Consumer: 7\r\n\r\n"

    assert parse_headers(plain) == {"Status": "503"}
    assert parse_headers(idle) == {"Status": "100", "Description": "Idle Heartbeat", "Nats-Last-Consumer": "7"}


@given(st.text("ab\r\n: ", max_size=9), st.text("ab\r\n: ", max_size=9))
def test_a_line_break_in_a_header_begins_no_other(name: str, value: str) -> None:
    assert block({name: value, "own": "1"}).count(b"\r\n") == 4
    assert parse_headers(block({"first": value, "own": "1"})) == {
        "first": value.replace("\r", " ").replace("\n", " ").strip(),
        "own": "1",
    }


@given(st.text("ab\r\n\t ", max_size=5).filter(lambda subject: not subject.isalpha()))
def test_a_subject_that_would_be_two_words_is_not_sent(subject: str) -> None:
    with pytest.raises(ValueError, match="no subject"):
        command(subject, b"", "", b"")
    with pytest.raises(ValueError, match="no subject"):
        command("subject", b"", f"a {subject}", b"")


def test_a_message_is_sent_with_the_sizes_of_its_parts() -> None:
    headers = block({"a": "b"})

    assert command("one", b"data", "", b"") == b"PUB one  4\r\ndata\r\n"
    assert command("one", b"data", "two", headers) == b"HPUB one two 18 22\r\nNATS/1.0\r\na: b\r\n\r\ndata\r\n"


def test_a_refusal_is_told_from_other_errors() -> None:
    publish = 'nats: permissions violation for publish to "$js.api.stream.info.x"'
    listen = 'nats: permissions violation for subscription to "_inbox.>" using queue "q"'

    assert denied(publish) == ("publish", "$js.api.stream.info.x")
    assert denied(listen) == ("subscription", "_inbox.>")
    assert denied("nats: stale connection") is None


def test_a_message_that_was_delivered_is_no_status_whatever_its_headers_say() -> None:
    delivered = Message("a", "$JS.ACK.S.C.1.1.1.1.0", b"", {"Status": "404"})

    assert (delivered.status, Message("a", "", b"", {"Status": "404"}).status) == ("", "404")


@pytest.mark.parametrize("rest", ["", "S.C", "S.C.1.1.1.soon.0", f"S.C.1.1.1.{10**30}.0"])
def test_what_is_no_ack_subject_is_refused_as_such(rest: str) -> None:
    with pytest.raises(ValueError, match="is no ack subject"):
        origin(f"$JS.ACK.{rest}")


def test_a_refusal_to_answer_concerns_the_queue_if_it_names_one() -> None:
    assert answered("$JS.ACK.S.C.1.1.1.1.0") == "$JS.ACK.S.C"
    assert answered("$JS.ACK.S") == "$JS.ACK.S"


def test_times_are_told_in_utc() -> None:
    at = datetime(2026, 1, 1, 1, 0, 0, 5, tzinfo=timezone(timedelta(hours=2)))

    assert timestamp(at) == "2025-12-31T23:00:00.000005Z"


def test_credentials_are_not_shown() -> None:
    assert public("nats://user:secret@one:4222, nats://two") == "one:4222,two"
