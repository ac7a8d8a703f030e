"""What is kept of a process's output, and how it becomes lines."""

from hypothesis import given
from hypothesis import strategies as st

from testwright.sandbox.capture import MAX_LINE, HeadTail, Lines

chunks = st.lists(st.binary(max_size=40), max_size=20)


@given(chunks)
def test_short_output_is_kept_whole(parts: list[bytes]) -> None:
    kept = HeadTail(1000)
    for part in parts:
        kept.add(part)

    assert kept.value() == b"".join(parts)


@given(chunks, st.integers(min_value=0, max_value=30))
def test_of_long_output_the_head_and_the_tail_are_kept(parts: list[bytes], limit: int) -> None:
    whole = b"".join(parts)
    kept = HeadTail(limit)
    for part in parts:
        kept.add(part)
    value = kept.value()

    if len(whole) <= limit:
        assert value == whole
    else:
        head, tail = limit - limit // 2, limit // 2
        assert value.startswith(whole[:head])
        assert value.endswith(whole[len(whole) - tail :])
        assert b"[... %d bytes dropped ...]" % (len(whole) - limit) in value


def test_memory_stays_bounded_while_a_process_prints_on() -> None:
    kept = HeadTail(1000)
    for _ in range(100):
        kept.add(b"x" * 65_536)

    assert len(kept._tail) < 4 * 65_536  # pyright: ignore[reportPrivateUsage]  what is kept has no public size


@given(st.text(alphabet="aé\n€", max_size=50), st.integers(min_value=1, max_value=5))
def test_lines_do_not_depend_on_where_the_chunks_end(text: str, size: int) -> None:
    data = text.encode()
    lines = Lines()
    seen = [line for start in range(0, len(data), size) for line in lines.feed(data[start : start + size])]
    seen += lines.feed(b"", final=True)

    expected = text.split("\n")
    assert seen == (expected if expected[-1] else expected[:-1])


def test_an_endless_line_is_cut() -> None:
    lines = Lines()
    for _ in range(5):
        lines.feed(b"x" * MAX_LINE)

    assert lines.feed(b"\nnext\n") == ["x" * MAX_LINE, "next"]


def test_bytes_that_are_no_text_do_not_stop_the_stream() -> None:
    assert Lines().feed(b"a\xff\r\nb\n") == ["a\N{REPLACEMENT CHARACTER}", "b"]
