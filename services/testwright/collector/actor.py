"""The collector's shell: reads events and timers, looks up the task's history, says what follows."""

from collections.abc import Sequence

from testwright.actor import Actor, Reaction
from testwright.bus import Bus, Stored
from testwright.collector import core
from testwright.voice import Archive, Clock, Voice
from testwright_schemas import Effect, MessageDeadLettered, TaskFinished, TaskMessage, TimerFired, subjects
from testwright_schemas.task import AttemptStarted, TaskProgressed


class _Collector:
    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    async def handle(self, message: TaskMessage | MessageDeadLettered | TimerFired, stored: Stored) -> Sequence[Effect]:
        if isinstance(message, AttemptStarted | TaskProgressed) or message.task_id is None:
            return ()
        history = await self._archive.task(message.namespace, message.task_id)
        effects = core.decide(history, message, stored.time)
        if isinstance(message, TaskFinished):
            job = await self._archive.job(message.namespace, message.job_id)
            effects = (*effects, *core.advance_job(job, message))
        return effects


def collector(bus: Bus, clock: Clock, *, slots: int = 4) -> Actor:
    """Return a collector.

    Args:
        bus: its connection.
        clock: time of day.
        slots: events handled at a time.
    """
    part = _Collector(Archive(bus))
    events = Reaction(
        stream=subjects.EVENTS,
        consumers=(subjects.COLLECTOR_CONSUMER,),
        type_=TaskMessage | MessageDeadLettered,
        handle=part.handle,
        slots=slots,
    )
    timers = Reaction(
        stream=subjects.TIMERS,
        consumers=(subjects.TIMERS_CONSUMER,),
        type_=TimerFired,
        handle=part.handle,
        slots=1,
    )
    return Actor("collector", bus, Voice(bus, "collector", clock), (events, timers))
