"""The collector's shell: reads events and timers, looks up the task's history, says what follows."""

from collections.abc import Sequence

import anyio

from testwright.actor import AHEAD, Actor, Reaction
from testwright.bus import Bus, Stored
from testwright.collector import core, jobs
from testwright.collector.admission import Admission
from testwright.collector.finishing import Ending
from testwright.collector.namespaces import Namespaces
from testwright.collector.young import Young
from testwright.errors import BusTimeoutError, ConflictError
from testwright.history import JobHistory, TaskHistory
from testwright.voice import Archive, Clock, Voice
from testwright_schemas import (
    Effect,
    GateMoved,
    LimitsSet,
    MessageDeadLettered,
    TaskFinished,
    TaskMessage,
    TaskSubmitted,
    TimerFired,
    subjects,
)
from testwright_schemas.task import AttemptStarted, TaskProgressed

Collected = TaskMessage | MessageDeadLettered | TimerFired | GateMoved | LimitsSet

MAX_RACES = 20
"""Steps of a job that others may take first before an end is handed back, to be counted later."""


class _Collector:
    def __init__(self, bus: Bus, voice: Voice, places: int | None) -> None:
        self._bus = bus
        self._archive = Archive(bus)
        self._voice = voice
        self._young = Young()
        self._counting = anyio.Lock(fast_acquire=True)
        self.namespaces = Namespaces(bus, places)
        self._admission = Admission(bus, voice, self.namespaces, self._young)

    async def handle(self, message: Collected, stored: Stored) -> Sequence[Effect]:
        match message:
            case GateMoved():
                await self._admission.moved(message, stored)
                return ()
            case LimitsSet():
                await self._admission.review(message, stored)
                return ()
            case TaskFinished():
                return await self._end(message, stored)
            case TaskSubmitted():
                return await self._admission.submitted(await self._history(message, message.task_id, stored), stored)
            case _:
                return await self._decide(message, stored)

    async def _end(self, message: TaskFinished, stored: Stored) -> Sequence[Effect]:
        # The slots of one process need not race each other for the steps of a job.
        async with self._counting:
            job = await self._count(message, stored)
        await self._admission.ended(message, job, stored)
        return core.decide(TaskHistory(), message, stored.time)

    async def _decide(
        self, message: TaskMessage | MessageDeadLettered | TimerFired, stored: Stored
    ) -> Sequence[Effect]:
        if isinstance(message, AttemptStarted | TaskProgressed | TaskFinished) or message.task_id is None:
            return ()
        if isinstance(message, MessageDeadLettered) and message.resent_at:
            return ()
        history = await self._history(message, message.task_id, stored)
        if core.ahead(history, message):
            raise BusTimeoutError(f"what {stored.subject} was set for", 0)
        return core.decide(history, message, stored.time)

    async def _history(
        self, message: TaskMessage | MessageDeadLettered | TimerFired, task_id: str, stored: Stored
    ) -> TaskHistory:
        young = self._young.history(message, task_id, stored)
        if young is not None:
            return young
        known = await self._known(message.namespace, task_id, message, stored)
        return await self._archive.task(message.namespace, task_id, at_least=known)

    async def _known(self, namespace: str, task_id: str, message: object, stored: Stored) -> int:
        """Return the sequence that the task's history must know of."""
        known = stored.sequence if stored.stream == subjects.EVENTS else 0
        if isinstance(message, Ending):
            # Nothing leads from the last verdicts to such an end, and it must not forget them.
            verified = await self._bus.last(subjects.EVENTS, subjects.task_event(namespace, task_id, "verified"))
            known = max(known, verified.sequence if verified else 0)
        return known

    async def _count(self, message: TaskFinished, stored: Stored) -> JobHistory:
        race, known = 0, self._young.job(message, stored)
        while True:
            job = known or await self._archive.job(message.namespace, message.job_id, at_least=stored.sequence)
            race, known = race + 1, None
            try:
                for effect in jobs.advance(job, message):
                    await self._voice.say(effect, stored.headers)
            except ConflictError:
                # Another end of the same job was counted meanwhile.
                if race == MAX_RACES:
                    raise
            else:
                return job


def collector(bus: Bus, clock: Clock, *, slots: int = 4, places: int | None = None) -> Actor:
    """Return a collector.

    Args:
        bus: its connection.
        clock: time of day.
        slots: events handled at a time.
        places: tasks at work at a time of each namespace for which nobody has set limits; ``None`` for all.
    """
    voice = Voice(bus, "collector", clock)
    part = _Collector(bus, voice, places)
    events = Reaction(
        stream=subjects.EVENTS,
        consumers=(subjects.COLLECTOR_CONSUMER,),
        type_=TaskMessage | MessageDeadLettered | GateMoved | LimitsSet,
        handle=part.handle,
        slots=slots,
        ahead=AHEAD,
    )
    timers = Reaction(
        stream=subjects.TIMERS,
        consumers=(subjects.TIMERS_CONSUMER,),
        type_=TimerFired,
        handle=part.handle,
        ahead=AHEAD,
    )
    return Actor("collector", bus, voice, (events, timers), background=(part.namespaces.follow,))
