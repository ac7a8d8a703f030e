"""A connection at whose operations its process dies: before one is made, or behind it, when nobody knows of it yet."""

from collections.abc import Callable
from typing import Any

import anyio.lowlevel

from tests.support.plans import Death
from testwright.bus.memory import MemoryBus

AT = frozenset({"publish", "schedule", "unschedule", "last", "get", "put", "fetch", "forget"})


class Mortal:
    """A bus of a process that dies once.

    Args:
        bus: its connection.
        die: ends the process, which is noticed at its next await.
        death: at which operation.
    """

    def __init__(self, bus: MemoryBus, die: Callable[[], None], death: Death) -> None:
        self._bus = bus
        self._die = die
        self._left = death.operation
        self._behind = death.behind

    def __getattr__(self, name: str) -> Any:
        """Return what the connection has by this name."""
        found = getattr(self._bus, name)
        if name not in AT:
            return found

        async def call(*args: Any, **options: Any) -> Any:
            self._left -= 1
            last = self._left == 0
            if last and not self._behind:
                await self._end()
            result = await found(*args, **options)
            if last:
                await self._end()
            return result

        return call

    async def _end(self) -> None:
        self._die()
        await anyio.lowlevel.checkpoint()
