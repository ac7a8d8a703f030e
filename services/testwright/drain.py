"""How an actor comes to rest: which of its slots are idle, which are at work, and how they are ended."""

from collections.abc import Awaitable, Callable

import anyio

from testwright.bus import Delivery, Slot


class Drain:
    """Lets an actor come to rest: idle slots end at once, busy ones finish or are stopped after a grace time."""

    def __init__(self) -> None:
        self._begun = False
        self._idle: set[anyio.CancelScope] = set()
        self._busy: set[anyio.CancelScope] = set()

    def begin(self) -> None:
        """Take no new work from now on."""
        self._begun = True
        for scope in tuple(self._idle):
            scope.cancel()

    def stop(self) -> None:
        """Stop what is still running."""
        for scope in tuple(self._busy):
            scope.cancel()

    async def next(self, slot: Slot) -> Delivery | None:
        """Return the slot's next delivery, ``None`` once draining has begun."""
        if self._begun:
            return None
        delivery = None
        with anyio.CancelScope() as scope:
            self._idle.add(scope)
            try:
                delivery = await slot.next()
            finally:
                self._idle.discard(scope)
        return delivery

    async def work(self, body: Callable[[], Awaitable[None]]) -> None:
        """Run ``body`` to its end or until ``stop``."""
        with anyio.CancelScope() as scope:
            self._busy.add(scope)
            try:
                await body()
            finally:
                self._busy.discard(scope)
