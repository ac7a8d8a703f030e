"""What operators let namespaces do, as a process knows it: one feed, and one look for each namespace."""

import anyio
from anyio.abc import TaskStatus

from testwright.bus import Bus, Stored
from testwright.watching import last_readable, newest, read
from testwright_schemas import LimitsSet, envelope, subjects

_TOLD = envelope.Decoder[LimitsSet](LimitsSet)

COMMONS = "default"
"""Namespace in which the limits for everyone are told: whoever may not speak there may not limit others."""


class Limits:
    """The limits of all namespaces.

    Args:
        bus: where they are told.
    """

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._told: dict[str | None, tuple[int, LimitsSet]] = {}
        self._asked: set[str] = set()

    async def follow(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Learn of limits; reports started when none to come can be missed."""
        async with self._bus.feed(subjects.EVENTS, self._followed()) as events:
            task_status.started()
            async for event in events:
                self._hear(event)

    def note(self, told: LimitsSet, sequence: int) -> None:
        """Remember limits, unless those that were stored later are known; clocks of operators may be wrong."""
        whose = None if told.everyone else told.namespace
        if whose not in self._told or self._told[whose][0] < sequence:
            self._told[whose] = sequence, told

    async def of(self, namespace: str) -> LimitsSet | None:
        """Return the limits of a namespace, ``None`` where nobody has set any, or where they were taken away.

        The stream's leader is asked once for each namespace: the feed may be behind when work is there already.
        """
        if namespace not in self._asked:
            for subject in (subjects.limits_event(namespace, "own"), subjects.limits_event(COMMONS, "everyone")):
                if found := await last_readable(self._bus, subject, _TOLD):
                    self._hear(found[0])
            self._asked.add(namespace)
        return next(filter(is_limited, (self._newest(namespace), self._newest(None))), None)

    def _newest(self, whose: str | None) -> LimitsSet | None:
        return self._told[whose][1] if whose in self._told else None

    def _followed(self) -> list[str]:
        return [subjects.limits_event()]

    def _hear(self, event: Stored) -> None:
        told = read(event, _TOLD)
        if told and (not told.everyone or told.namespace == COMMONS):
            self.note(told, event.sequence)


def is_limited(told: LimitsSet | None) -> bool:
    """Return whether anything is limited; limits without a limit have taken those before away."""
    return told is not None and not (told.places is None and told.tasks is None and told.max_cost_usd is None)


async def known(bus: Bus) -> list[LimitsSet]:
    """Return the limits that are in force and can be read, those for everyone last."""
    events = newest(bus, [subjects.limits_event()])
    found = [event async for _, event in events if isinstance(event, LimitsSet) and is_limited(event)]
    return sorted(found, key=lambda told: (told.everyone, told.namespace))
