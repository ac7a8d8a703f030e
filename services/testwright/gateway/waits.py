"""What the gateway shows of what does not move: lanes that rest, schedules that are to come, dead letters. Pure."""

from datetime import datetime

from testwright.gateway.tables import Table
from testwright.scheduled import Known, ScheduleStatus, fold, status
from testwright.timetable import fault
from testwright_schemas import LanePaused, MessageDeadLettered, Record, ScheduleMessage

MAX_LETTERS = 200
"""Dead letters kept, the newest ones; ``testwright dead list`` has all."""

MAX_SCHEDULES = 500
"""Schedules kept, those that have changed last."""


class LaneRow(Record, frozen=True, kw_only=True):
    """A lane that a provider wants to be left alone on: no attempt of the engine begins before ``until``.

    Attributes:
        name: of the engine.
        namespace: of the attempts.
        until: by the clock of the worker that was told so; behind it the lane is open again.
        reason: for people.
        sequence: of the last event that changed the row.
    """

    name: str
    namespace: str
    until: datetime
    reason: str
    sequence: int


class LetterRow(Record, frozen=True, kw_only=True):
    """A message that nobody could handle; it stays where it is when it is sent again.

    Attributes:
        id: of the letter, for ``testwright dead retry``.
        namespace: it belongs to.
        subject: it was on.
        consumer: that gave it up.
        reason: why.
        deliveries: how often it was tried.
        task: that it was about, if any.
        at: when it was given up.
        resent_at: when it was sent again; ``None`` as long as it was not.
        sequence: of its event.
    """

    id: str
    namespace: str
    subject: str
    consumer: str
    reason: str
    deliveries: int
    task: str | None
    at: datetime
    resent_at: datetime | None
    sequence: int


class ScheduleRow(Record, frozen=True, kw_only=True):
    """A schedule, with its ``status`` as of its last event: until the next one, it is due at the same time."""

    id: str
    namespace: str
    status: ScheduleStatus
    sequence: int


def rest(table: Table[LaneRow], sequence: int, event: LanePaused) -> None:
    """Take note that a lane rests; the last word on it counts."""
    row = LaneRow(name=event.lane, namespace=event.namespace, until=event.until, reason=event.reason, sequence=sequence)
    table.put(f"{event.namespace}/{event.lane}", row)


def bury(table: Table[LetterRow], sequence: int, time: datetime, event: MessageDeadLettered) -> None:
    """Take note of a dead letter, or that it was sent again."""
    key = f"{event.namespace}/{event.letter_id}"
    known = table.get(key)
    row = LetterRow(
        id=event.letter_id,
        namespace=event.namespace,
        subject=event.subject,
        consumer=event.consumer,
        reason=event.reason,
        deliveries=event.deliveries,
        task=event.task_id,
        at=known.at if known else time,
        resent_at=event.resent_at,
        sequence=sequence,
    )
    table.put(key, row)


class Calendar:
    """Schedules by what their events tell."""

    def __init__(self) -> None:
        self.rows: Table[ScheduleRow] = Table(MAX_SCHEDULES)
        self._known: dict[str, list[ScheduleMessage]] = {}

    def take(self, sequence: int, time: datetime, event: ScheduleMessage) -> None:
        """Take note of an event of a schedule."""
        key = f"{event.namespace}/{event.schedule_id}"
        told = self._known.setdefault(key, [])
        told[:] = [one for one in told if type(one) is not type(event)] + [event]
        found = _status(fold(told), time)
        if found is None:
            return
        row = ScheduleRow(id=event.schedule_id, namespace=event.namespace, status=found, sequence=sequence)
        if forgotten := self.rows.put(key, row):
            del self._known[forgotten]


def _status(known: Known, time: datetime) -> ScheduleStatus | None:
    # A time zone that is not known on this machine must not keep the rest from being shown.
    return None if known.set and fault(known.set.timetable) else status(known, time)
