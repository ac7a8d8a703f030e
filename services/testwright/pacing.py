"""The only place that lets time pass: back-off after a failure, and a steady beat for signs of life.

Neither waits for another party's answer: whoever waits for something waits for its message.
"""

import random
from collections.abc import Awaitable, Callable

import anyio


class Backoff:
    """Growing pauses between tries of the same operation, spread so that many clients do not try in step.

    Args:
        base_s: first pause in seconds.
        max_s: longest pause in seconds.
        factor: growth from one pause to the next.
    """

    def __init__(self, base_s: float = 0.05, max_s: float = 5.0, factor: float = 2.0) -> None:
        self._base_s = base_s
        self._max_s = max_s
        self._factor = factor
        self._next_s = base_s

    def reset(self) -> None:
        """Start again from the first pause: the operation has succeeded."""
        self._next_s = self._base_s

    def next_s(self) -> float:
        """Return the next pause in seconds, between half and one and a half of the nominal one."""
        pause = self._next_s * random.uniform(0.5, 1.5)  # noqa: S311  spreading load, not a secret
        self._next_s = min(self._next_s * self._factor, self._max_s)
        return pause

    async def pause(self, wake: anyio.Event | None = None) -> None:
        """Let the next pause pass; ``wake`` ends it early."""
        with anyio.move_on_after(self.next_s()):
            await (wake or anyio.Event()).wait()


async def beat(interval_s: float, action: Callable[[], Awaitable[None]]) -> None:
    """Do ``action`` every ``interval_s`` seconds until cancelled, first after one interval."""
    while True:
        await anyio.sleep(interval_s)
        await action()


async def until(deadline: float) -> None:
    """Return at ``deadline``, a time of ``anyio.current_time()``; at once where that has passed."""
    await anyio.sleep_until(deadline)
