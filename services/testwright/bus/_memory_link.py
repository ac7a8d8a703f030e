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
        self._slow_s = 0.0
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

    def slow(self, by_s: float) -> None:
        """Have everything that is said and heard take so many seconds longer from now on."""
        self._slow_s = by_s

    @contextlib.contextmanager
    def waiting(self, within_s: float = math.inf, late: BusError | None = None) -> Generator[None]:
        """Run a block whose waiting ends when the connection is closed, or after so many seconds.

        Raises:
            BusClosedError: it is closed, or was while the block waited.
            BusError: ``late``, where the time was over.
        """
        self._check_open()
        with anyio.CancelScope(deadline=anyio.current_time() + within_s) as scope:
            self._waiting.add(scope)
            try:
                yield
            finally:
                self._waiting.discard(scope)
        if scope.cancelled_caught:
            if late is None or self._closed:
                raise BusClosedError(f"the connection {self.name!r} was closed")
            raise late

    async def reach(self) -> None:
        """Return when the server can be reached."""
        await anyio.lowlevel.checkpoint()
        if not self._whole.is_set():
            await self._whole.wait()

    async def ask(self, about: str, action: Callable[[], T]) -> T:
        """Return what ``action`` finds on the server.

        Raises:
            BusTimeoutError: the server could not be reached for 30 s.
        """
        # Most often nothing has to be waited for, and a scope costs more than all the rest.
        await self._step()
        if not self.reachable:
            with self.waiting(CONFIRM_TIMEOUT_S, BusTimeoutError(about, CONFIRM_TIMEOUT_S)):
                await self._whole.wait()
        return action()

    async def tell(self, action: Callable[[], None]) -> None:
        """Do something on the server, unconfirmed: cut off, it is not done."""
        await self._step()
        if self.reachable:
            action()

    async def say(self, action: Callable[[], object]) -> None:
        """Do something on the server, unconfirmed, once it can be reached; what is lost on the way is not noticed."""
        with self.waiting():
            await self.reach()
            if self.dice.answer_fate() is not Fate.LOST:
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
        lag_s = self.dice.lag_s() + self._slow_s
        if lag_s:
            await until(anyio.current_time() + lag_s)

    async def _confirm(
        self, action: Callable[[], T], next_fate: Callable[[], Fate], retry_s: float, timed_out: BusError
    ) -> T:
        with self.waiting(CONFIRM_TIMEOUT_S, timed_out):
            while True:
                await self.reach()
                await self.lag()
                fate = next_fate() if self.reachable else Fate.LOST
                if fate is Fate.CONFIRMED:
                    return action()
                if fate is Fate.UNCONFIRMED:
                    action()
                await until(anyio.current_time() + retry_s)

    async def _step(self) -> None:
        """Let others go first.

        Raises:
            BusClosedError: the connection is closed, or was meanwhile.
        """
        self._check_open()
        await anyio.lowlevel.checkpoint()
        self._check_open()

    def _check_open(self) -> None:
        if self._closed:
            raise BusClosedError(f"the connection {self.name!r} is closed")
