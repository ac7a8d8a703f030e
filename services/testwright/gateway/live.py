"""Keeps the board, and streams it and the events themselves to whoever listens; nobody asks twice."""

from collections.abc import AsyncGenerator, Callable, Collection, Sequence
from contextlib import asynccontextmanager

import anyio
from anyio.abc import TaskStatus

from testwright.bus import Reader, Stored
from testwright.errors import RequestRefusedError
from testwright.gateway import frames
from testwright.gateway.core import Board
from testwright.watching import EVENTS, read, watched
from testwright_schemas import subjects

MAX_STREAMS = 64
"""Connections that are streamed to at a time."""


class Live:
    """The board of one gateway, and what follows it.

    Args:
        bus: where events come from.
        max_streams: see ``MAX_STREAMS``.
    """

    def __init__(self, bus: Reader, max_streams: int = MAX_STREAMS) -> None:
        self.board = Board()
        self._bus = bus
        self._free = max_streams
        self._news = anyio.Event()
        self._closing = anyio.Event()

    async def follow(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Keep the board up to date; reports started when it shows what there is.

        What is read at first is the state at one place of the stream, on whichever server, so following from there
        misses nothing.
        """
        everything = [subjects.events_of("*")]
        async for stored in self._bus.last_per_subject(subjects.EVENTS, everything):
            self._take_in(stored)
        async with self._bus.feed(subjects.EVENTS, everything, after=self.board.sequence) as feed:
            task_status.started()
            async for stored in feed:
                self._take_in(stored)
                self._tell()

    def close(self) -> None:
        """End every stream: whoever listens comes again, to another gateway or to this one when it is back."""
        self._closing.set()
        self._tell()

    @property
    def closing(self) -> anyio.Event:
        """Set when streams are to end."""
        return self._closing

    @asynccontextmanager
    async def place(self) -> AsyncGenerator[None]:
        """Take one of the places for streams.

        Raises:
            RequestRefusedError: there is none left.
        """
        if self._free <= 0 or self._closing.is_set():
            raise RequestRefusedError(503, "too-many-streams", "too many listen already", {"Retry-After": "5"})
        self._free -= 1
        try:
            yield
        finally:
            self._free += 1

    async def changes(self, namespaces: Collection[str], after: int | None) -> AsyncGenerator[bytes]:
        """Yield what the board shows, or what has changed behind a sequence, and then each change as it comes.

        Whoever is slow gets the last state of a row, and no queue grows for him.
        """
        change = self.board.since(after, namespaces)
        for chunk in frames.changes(change):
            yield chunk
        while not self._closing.is_set():
            news = self._news
            if self.board.sequence == change.sequence:
                await news.wait()
                continue
            change = self.board.since(change.sequence, namespaces)
            if not change.empty:
                for chunk in frames.changes(change):
                    yield chunk

    async def events(self, filters: Sequence[str], after: int | None) -> AsyncGenerator[bytes]:
        """Yield events of the stream behind a sequence (0: all that are kept; ``None``: those to come)."""
        async with watched(self._bus, filters, after) as events:
            async for stored, event in events:
                yield frames.happened(stored, event)

    async def until(self, done: Callable[[], bool]) -> None:
        """Return when something holds on the board."""
        while not done():
            await self._news.wait()

    def _take_in(self, stored: Stored) -> None:
        if event := read(stored, EVENTS):
            self.board.apply(stored.sequence, stored.time, event)
        else:
            # The board is as far as the stream all the same.
            self.board.sequence = max(self.board.sequence, stored.sequence)

    def _tell(self) -> None:
        self._news.set()
        self._news = anyio.Event()
