"""What operators let namespaces do, as a process knows it: one feed, no look-ups."""

import logging
from collections.abc import Sequence

import anyio
import msgspec
from anyio.abc import TaskStatus

from testwright.bus import Bus, Stored
from testwright_schemas import LimitsSet, envelope, subjects

log = logging.getLogger("testwright.limits")


class Limits:
    """The limits of all namespaces.

    Args:
        bus: where they are told.
    """

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._own: dict[str, LimitsSet] = {}
        self._everyone: LimitsSet | None = None

    async def follow(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Learn of limits; reports started when those of before are known and none to come can be missed."""
        filters: Sequence[str] = [subjects.limits_event()]
        # From the first one on: a server that lags behind may not tell of the last ones when it is asked.
        async with self._bus.feed(subjects.EVENTS, filters, after=0) as events:
            async for event in self._bus.last_per_subject(subjects.EVENTS, filters):
                self._hear(event)
            task_status.started()
            async for event in events:
                self._hear(event)

    def note(self, told: LimitsSet) -> None:
        """Remember limits, unless newer ones are known."""
        known = self._everyone if told.everyone else self._own.get(told.namespace)
        if known and known.set_at > told.set_at:
            return
        if told.everyone:
            self._everyone = told
        else:
            self._own[told.namespace] = told

    def of(self, namespace: str) -> LimitsSet | None:
        """Return the limits of a namespace, ``None`` where nobody has ever set any."""
        return self._own.get(namespace, self._everyone)

    def _hear(self, event: Stored) -> None:
        try:
            told = envelope.decode(event.data, LimitsSet)
        except msgspec.DecodeError as error:
            log.warning("undecodable event=%d subject=%s error=%s", event.sequence, event.subject, error)
            return
        if subjects.event(told) == event.subject:
            self.note(told)


async def known(bus: Bus) -> list[LimitsSet]:
    """Return the limits that are set, those for everyone last."""
    events = bus.last_per_subject(subjects.EVENTS, [subjects.limits_event()])
    found = [envelope.decode(event.data, LimitsSet) async for event in events]
    return sorted(found, key=lambda told: (told.everyone, told.namespace))
