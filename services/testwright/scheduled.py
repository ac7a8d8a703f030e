"""Scheduled: what is known of a schedule from the last event of each kind. Pure."""

from collections.abc import Iterable
from datetime import datetime
from typing import Literal

from msgspec.structs import replace

from testwright.timetable import next_after
from testwright_schemas import (
    JobScheduled,
    Record,
    ScheduleCancelled,
    ScheduleFired,
    ScheduleMessage,
    ScheduleRejected,
    Timetable,
)

ScheduleState = Literal["waiting", "done", "cancelled", "rejected"]
"""``waiting`` is to come, for the first time or again; ``cancelled`` has ended by request or because it was too old."""


class Known(Record, frozen=True, kw_only=True):
    """The last event of each kind of a schedule."""

    set: JobScheduled | None = None
    rejected: ScheduleRejected | None = None
    fired: ScheduleFired | None = None
    cancelled: ScheduleCancelled | None = None


def fold(events: Iterable[ScheduleMessage]) -> Known:
    """Return what events tell of a schedule, in stream order."""
    known = Known()
    for event in events:
        known = replace(known, **{_FIELDS[type(event)]: event})
    return known


_FIELDS: dict[type[ScheduleMessage], str] = {
    JobScheduled: "set",
    ScheduleRejected: "rejected",
    ScheduleFired: "fired",
    ScheduleCancelled: "cancelled",
}


class ScheduleStatus(Record, frozen=True, kw_only=True):
    """One line about a schedule. Times are UTC.

    Attributes:
        id: of the schedule.
        state: where it stands.
        modules: what it submits.
        timetable: when.
        next_at: when it is due next.
        last_at: when it was due last.
        last_job: what it submitted then.
        created_at: when it was accepted.
        until: after which it submits nothing any more.
        message: why it was cancelled or rejected.
    """

    id: str
    state: ScheduleState
    modules: tuple[str, ...] = ()
    timetable: Timetable = Timetable()
    next_at: datetime | None = None
    last_at: datetime | None = None
    last_job: str | None = None
    created_at: datetime | None = None
    until: datetime | None = None
    message: str = ""


def status(known: Known, now: datetime) -> ScheduleStatus | None:
    """Return the status that events tell of, ``None`` where there is no schedule."""
    if known.rejected:
        message = f"{known.rejected.field}: {known.rejected.reason}"
        return ScheduleStatus(id=known.rejected.schedule_id, state="rejected", message=message)
    if known.set is None:
        return None
    state = _state(known, known.set)
    return ScheduleStatus(
        id=known.set.schedule_id,
        state=state,
        modules=tuple(spec.target.module for spec in known.set.submission.tasks),
        timetable=known.set.timetable,
        next_at=next_after(known.set.timetable, now, known.set.created_at) if state == "waiting" else None,
        last_at=known.fired.due_at if known.fired else None,
        last_job=known.fired.job_id if known.fired else None,
        created_at=known.set.created_at,
        until=known.set.until,
        message=known.cancelled.reason if known.cancelled else "",
    )


def _state(known: Known, accepted: JobScheduled) -> ScheduleState:
    if known.fired and accepted.timetable.at is not None:
        return "done"
    return "cancelled" if known.cancelled else "waiting"
