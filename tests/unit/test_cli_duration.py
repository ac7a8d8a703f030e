"""Lengths of time, as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testwright.cli.duration import parse, spoken


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("60s", 60),
        ("5m", 300),
        ("1h", 3600),
        ("2d", 172_800),
        ("250ms", 0.25),
        ("1h30m", 5400),
        ("1.5m", 90),
        ("90", 90),
        (" 10S ", 10),
    ],
)
def test_a_length_of_time_is_read_in_seconds(text: str, expected: float) -> None:
    assert parse(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", "s", "5x", "-5s", "1h30", "30 1h", "1,5m", "nan", "inf", "٣s", "5s later", "3" * 60 + "x", "9" * 400 + "s"],
)
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="write 60s, 5m, 1h or 1h30m"):
        parse(text)


@given(st.integers(0, 1000), st.integers(0, 59), st.integers(0, 59))
def test_units_add_up(hours: int, minutes: int, seconds: int) -> None:
    assert parse(f"{hours}h{minutes}m{seconds}s") == hours * 3600 + minutes * 60 + seconds


@pytest.mark.parametrize(("seconds", "expected"), [(7.9, "7 s"), (125, "2 m 05 s"), (3720, "1 h 02 m")])
def test_seconds_are_said_in_a_few_characters(seconds: float, expected: str) -> None:
    assert spoken(seconds) == expected
