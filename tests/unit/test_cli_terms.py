"""When a submission is to be made, as people write it."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
import typer

from testwright.cli.schedule import spoken
from testwright.cli.terms import moment, timetable
from testwright.timetable import fault, next_after
from testwright_schemas import Timetable

HERE = timezone(timedelta(hours=2))
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=HERE)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("in 10m", NOW + timedelta(minutes=10)),
        ("in 1h30m", NOW + timedelta(hours=1, minutes=30)),
        ("13:05", datetime(2026, 11, 22, 13, 5, tzinfo=HERE)),
        ("9:30", datetime(2026, 11, 23, 9, 30, tzinfo=HERE)),
        ("12:00", datetime(2026, 11, 23, 12, 0, tzinfo=HERE)),
        ("2026-12-24T06:30", datetime(2026, 12, 24, 6, 30, tzinfo=HERE)),
        ("2026-12-24", datetime(2026, 12, 24, tzinfo=HERE)),
        ("2026-12-24T06:30:00+00:00", datetime(2026, 12, 24, 6, 30, tzinfo=UTC)),
        ("2026-12-24T06:30:00Z", datetime(2026, 12, 24, 6, 30, tzinfo=UTC)),
    ],
)
def test_a_time_is_understood(text: str, expected: datetime) -> None:
    assert moment(text, NOW) == expected


@pytest.mark.parametrize("text", ["", "soon", "in ten minutes", "25:00", "2026-13-01", "in -5m", "2026-11-22T11:59"])
def test_what_is_no_time_or_has_passed_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        moment(text, NOW)


def test_without_a_time_there_is_no_timetable() -> None:
    assert timetable(None, None, None, None, NOW) is None


def test_each_way_to_say_when_makes_a_timetable() -> None:
    assert timetable("in 10m", None, None, None, NOW) == Timetable(at=NOW + timedelta(minutes=10))
    assert timetable(None, 3600.0, None, None, NOW) == Timetable(every_s=3600.0)
    assert timetable(None, None, "30 6 * * 1-5", "Europe/Warsaw", NOW) == Timetable(
        cron="30 6 * * 1-5", time_zone="Europe/Warsaw"
    )


@pytest.mark.parametrize(
    ("table", "field"),
    [
        (Timetable(), "timetable"),
        (Timetable(every_s=1, cron="* * * * *"), "timetable"),
        (Timetable(cron="* * *"), "cron"),
        (Timetable(cron="0 0 30 2 *"), "cron"),
        (Timetable(cron="* * * * *", time_zone="../etc"), "time_zone"),
        (Timetable(cron="* * * * *", time_zone=""), "time_zone"),
    ],
)
def test_a_timetable_that_cannot_be_kept_says_which_field_is_wrong(table: Timetable, field: str) -> None:
    found = fault(table)

    assert found is not None
    assert found[0] == field


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        (Timetable(at=NOW + timedelta(seconds=1)), NOW + timedelta(seconds=1)),
        (Timetable(at=NOW), None),
        (Timetable(every_s=600), NOW + timedelta(minutes=5)),
        (Timetable(cron="30 6 * * *"), datetime(2026, 11, 23, 6, 30, tzinfo=UTC)),
        (Timetable(cron="30 6 * * *", time_zone="Europe/Warsaw"), datetime(2026, 11, 23, 5, 30, tzinfo=UTC)),
        (Timetable(cron="15 30 6 * * *"), datetime(2026, 11, 23, 6, 30, 15, tzinfo=UTC)),
    ],
)
def test_a_timetable_says_when_it_is_due_next(table: Timetable, expected: datetime | None) -> None:
    assert next_after(table, NOW, NOW - timedelta(minutes=5)) == expected


def test_a_timetable_is_spoken() -> None:
    assert spoken(Timetable(every_s=3600)) == "every 1 h 00 m"
    assert spoken(Timetable(cron="30 6 * * *")) == "30 6 * * * (UTC)"
    assert spoken(Timetable()) == "-"
