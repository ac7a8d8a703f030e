"""The shell around schedules: takes those that are asked for, and submits when they are due."""

from collections.abc import Awaitable, Callable, Collection, Sequence

from testwright.bus import Bus, Stored
from testwright.errors import ScheduleNotFoundError
from testwright.scheduled import Known
from testwright.schedules import known_of
from testwright.submitter import scheduling
from testwright_schemas import CancelSchedule, Effect, ScheduleDue, ScheduleJob, SubmitJob, subjects

Submit = Callable[[SubmitJob, Stored], Awaitable[Sequence[Effect]]]
"""Returns what a submission leads to, or what ends one that failed too often."""


class Schedules:
    """Schedules, as a submitter handles them.

    Args:
        bus: where their events are.
        engines: names of the engines that this bus has queues for.
        submit: how a submission is made.
        give_up: how one that failed too often is ended.
    """

    def __init__(self, bus: Bus, engines: Collection[str], submit: Submit, give_up: Submit) -> None:
        self._bus = bus
        self._engines = engines
        self._submit = submit
        self._give_up = give_up

    async def ask(self, command: ScheduleJob, stored: Stored) -> Sequence[Effect]:
        """Accept a schedule, or reject it."""
        known = await known_of(self._bus, command.namespace, command.schedule_id)
        return scheduling.schedule(command, known, self._engines, stored.time)

    async def cancel(self, command: CancelSchedule, stored: Stored) -> Sequence[Effect]:
        """End a schedule.

        Raises:
            ScheduleNotFoundError: there is none yet: it may be in other hands, or on its way back from them.
        """
        known = await known_of(self._bus, command.namespace, command.schedule_id)
        if known.set is None and known.rejected is None:
            raise ScheduleNotFoundError(command.schedule_id)
        return scheduling.cancel(command) if known.set else ()

    async def due(self, message: ScheduleDue, stored: Stored) -> Sequence[Effect]:
        """Submit what is due; it may be refused like any other submission."""
        return await self._due(message, stored, self._submit)

    async def give_up(self, message: ScheduleDue, stored: Stored) -> Sequence[Effect]:
        """End what is due and failed too often: it may have been submitted halfway."""
        return await self._due(message, stored, self._give_up)

    async def _due(self, message: ScheduleDue, stored: Stored, submit: Submit) -> Sequence[Effect]:
        known = await known_of(self._bus, message.namespace, message.schedule_id)
        job = scheduling.submission(message, known, stored.time)
        if job is None or await self._is_over(known, job, stored):
            return scheduling.stop(message, known)
        effects = await submit(job, stored)
        end = scheduling.stop(message, known) if scheduling.was_last(known, stored.time) else ()
        return (*effects, scheduling.fired(message, job, stored.time), *end)

    async def _is_over(self, known: Known, job: SubmitJob, stored: Stored) -> bool:
        if not scheduling.is_over(known, stored.time):
            return False
        # Whoever began it before the schedule was cancelled may have died before all of its tasks were said.
        begun = subjects.job_event(job.namespace, job.job_id, "submitted")
        return await self._bus.last(subjects.EVENTS, begun) is None
