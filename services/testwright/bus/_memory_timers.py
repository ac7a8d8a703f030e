"""The memory server's clock: the only place in it that lets time pass."""

import heapq
import itertools
import math
from collections.abc import Callable
from typing import NoReturn

import anyio

from testwright.pacing import until


class Timer:
    """Something to be done at a time, until it is cancelled."""

    __slots__ = ("action",)

    def __init__(self, action: Callable[[], None]) -> None:
        self.action: Callable[[], None] | None = action

    def cancel(self) -> None:
        """Take it back; nothing happens where it has fired."""
        self.action = None


class Timers:
    """Does things at their times, in order; things due at the same time in the order they were asked for."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Timer]] = []
        self._numbers = itertools.count()
        self._nap = anyio.CancelScope()

    def call_after(self, delay_s: float, action: Callable[[], None]) -> Timer:
        """Do something after ``delay_s`` seconds; a past time counts as now, and even that is not before returning."""
        timer = Timer(action)
        heapq.heappush(self._heap, (anyio.current_time() + delay_s, next(self._numbers), timer))
        if self._heap[0][2] is timer:
            self._nap.cancel()
        return timer

    async def run(self) -> NoReturn:
        """Keep the time until cancelled."""
        while True:
            with anyio.CancelScope() as self._nap:
                await until(self._next_time())
            self._fire_due()

    def _next_time(self) -> float:
        while self._heap and self._heap[0][2].action is None:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else math.inf

    def _fire_due(self) -> None:
        now = anyio.current_time()
        while self._next_time() <= now:
            timer = heapq.heappop(self._heap)[2]
            if timer.action is not None:
                timer.action()
