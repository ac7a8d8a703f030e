"""Lanes as a worker knows them: which engines' providers have asked to be left alone, and until when."""

from datetime import datetime, timedelta

import anyio
import msgspec
from anyio.abc import TaskStatus

from testwright.bus import Bus, Stored
from testwright.watching import read
from testwright_schemas import LanePaused, envelope, subjects

_PAUSES = envelope.Decoder[LanePaused](LanePaused)

MAX_PAUSE_S = 3600.0
"""Seconds after which a provider is asked again, whatever it has said: it may have changed its mind, or been wrong."""


def pause(namespace: str, lane: str, now: datetime, for_s: float, reason: str, *, broken: bool = False) -> LanePaused:
    """Return the pause of a lane from now on."""
    until = now + timedelta(seconds=bounded(for_s))
    return LanePaused(namespace=namespace, lane=lane, until=until, reason=reason, broken=broken)


def bounded(for_s: float) -> float:
    """Return the seconds that a provider is given, of those that it asks for."""
    return min(max(for_s, 0.0), MAX_PAUSE_S)


class Lanes:
    """One feed of pauses for a whole worker: what one worker is told by a provider, all know.

    Args:
        bus: where pauses are told.
    """

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._pauses: dict[tuple[str, str], LanePaused] = {}

    async def follow(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Learn of pauses; reports started when those of before are known and none to come can be missed."""
        filters = [subjects.lane_event()]
        async with self._bus.feed(subjects.EVENTS, filters) as events:
            async for event in self._bus.last_per_subject(subjects.EVENTS, filters):
                self._hear(event)
            task_status.started()
            async for event in events:
                self._hear(event)

    def note(self, told: LanePaused) -> None:
        """Remember a pause, unless a longer one of the same lane is known."""
        lane = told.namespace, told.lane
        known = self._pauses.get(lane)
        if known is None or known.until < told.until:
            self._pauses[lane] = told

    def paused(self, namespace: str, lane: str, now: datetime) -> LanePaused | None:
        """Return the pause that a lane is in, ``None`` where it is in none."""
        known = self._pauses.get((namespace, lane))
        if known is None:
            return None
        # A clock that is wrong by days must not keep the lane closed for days.
        left = min(known.until - now, timedelta(seconds=MAX_PAUSE_S))
        return msgspec.structs.replace(known, until=now + left) if left > timedelta(0) else None

    def _hear(self, event: Stored) -> None:
        if told := read(event, _PAUSES):
            self.note(told)
