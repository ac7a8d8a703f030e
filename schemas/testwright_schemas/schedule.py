"""Schedule: submissions that are made later, once or again and again."""

from typing import Annotated

import msgspec

from testwright_schemas._base import Id, Message, Record, Time, Token
from testwright_schemas.command import SubmitJob


class Timetable(Record, frozen=True, kw_only=True):
    """When something happens: exactly one of ``at``, ``every_s`` and ``cron`` is given.

    Attributes:
        at: once, at this time.
        every_s: again and again, first after so many seconds.
        cron: at the times of a cron expression of five fields, or six with seconds first.
        time_zone: IANA name of the zone that ``cron`` is meant in.
    """

    at: Time | None = None
    every_s: Annotated[float, msgspec.Meta(ge=1)] | None = None
    cron: Annotated[str, msgspec.Meta(max_length=200)] | None = None
    time_zone: Annotated[str, msgspec.Meta(max_length=64)] = "UTC"


class ScheduleJob(Message, frozen=True, kw_only=True):
    """Make this submission at these times. The schedule's id is the idempotency key.

    One that happens once has the ids in ``submission``; of one that recurs each has ids of its own.
    """

    namespace: Token
    schedule_id: Id
    submission: SubmitJob
    timetable: Timetable


class CancelSchedule(Message, frozen=True, kw_only=True):
    """Make no more submissions by this schedule; jobs that it has made go on."""

    namespace: Token
    command_id: Id
    schedule_id: Id
    reason: str = ""


ScheduleCommand = ScheduleJob | CancelSchedule


class ScheduleEvent(Message, frozen=True, kw_only=True):
    """What every event of a schedule carries."""

    namespace: Token
    schedule_id: Id


class JobScheduled(ScheduleEvent, frozen=True, kw_only=True):
    """A schedule was accepted; after ``until`` the snapshot may be gone and nothing is submitted any more."""

    submission: SubmitJob
    timetable: Timetable
    created_at: Time
    until: Time


class ScheduleRejected(ScheduleEvent, frozen=True, kw_only=True):
    """A schedule was refused: ``field`` is the path of what is wrong, ``reason`` says why."""

    field: str
    reason: str


class ScheduleFired(ScheduleEvent, frozen=True, kw_only=True):
    """A schedule came due, and made this job."""

    job_id: Id
    due_at: Time


class ScheduleCancelled(ScheduleEvent, frozen=True, kw_only=True):
    """A schedule makes no more submissions."""

    reason: str = ""


ScheduleMessage = JobScheduled | ScheduleRejected | ScheduleFired | ScheduleCancelled


class ScheduleDue(Message, frozen=True, kw_only=True):
    """The server's reminder that a schedule is due."""

    namespace: Token
    schedule_id: Id
