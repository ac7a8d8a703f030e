"""What is taken off a connection, and what is left to nats-py."""

import asyncio  # noqa: TID251  what a connection calls is one of its protocols
import itertools
from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testwright.bus._nats_intake import Intake
from testwright.bus._nats_wire import block

Taken = tuple[int, bytes, bytes, bytes, bytes]

SUBJECT = st.text("ab.*", min_size=1, max_size=6).map(str.encode)
BODY = st.lists(st.sampled_from([b"x", b"\r\n", b"MSG a 1 0\r\n", b"PING\r\n", b"\0\xff"]), max_size=4).map(b"".join)
HEADERS = st.just(b"") | st.dictionaries(st.text("ab", min_size=1), st.text("xy: "), min_size=1, max_size=2).map(block)
MESSAGE = st.tuples(st.integers(1, 99), SUBJECT, st.just(b"") | SUBJECT, BODY, HEADERS)
LINE = st.sampled_from(
    [b"PING\r\n", b"PONG\r\n", b"+OK\r\n", b"-ERR 'Stale Connection'\r\n", b'INFO {"MSG": "a b"}\r\n']
)


class Rest(asyncio.Protocol):
    """A protocol that remembers what it is told."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def data_received(self, data: bytes) -> None:
        self.told.append(data)

    def pause_writing(self) -> None:
        self.told.append("pause")

    def resume_writing(self) -> None:
        self.told.append("resume")

    def eof_received(self) -> bool:
        self.told.append("end")
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self.told.append(exc)


def _framed(message: Taken) -> bytes:
    number, subject, reply, data, headers = message
    words = [b"HMSG" if headers else b"MSG", subject, b"%d" % number, *([reply] if reply else [])]
    sizes = [*([b"%d" % len(headers)] if headers else []), b"%d" % (len(headers) + len(data))]
    return b" ".join([*words, *sizes]) + b"\r\n" + headers + data + b"\r\n"


def _keep(taken: list[Taken], *message: Any) -> None:
    taken.append(message)


def _read(said: bytes, cuts: Sequence[int] = ()) -> tuple[list[Taken], list[object]]:
    taken: list[Taken] = []
    rest = Rest()
    intake = Intake(rest, partial(_keep, taken))
    edges = [0, *sorted(cut for cut in cuts if cut < len(said)), len(said)]
    for begin, end in itertools.pairwise(edges):
        intake.data_received(said[begin:end])
    return taken, rest.told


@given(st.lists(MESSAGE | LINE, max_size=6), st.lists(st.integers(0, 400), max_size=12))
def test_messages_and_what_is_none_are_told_apart_whatever_pieces_they_come_in(
    said: list[Taken | bytes], cuts: list[int]
) -> None:
    stream = b"".join(each if isinstance(each, bytes) else _framed(each) for each in said)

    taken, told = _read(stream, cuts)

    assert taken == [each for each in said if isinstance(each, tuple)]
    assert told == [each for each in said if isinstance(each, bytes)]


def test_a_message_is_taken_once_its_last_byte_is_there() -> None:
    message: Taken = (7, b"subject", b"back", b"body", block({"a": "b"}))
    framed = _framed(message)

    assert _read(framed[:-1])[0] == []
    assert _read(framed, range(len(framed)))[0] == [message]


@pytest.mark.parametrize("line", [b"MSG a one 4\r\n", b"MSG a 1 -4\r\n", b"HMSG a 1 4\r\n", b"MSG a\r\n", b"\r\n"])
def test_what_the_server_may_not_say_is_left_to_nats_py_which_ends_the_connection(line: bytes) -> None:
    assert _read(line) == ([], [line])


def test_whoever_writes_hears_of_the_connection_as_before() -> None:
    rest, lost = Rest(), OSError("gone")
    intake = Intake(rest, partial(_keep, []))

    intake.pause_writing()
    intake.resume_writing()
    stays = intake.eof_received()
    intake.connection_lost(lost)

    assert stays
    assert rest.told == ["pause", "resume", "end", lost]
