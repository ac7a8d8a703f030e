"""The only place that computes when a timetable is due; a server that keeps one computes the same."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from testwright_schemas import Timetable

MIN_EVERY_S = 1.0
"""Shortest interval that the server takes."""

MAX_EVERY_S = 366 * 86_400.0
"""Longest interval: what happens less often than once a year has a ``cron`` or an ``at``."""

LATEST = datetime(9000, 1, 1, tzinfo=UTC)
"""Behind this, time zones and the server's clock run out of years."""


def fault(timetable: Timetable) -> tuple[str, str] | None:
    """Return the field that makes a timetable useless, and why; ``None`` where it is good."""
    given = [name for name in ("at", "every_s", "cron") if getattr(timetable, name) is not None]
    if len(given) != 1:
        return "timetable", f"give one of at, every_s and cron, not {len(given)}"
    if timetable.every_s is not None and timetable.every_s > MAX_EVERY_S:
        return "every_s", f"{timetable.every_s:g} s are more than a year"
    if timetable.at is not None and timetable.at > LATEST:
        return "at", f"{timetable.at.isoformat()} is too far off"
    return _cron_fault(timetable) if timetable.cron is not None else None


def _cron_fault(timetable: Timetable) -> tuple[str, str] | None:
    try:
        zone = ZoneInfo(timetable.time_zone)
    except (KeyError, OSError, ValueError):  # there is none; it is a folder; it is no name
        return "time_zone", f"{timetable.time_zone!r} is no time zone: write Europe/Warsaw, or UTC"
    try:
        next(CronSim(timetable.cron or "", datetime(2026, 1, 1, tzinfo=zone)))
    except CronSimError as error:
        return "cron", f"{timetable.cron!r} is no cron expression of five fields, or six with seconds first: {error}"
    except StopIteration:
        return "cron", f"{timetable.cron!r} is never due"
    return None


def next_after(timetable: Timetable, moment: datetime, started: datetime) -> datetime | None:
    """Return when a good timetable is due next, in UTC; ``None`` where it is not any more.

    Args:
        timetable: one without fault.
        moment: what is due must be later than this, unless it happens once.
        started: from when an interval counts.
    """
    if timetable.at is not None:
        return timetable.at.astimezone(UTC) if timetable.at > moment else None
    if timetable.cron is not None:
        local = moment.astimezone(ZoneInfo(timetable.time_zone))
        return next(CronSim(timetable.cron, local)).astimezone(UTC)
    every = timedelta(seconds=timetable.every_s or MIN_EVERY_S)
    return (started + (max(moment - started, timedelta()) // every + 1) * every).astimezone(UTC)


def with_seconds(cron: str) -> str:
    """Return a cron expression in six fields: one of five is due at the beginning of its minutes."""
    return f"0 {cron}" if len(cron.split()) == 5 and not cron.startswith("@") else cron
