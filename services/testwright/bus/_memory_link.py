"""The wire of one connection to the memory server: open, cut or closed, and what waits on it."""

import contextlib
import math
from collections.abc import Callable, Generator
from typing import TypeVar

import anyio
import anyio.lowlevel

from testwright.bus._memory_faults import Dice, Fate
from testwright.errors import BusClosedError, BusError, BusTimeoutError, PublishTimeoutError
from testwright.pacing import until

CONFIRM_TIMEOUT_S = 30.0
"""How long a confirmation is waited for."""
RETRY_S = 2.0
"""After how long an unconfirmed publish is sent again."""

T = TypeVar("T")


class Link:
    """One connection's way to the server."""

    def __init__(self, name: str, dice: Dice) -> None:
        self.name = name
        self.dice = dice
        self._whole = anyio.Event()
        self._whole.set()
        self._closed = False
        self._waiting: set[anyio.CancelScope] = set()

    @property
    def reachable(self) -> bool:
        """Whether the server and this connection hear each other."""
        return self._whole.is_set() and not self._closed

    def close(self) -> None:
        """End the connection for good: whatever waits on it raises ``BusClosedError``."""
        self._closed = True
        for scope in tuple(self._waiting):
            scope.cancel()

    def partition(self) -> None:
        """Cut the wire: until it is healed nothing gets through, neither way."""
        if self._whole.is_set():
            self._whole = anyio.Event()

    def heal(self) -> None:
        """Mend the wire."""
        self._whole.set()

    @contextlib.contextmanager
    def waiting(self) -> Generator[None]:
        """Run a block whose waiting ends when the connection is closed.

        Raises:
            BusClosedError: it is closed, or was while the block waited.
        """
        if self._closed:
            raise BusClosedError(f"the connection {self.name!r} is closed")
        with anyio.CancelScope() as scope:
            self._waiting.add(scope)
            try:
                yield
            finally:
                self._waiting.discard(scope)
        if scope.cancelled_caught:
            raise BusClosedError(f"the connection {self.name!r} was closed")

    async def reach(self) -> None:
        """Return when the server can be reached."""
        await anyio.lowlevel.checkpoint()
        await self._whole.wait()

    async def ask(self, about: str, action: Callable[[], T]) -> T:
        """Return what ``action`` finds on the server.

        Raises:
            BusTimeoutError: the server could not be reached for 30 s.
        """
        with self.waiting():
            with anyio.CancelScope(deadline=anyio.current_time() + CONFIRM_TIMEOUT_S):
                await self.reach()
                return action()
            raise BusTimeoutError(about, CONFIRM_TIMEOUT_S)

    async def tell(self, action: Callable[[], None]) -> None:
        """Do something on the server, unconfirmed: cut off, it is not done."""
        with self.waiting():
            await anyio.lowlevel.checkpoint()
            if self.reachable:
                action()

    async def publish(self, subject: str, action: Callable[[], T]) -> T:
        """Do something on the server until its confirmation comes through.

        Raises:
            PublishTimeoutError: no confirmation came within 30 s; it may have been done.
        """
        refused = PublishTimeoutError(f"{subject} was not confirmed within {CONFIRM_TIMEOUT_S:g} s")
        return await self._confirm(action, self.dice.publish_fate, RETRY_S, refused)

    async def answer(self, about: str, action: Callable[[], None]) -> None:
        """Do something on the server and wait for its confirmation, without trying again.

        Raises:
            BusTimeoutError: no confirmation came within 30 s; it may have been done.
        """
        await self._confirm(action, self.dice.answer_fate, math.inf, BusTimeoutError(about, CONFIRM_TIMEOUT_S))

    async def lag(self) -> None:
        """Let the time pass by which something lags on this wire, most often none."""
        lag_s = self.dice.lag_s()
        if lag_s:
            await until(anyio.current_time() + lag_s)

    async def _confirm(
        self, action: Callable[[], T], next_fate: Callable[[], Fate], retry_s: float, timed_out: BusError
    ) -> T:
        with self.waiting():
            with anyio.CancelScope(deadline=anyio.current_time() + CONFIRM_TIMEOUT_S):
                while True:
                    await self.reach()
                    await self.lag()
                    fate = next_fate() if self.reachable else Fate.LOST
                    if fate is Fate.CONFIRMED:
                        return action()
                    if fate is Fate.UNCONFIRMED:
                        action()
                    await until(anyio.current_time() + retry_s)
            raise timed_out
