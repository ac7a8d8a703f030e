"""How an actor comes to rest: which of its slots are idle, which are at work, and how they are ended."""

from collections.abc import Generator
from contextlib import contextmanager

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

    @contextmanager
    def serving(self) -> Generator[anyio.CancelScope]:
        """Run the body, which is to take deliveries until there are none; it is ended when there is reason to."""
        # One scope for all deliveries of a slot: one for each would cost as much as taking it.
        with anyio.CancelScope() as scope:
            try:
                yield scope
            finally:
                self._busy.discard(scope)

    async def next(self, slot: Slot, scope: anyio.CancelScope) -> Delivery | None:
        """Return the slot's next delivery, ``None`` once draining has begun.

        Args:
            slot: where it comes to.
            scope: that of ``serving`` in which it is taken, and worked on.
        """
        if self._begun:
            return None
        self._busy.discard(scope)
        self._idle.add(scope)
        try:
            return await slot.next()
        finally:
            self._idle.discard(scope)
            self._busy.add(scope)
