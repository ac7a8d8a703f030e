"""Finds the task that works, or has worked, on a content already; claims the content where there is none."""

from collections.abc import Mapping

from testwright.bus import Bus, Stored
from testwright.errors import BlobCorruptError, BlobNotFoundError, ConflictError
from testwright.submitter import joining
from testwright.voice import Archive, Voice
from testwright.watching import read
from testwright_schemas import (
    ContentClaimed,
    Expect,
    Publish,
    SubmitJob,
    TaskFinished,
    TaskSpec,
    envelope,
    subjects,
)

_CLAIMS = envelope.Decoder[ContentClaimed](ContentClaimed)

MAX_RACES = 5
"""Claims that others may make first before a task does its own work: that costs more, and is not wrong."""


class Contents:
    """What is worked on.

    Args:
        bus: where claims and results are.
        voice: how claims are said.
    """

    def __init__(self, bus: Bus, voice: Voice) -> None:
        self._bus = bus
        self._archive = Archive(bus)
        self._voice = voice

    async def sources(self, command: SubmitJob, owners: Mapping[str, str], stored: Stored) -> dict[str, str | None]:
        """Return which task each of an acceptable submission joins, ``None`` for one that does its own work.

        Args:
            command: the submission.
            owners: its tasks that are submitted already: what was decided for them stands.
            stored: the message that it comes from.
        """
        decided = await self._archive.tasks(command.namespace, owners) if owners else {}
        found: dict[str, str | None] = {}
        for spec in command.tasks:
            task = decided[spec.task_id].submitted if spec.task_id in decided else None
            found[spec.task_id] = task.joined_to if task else await self._source(command, spec, stored)
        return found

    async def _source(self, command: SubmitJob, spec: TaskSpec, stored: Stored) -> str | None:
        key = joining.content(spec.target, command.snapshot, command.policy)
        own = ContentClaimed(namespace=command.namespace, content=key, task_id=spec.task_id)
        subject = subjects.event(own)
        for _ in range(MAX_RACES):
            last = await self._bus.last(subjects.EVENTS, subject)
            claim = read(last, _CLAIMS) if last else None
            if claim and claim.task_id == spec.task_id:
                return None
            if last and claim and await self._may_join(claim, last, stored):
                return claim.task_id
            try:
                expect = Expect(subject=subject, sequence=last.sequence if last else 0)
                await self._voice.say(Publish(message=own, expect=expect), stored.headers)
            except ConflictError:
                continue
            return None
        return None

    async def _may_join(self, claim: ContentClaimed, claimed: Stored, stored: Stored) -> bool:
        source = await self._archive.sure(claim.namespace, claim.task_id, "finished")
        if not joining.may_join(source, claimed.time, stored.time):
            return False
        return source.finished is None or await self._is_kept(source.finished)

    async def _is_kept(self, result: TaskFinished) -> bool:
        """Return whether the files of a result are still there: equal ones may have been stored long before it."""
        try:
            for file in result.files:
                await self._bus.fetch(subjects.ARTIFACTS, result.namespace, file.digest)
        except (BlobNotFoundError, BlobCorruptError):
            return False
        return True
