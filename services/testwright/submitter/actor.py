"""The submitter's shell: reads commands, looks up what they name, says what follows."""

import re
from collections.abc import Collection, Sequence
from typing import assert_never

import msgspec

from testwright.actor import Actor, Reaction
from testwright.bus import Bus, Stored
from testwright.history import JobHistory, TaskHistory
from testwright.submitter import core
from testwright.voice import Archive, Clock, Voice
from testwright_schemas import CancelTasks, CommandMessage, Effect, RetryTasks, SubmitJob, envelope, subjects


class _Submitter:
    def __init__(self, archive: Archive, voice: Voice, engines: Collection[str]) -> None:
        self._archive = archive
        self._voice = voice
        self._engines = engines

    async def handle(self, message: CommandMessage, _: Stored) -> Sequence[Effect]:
        match message:
            case SubmitJob():
                return core.submit(message, self._engines)
            case CancelTasks():
                return await self._cancel(message)
            case RetryTasks():
                old = {spec.retry_of for spec in message.tasks}
                return core.retry(message, await self._tasks(message.namespace, old))
            case _:
                assert_never(message)

    async def refuse(self, stored: Stored, error: msgspec.DecodeError) -> bool:
        """Answer a submission of the wrong shape with a rejection, if it says at least which job it is."""
        try:
            known = envelope.decode(stored.data, _Known)
        except msgspec.DecodeError:
            return False
        reason, _, path = str(error).partition(" - at `$.")
        field = path.rstrip("`") or "body"
        await self._voice.say(core.rejected(known.namespace, known.job_id, field, reason), stored.headers)
        return True

    async def _cancel(self, command: CancelTasks) -> Sequence[Effect]:
        jobs: dict[str, JobHistory] = {
            job_id: await self._archive.job(command.namespace, job_id) for job_id in command.job_ids
        }
        wanted = set(command.task_ids)
        for job in jobs.values():
            wanted.update(job.submitted.task_ids if job.submitted else ())
        return core.cancel(command, jobs, await self._tasks(command.namespace, wanted))

    async def _tasks(self, namespace: str, ids: Collection[str]) -> dict[str, TaskHistory]:
        return {task_id: await self._archive.task(namespace, task_id) for task_id in ids}


class _Known(msgspec.Struct):
    namespace: str
    job_id: str

    def __post_init__(self) -> None:
        # These become subject tokens of the rejection.
        if not all(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", token) for token in (self.namespace, self.job_id)):
            raise ValueError("not a subject token")


def submitter(bus: Bus, clock: Clock, engines: Collection[str], *, slots: int = 1) -> Actor:
    """Return a submitter.

    Args:
        bus: its connection.
        clock: time of day.
        engines: names of the engines that this bus has queues for.
        slots: commands handled at a time; one keeps a cancel behind the submission it is about.
    """
    voice = Voice(bus, "submitter", clock)
    part = _Submitter(Archive(bus), voice, engines)
    reaction = Reaction(
        stream=subjects.COMMANDS,
        consumers=(subjects.SUBMITTER_CONSUMER,),
        type_=CommandMessage,
        handle=part.handle,
        slots=slots,
        refused=part.refuse,
    )
    return Actor("submitter", bus, voice, (reaction,))
