"""Schedules as a client has them: submissions that are made later, by the server's clock."""

from collections.abc import AsyncIterator, Callable, Sequence

from testwright import timetable as timetables
from testwright.bus import Bus
from testwright.errors import InvalidSubmissionError, ScheduleNotFoundError
from testwright.scheduled import Known, ScheduleStatus, fold, status
from testwright.snapshots.bundle import Bundle
from testwright.submission import Terms, check, check_schedule_id, prepare
from testwright.voice import Clock, Voice
from testwright.watching import last_readable, read
from testwright_schemas import (
    CancelSchedule,
    Policy,
    Publish,
    ScheduleJob,
    ScheduleMessage,
    Timetable,
    envelope,
    subjects,
)

_EVENTS = envelope.Decoder[ScheduleMessage](ScheduleMessage)

KINDS = ("set", "rejected", "fired", "cancelled")


async def known_of(bus: Bus, namespace: str, schedule_id: str) -> Known:
    """Return what the stream's leader knows of a schedule."""
    places = [subjects.schedule_event(namespace, schedule_id, kind) for kind in KINDS]
    found = [await last_readable(bus, place, _EVENTS) for place in places]
    return fold([told[1] for told in found if told])


class Schedules:
    """The schedules of one namespace.

    Args:
        bus: a connection.
        namespace: of everything it schedules and sees.
        clock: time of day.
        new_id: makes an id of a kind.
    """

    def __init__(self, bus: Bus, namespace: str, clock: Clock, new_id: Callable[[str], str]) -> None:
        self._bus = bus
        self._namespace = namespace
        self._clock = clock
        self._new_id = new_id
        self._voice = Voice(bus, "client", clock)

    async def add(
        self,
        bundled: Bundle,
        timetable: Timetable,
        policy: Policy | None = None,
        terms: Terms | None = None,
    ) -> ScheduleJob:
        """Have a bundle submitted at a time, or again and again, as it is now; return as soon as that is stored.

        What is returned has the schedule's id, and in ``submission`` the ids of the job if it is made only once.
        ``status`` says whether it was accepted.

        Raises:
            InvalidSubmissionError: a field of the timetable or the policy is out of range.
            BusError: the server did not confirm.
        """
        if fault := timetables.fault(timetable):
            raise InvalidSubmissionError(*fault)
        _, submission = prepare(
            bundled, policy, terms, namespace=self._namespace, new_id=self._new_id, now=self._clock()
        )
        command = ScheduleJob(
            namespace=self._namespace,
            schedule_id=self._new_id("schedule"),
            submission=submission,
            timetable=timetable,
        )
        check(command)
        await self._bus.put(subjects.SNAPSHOTS, self._namespace, bundled.data)
        await self._voice.say(Publish(message=command), {})
        return command

    async def status(self, schedule_id: str) -> ScheduleStatus:
        """Return where a schedule stands.

        Raises:
            ScheduleNotFoundError: there is none, or it is not accepted yet.
        """
        check_schedule_id(schedule_id)
        found = status(await known_of(self._bus, self._namespace, schedule_id), self._clock())
        if found is None:
            raise ScheduleNotFoundError(schedule_id)
        return found

    async def list(self) -> Sequence[ScheduleStatus]:
        """Return every schedule that is still kept, oldest first."""
        events: dict[str, list[ScheduleMessage]] = {}
        async for event in self._all():
            events.setdefault(event.schedule_id, []).append(event)
        now = self._clock()
        return [one for told in events.values() if (one := status(fold(told), now))]

    async def cancel(self, schedule_id: str, reason: str = "") -> None:
        """Have no more submissions made by a schedule; returns when that is stored. Jobs that it has made go on.

        Raises:
            ScheduleNotFoundError: there is none, or it is not accepted yet.
        """
        await self.status(schedule_id)
        command = CancelSchedule(
            namespace=self._namespace, command_id=self._new_id("cancel"), schedule_id=schedule_id, reason=reason
        )
        await self._voice.say(Publish(message=command), {})

    async def answer(self, schedule_id: str) -> ScheduleStatus:
        """Return where a schedule stands as soon as it is accepted or rejected; wait as long as that takes."""
        filters = [subjects.schedule_event(self._namespace, schedule_id, kind) for kind in ("set", "rejected")]
        async with self._bus.feed(subjects.EVENTS, filters, after=0) as feed:
            await anext(feed)
        return await self.status(schedule_id)

    async def _all(self) -> AsyncIterator[ScheduleMessage]:
        wanted = [subjects.schedule_event(self._namespace)]
        async for stored in self._bus.last_per_subject(subjects.EVENTS, wanted):
            if event := read(stored, _EVENTS):
                yield event
