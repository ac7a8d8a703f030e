"""A feed in memory: everything that matches, once, in order."""

from collections import deque
from collections.abc import Sequence

import anyio

from testwright.bus import Stored
from testwright.bus._filters import compile_filters
from testwright.bus._memory_link import Link
from testwright.bus._memory_stream import MemoryStream


class MemoryFeed:
    """Follows a stream from behind a sequence; ``None`` is its end.

    It holds what matches from the moment it is made, as the server pushes messages before they can be dropped.
    """

    def __init__(self, link: Link, stream: MemoryStream, filters: Sequence[str], after: int | None) -> None:
        self._link = link
        self._stream = stream
        self._wanted = compile_filters(filters)
        self._ready = deque[Stored]()
        self._grown = anyio.Event()
        for stored in stream.after(stream.last_sequence if after is None else after):
            self._push(stored)
        stream.listeners.append(self._push)

    def close(self) -> None:
        """Follow no more."""
        self._stream.listeners.remove(self._push)

    def __aiter__(self) -> "MemoryFeed":
        return self

    async def __anext__(self) -> Stored:
        with self._link.waiting():
            while not self._ready:
                self._grown = anyio.Event()
                await self._grown.wait()
            await self._link.lag()
            await self._link.reach()
            return self._ready.popleft()

    def _push(self, stored: Stored) -> None:
        if self._wanted.fullmatch(stored.subject):
            self._ready.append(stored)
            self._grown.set()
