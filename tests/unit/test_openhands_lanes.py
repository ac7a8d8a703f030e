"""Models in order of preference, and what servers say of when to come back."""

import math
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from testwright.engines.openhands.lanes import BREAK_S, DEFAULT_WAIT_S, MOST_FAILURES, Closures, Lanes, retry_after_s

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


def test_the_preferred_model_is_asked_until_it_is_closed() -> None:
    lanes = Lanes(["best", "other"])

    assert lanes.first(0.0) == "best"
    lanes.close("best", until=10.0)
    assert lanes.first(5.0) == "other"
    assert lanes.first(10.0) == "best"


def test_where_all_are_closed_the_wait_is_that_for_the_first_to_open() -> None:
    lanes = Lanes(["best", "other"])
    lanes.close("best", until=30.0)
    lanes.close("other", until=12.0)

    assert lanes.first(5.0) is None
    assert lanes.wait_s(5.0) == 7.0


def test_a_model_that_is_not_there_stays_closed_for_this_attempt() -> None:
    closures = Closures()
    lanes = Lanes(["gone"], closures)
    lanes.drop("gone")

    assert lanes.first(1e12) is None
    assert math.isinf(lanes.wait_s(1e12))
    assert Lanes(["gone"], closures).first(0.0) == "gone"


def test_other_attempts_leave_a_model_alone_for_as_long_as_it_asked_one_of_them() -> None:
    closures = Closures()
    Lanes(["best", "other"], closures, "http://a").close("best", until=30.0)
    Lanes(["best"], closures, "http://a").close("best", until=10.0)

    assert Lanes(["best", "other"], closures, "http://a").first(29.0) == "other"
    assert Lanes(["best"], closures, "http://a").wait_s(29.0) == 1.0
    assert Lanes(["best"], closures, "http://b").first(29.0) == "best"


def test_a_model_that_fails_again_and_again_is_left_alone_and_then_tried_once() -> None:
    lanes = Lanes(["best"])
    for _ in range(MOST_FAILURES - 1):
        lanes.failed("best", 10.0, "fails")
    still_open = lanes.first(10.0)
    lanes.failed("best", 10.0, "fails")

    assert still_open == "best"
    assert (lanes.first(10.0), lanes.wait_s(10.0), lanes.broken) == (None, BREAK_S, "fails")
    assert lanes.first(10.0 + BREAK_S) == "best"
    lanes.failed("best", 100.0, "fails")
    assert lanes.first(100.0) is None


def test_an_answer_makes_earlier_failures_forgotten() -> None:
    lanes = Lanes(["best"])
    for _ in range(3 * MOST_FAILURES):
        lanes.failed("best", 10.0, "fails")
        lanes.succeeded("best")

    assert lanes.first(10.0) == "best"


def test_a_model_that_asks_to_wait_is_not_broken() -> None:
    lanes = Lanes(["best"])
    lanes.close("best", until=30.0)

    assert not lanes.broken


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("0.5", 0.5),
        ("-3", 0.0),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90.0),
        (format_datetime(NOW - timedelta(seconds=90), usegmt=True), 0.0),
        (None, DEFAULT_WAIT_S),
        ("", DEFAULT_WAIT_S),
        ("soon", DEFAULT_WAIT_S),
        ("nan", DEFAULT_WAIT_S),
        ("inf", DEFAULT_WAIT_S),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(header: str | None, seconds: float) -> None:
    assert retry_after_s(header, NOW) == seconds
