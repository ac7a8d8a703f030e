"""The wire of one connection to the memory server: open, cut or closed, and what waits on it."""

import contextlib
import math
from collections.abc import Callable, Generator
from typing import TypeVar

import anyio
import anyio.lowlevel

from testwright.bus._memory_faults import Dice, Fate
from testwright.errors import BusClosedError, PublishTimeoutError
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

    async def ask(self, action: Callable[[], T]) -> T:
        """Return what ``action`` finds on the server."""
        with self.waiting():
            await self.reach()
            return action()

    async def tell(self, action: Callable[[], None]) -> None:
        """Do something on the server, unconfirmed: cut off, it is not done."""
        with self.waiting():
            await anyio.lowlevel.checkpoint()
            if self.reachable:
                action()

    async def confirm(
        self, subject: str, action: Callable[[], T], fate: Callable[[], Fate], *, retry_s: float = RETRY_S
    ) -> T:
        """Do something on the server until its confirmation comes through, trying again each ``retry_s``.

        Raises:
            PublishTimeoutError: no confirmation came within 30 s; it may have been done.
        """
        with self.waiting():
            with anyio.CancelScope(deadline=anyio.current_time() + CONFIRM_TIMEOUT_S):
                while True:
                    await self.reach()
                    await self.lag()
                    match fate() if self.reachable else Fate.LOST:
                        case Fate.CONFIRMED:
                            return action()
                        case Fate.UNCONFIRMED:
                            action()
                        case Fate.LOST:
                            pass
                    await until(anyio.current_time() + retry_s)
            raise PublishTimeoutError(f"{subject} was not confirmed within {CONFIRM_TIMEOUT_S:g} s")

    async def confirm_once(self, subject: str, action: Callable[[], T], fate: Callable[[], Fate]) -> T:
        """Do something on the server and wait for its confirmation, without trying again.

        Raises:
            PublishTimeoutError: no confirmation came within 30 s; it may have been done.
        """
        return await self.confirm(subject, action, fate, retry_s=math.inf)

    async def lag(self) -> None:
        """Let the time pass by which something lags on this wire, most often none."""
        lag_s = self.dice.lag_s()
        if lag_s:
            await until(anyio.current_time() + lag_s)
