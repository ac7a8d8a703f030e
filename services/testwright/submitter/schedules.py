"""The shell around schedules: takes those that are asked for, and submits when they are due."""

from collections.abc import Awaitable, Callable, Collection, Sequence

from testwright.bus import Bus, Stored
from testwright.errors import ScheduleNotFoundError
from testwright.schedules import known_of
from testwright.submitter import core, scheduling
from testwright_schemas import CancelSchedule, Effect, ScheduleDue, ScheduleJob, SubmitJob

Submit = Callable[[SubmitJob, Stored], Awaitable[Sequence[Effect]]]
"""Returns what a submission leads to."""


class Schedules:
    """Schedules, as a submitter handles them.

    Args:
        bus: where their events are.
        engines: names of the engines that this bus has queues for.
        submit: how a submission is made.
    """

    def __init__(self, bus: Bus, engines: Collection[str], submit: Submit) -> None:
        self._bus = bus
        self._engines = engines
        self._submit = submit

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
        """Submit what is due."""
        known = await known_of(self._bus, message.namespace, message.schedule_id)
        job = scheduling.submission(message, known, stored.time)
        if job is None:
            return scheduling.stop(message, known)
        effects = await self._submit(job, stored)
        if not core.is_acceptance(effects):
            return effects
        end = scheduling.stop(message, known) if scheduling.was_last(known, stored.time) else ()
        return (*effects, scheduling.fired(message, job, stored.time), *end)
