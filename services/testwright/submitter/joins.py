"""Ends tasks as those end that they have joined, and asks for the end of those that newer ones supersede."""

from collections.abc import Sequence
from typing import TypeVar

from testwright.actor import AHEAD, Reaction
from testwright.bus import Bus, Stored
from testwright.history import TaskHistory
from testwright.submitter import joining
from testwright.voice import Archive
from testwright.watching import ENDS, last_readable, read
from testwright_schemas import Effect, ModuleTaken, TaskFinished, TaskJoined, envelope, subjects

Joined = TaskFinished | TaskJoined | ModuleTaken

_EVENTS = envelope.Decoder[Joined](Joined)

Entry = TypeVar("Entry", TaskJoined, ModuleTaken)


class _Joins:
    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._archive = Archive(bus)

    async def handle(self, message: Joined, stored: Stored) -> Sequence[Effect]:
        match message:
            case TaskFinished():
                return joining.follow(message, await self._joined(message, stored), stored.time)
            case TaskJoined():
                return await self._join(message, stored)
            case ModuleTaken():
                return await self._supersede(message, stored) if message.supersede else ()

    async def _joined(self, end: TaskFinished, stored: Stored) -> list[TaskHistory]:
        subject = subjects.joined_event(end.namespace, end.task_id)
        ids = [entry.task_id for _, entry in await self._entries(subject, TaskJoined, stored)]
        return await self._histories(end.namespace, ids, stored.sequence)

    async def _join(self, entry: TaskJoined, stored: Stored) -> Sequence[Effect]:
        # Only now that the entry is there: whoever ends the source after this look finds it.
        subject = subjects.task_event(entry.namespace, entry.source_id, "finished")
        told = await last_readable(self._bus, subject, ENDS)
        if told is None:
            # There is none, or none that can be read: another is to come.
            return ()
        tasks = await self._histories(entry.namespace, [entry.task_id], stored.sequence)
        return joining.follow(told[1], tasks, stored.time)

    async def _supersede(self, entry: ModuleTaken, stored: Stored) -> Sequence[Effect]:
        subject = subjects.taken_event(entry.namespace, entry.module)
        entries = await self._entries(subject, ModuleTaken, stored)
        older = [each.task_id for sequence, each in entries if sequence < stored.sequence]
        newer = await self._archive.task(entry.namespace, entry.task_id, at_least=stored.sequence)
        return joining.supersede(newer, await self._histories(entry.namespace, older, stored.sequence))

    async def _entries(self, subject: str, type_: type[Entry], cause: Stored) -> list[tuple[int, Entry]]:
        # A server that finds nothing at all does not say how much it knows; what led here is there to be found.
        filters = [subject] if type_ is ModuleTaken else [subject, cause.subject]
        found = self._bus.last_per_subject(subjects.EVENTS, filters, at_least=cause.sequence)
        entries = [(stored.sequence, read(stored, _EVENTS)) async for stored in found]
        return [(sequence, entry) for sequence, entry in entries if isinstance(entry, type_)]

    async def _histories(self, namespace: str, ids: Sequence[str], at_least: int) -> list[TaskHistory]:
        if not ids:
            return []
        found = await self._archive.tasks(namespace, ids, at_least=at_least)
        return [found[id_] for id_ in ids if id_ in found]


def joins(bus: Bus) -> Reaction:
    """Return what a submitter does about tasks that have ended, have joined others, or have superseded them."""
    return Reaction(
        stream=subjects.EVENTS,
        consumers=(subjects.JOINS_CONSUMER,),
        type_=Joined,
        handle=_Joins(bus).handle,
        ahead=AHEAD,
    )
