"""Notes of attempts on the bus: what one leaves for the one that takes its place, should its worker die.

They are of a work item: an attempt that comes after a crash, or after its worker had to stop, is at the same item and
finds them; another try or round is another item and begins without. All of it is as good as it can be: what cannot be
written or read is paid for again, and nothing else comes of it.
"""

import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial

import anyio
import msgspec
from anyio.abc import TaskStatus
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from testwright.background import beside
from testwright.bus import Bus
from testwright.errors import BusError
from testwright_schemas import GenerateSuite, Note, envelope, subjects

log = logging.getLogger("testwright.generator")

MOST_NOTES = 200
"""Notes of one attempt; five attempts at an item at most are read with one request of the server's 1,024 subjects."""

MOST_BYTES = 8 << 20
"""Bytes of text in the notes of one attempt."""

PATIENCE_S = 3.0
"""Seconds that reading notes, or taking them away, may keep the work waiting."""


class Notebook:
    """The notes of one work item; implements the engines' ``Notes`` while it is open.

    Args:
        bus: where they are.
        item: the work item.
        keeps: whether there are notes of it at all.

    Attributes:
        before: what attempts before the one that is open have left, oldest first.
    """

    def __init__(self, bus: Bus, item: GenerateSuite, *, keeps: bool) -> None:
        self._bus = bus
        self._item = item
        self._keeps = keeps
        self._attempt = 0
        self._added = 0
        self._room = MOST_BYTES
        self._waiting: MemoryObjectSendStream[Note] | None = None
        self.before: Sequence[Note] = ()

    @asynccontextmanager
    async def open(self, attempt: int) -> AsyncGenerator[None]:
        """Write down what an attempt of this number adds for as long as the body runs, and know what is there."""
        self._attempt = attempt
        if not self._keeps:
            yield
            return
        if attempt > self._item.attempt.number:
            self.before = await self._read()
        self._waiting, coming = anyio.create_memory_object_stream[Note](MOST_NOTES)
        with self._waiting, coming:
            async with beside(partial(self._write, coming)):
                yield

    def add(self, note: Note) -> None:
        """Leave a note; see ``testwright.engines.Notes``."""
        size = len(note.text.encode())
        if not self._keeps or self._waiting is None or self._added == MOST_NOTES or size > self._room:
            # Without this one those that follow are worth nothing.
            self._room = -1
            return
        self._room -= size
        self._added += 1
        with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
            self._waiting.send_nowait(note)

    async def discard(self, *, left: bool) -> None:
        """Take all notes of the item away: nobody will go on from them.

        Args:
            left: whether attempts before may have left some.
        """
        if not self._keeps or not (left or self._added):
            return
        with anyio.move_on_after(PATIENCE_S):
            try:
                await self._bus.forget(subjects.NOTES, self._subject())
            except BusError as error:
                log.warning("notes-stay task=%s error=%s", self._item.task_id, error)

    async def _read(self) -> Sequence[Note]:
        found: list[Note] = []
        with anyio.move_on_after(PATIENCE_S):
            try:
                kept = self._bus.last_per_subject(subjects.NOTES, [self._subject()])
                found.extend([envelope.decode(stored.data, Note) async for stored in kept])
            except (BusError, msgspec.DecodeError) as error:
                log.warning("notes-unread task=%s error=%s", self._item.task_id, error)
        return found

    async def _write(
        self, coming: MemoryObjectReceiveStream[Note], *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED
    ) -> None:
        task_status.started()
        number = 0
        with coming:
            async for note in coming:
                subject = self._subject(str(self._attempt), str(number))
                try:
                    await self._bus.publish(subject, msgspec.json.encode(note), message_id=subject)
                except BusError as error:
                    log.warning("notes-unwritten task=%s error=%s", self._item.task_id, error)
                    return
                number += 1

    def _subject(self, attempt: str = "*", number: str = "*") -> str:
        item = self._item
        return subjects.note(item.namespace, item.task_id, str(item.attempt.number), attempt, number)
