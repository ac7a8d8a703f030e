"""Thins out progress: about one event a second for an attempt, and none that delays the work for long."""

from collections.abc import Mapping

import anyio

from testwright.errors import BusError
from testwright.voice import Voice
from testwright_schemas import Phase, Publish, TaskProgressed, WorkItem

INTERVAL_S = 1.0
"""Seconds after which one more event may be said."""

BURST = 5
"""Events that may be said at once: short phases after each other are worth telling apart."""

PATIENCE_S = 2.0
"""Seconds that saying one may take: the work waits meanwhile, and while the server is away none can be said."""


class Reporter:
    """Publishes ``progressed`` for one attempt; implements the engines' Progress.

    Args:
        voice: of the actor.
        item: what is being worked on.
        number: of the attempt.
        phase: of the work.
        cause: headers of the work item.
        worker: name of who does it.
    """

    def __init__(
        self, voice: Voice, item: WorkItem, number: int, phase: Phase, cause: Mapping[str, str], *, worker: str
    ) -> None:
        self._voice = voice
        self._worker = worker
        self._item = item
        self._number = number
        self._phase: Phase = phase
        self._cause = cause
        self._began = anyio.current_time()
        self._allowance = float(BURST)
        self._counted = self._began

    async def __call__(self, message: str, *, tests: int | None = None, coverage: float | None = None) -> None:
        """Report one line, tests so far and coverage in percent so far."""
        now = anyio.current_time()
        self._allowance = min(self._allowance + (now - self._counted) / INTERVAL_S, BURST)
        self._counted = now
        if self._allowance < 1:
            return
        self._allowance -= 1
        event = TaskProgressed(
            namespace=self._item.namespace,
            job_id=self._item.job_id,
            task_id=self._item.task_id,
            attempt=self._number,
            phase=self._phase,
            worker=self._worker,
            message=message[:500],
            tests=tests,
            coverage=coverage,
            elapsed_s=round(now - self._began, 3),
        )
        with anyio.move_on_after(PATIENCE_S):
            try:
                await self._voice.say(Publish(message=event), self._cause)
            except BusError:
                # A sign of life is worth nothing later: the next one will do.
                return
