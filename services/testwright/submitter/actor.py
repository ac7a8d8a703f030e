"""The submitter's shell: reads commands, looks up what they name, says what follows."""

from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import assert_never

import msgspec

from testwright.actor import AHEAD, Actor, Reaction
from testwright.bus import Bus, Stored
from testwright.errors import ConflictError, TaskNotFoundError
from testwright.history import JobHistory, TaskHistory
from testwright.limits import Limits
from testwright.misfit import misfit
from testwright.submitter import asking, core
from testwright.submitter.backlog import Backlog
from testwright.submitter.contents import Contents
from testwright.submitter.joins import joins
from testwright.submitter.schedules import Schedules
from testwright.voice import Archive, Clock, Voice
from testwright_schemas import (
    CancelSchedule,
    CancelTasks,
    CommandMessage,
    Effect,
    Id,
    JobSubmitted,
    Publish,
    RetryTasks,
    ScheduleCommand,
    ScheduleDue,
    ScheduleJob,
    SubmitJob,
    Token,
    envelope,
    subjects,
)


class _Submitter:
    def __init__(self, bus: Bus, voice: Voice, clock: Clock, engines: Collection[str]) -> None:
        self._archive = Archive(bus)
        self._contents = Contents(bus, voice)
        self._voice = voice
        self.limits = Limits(bus)
        self.backlog = Backlog(bus)
        self._engines = engines
        self._clock = clock
        self.schedules = Schedules(bus, engines, self.submit, self.give_up)

    async def handle(self, message: CommandMessage | ScheduleCommand, stored: Stored) -> Sequence[Effect]:
        match message:
            case SubmitJob():
                return await self.submit(message, stored)
            case CancelTasks():
                return await self._cancel(message, stored)
            case RetryTasks():
                old = await self._old(message.namespace, dict.fromkeys(spec.retry_of for spec in message.tasks))
                claims = await self._claims(message)
                return self._noted(claims, core.retry(message, claims, old, self._engines, stored.time))
            case ScheduleJob():
                return await self.schedules.ask(message, stored)
            case CancelSchedule():
                return await self.schedules.cancel(message, stored)
            case _:
                assert_never(message)

    async def submit(self, command: SubmitJob, stored: Stored) -> Sequence[Effect]:
        """Return what a submission leads to; where its tasks are to join others, it is decided which."""
        command = asking.priced(command)
        claims = await self._claims(command)
        answer = self._noted(claims, core.submit(command, claims, self._engines, stored.time))
        if not command.join or not core.is_acceptance(answer):
            return answer
        joined = await self._contents.sources(command, claims.owners, stored)
        return core.submit(command, claims, self._engines, stored.time, joined)

    def _noted(self, claims: core.Claims, answer: Sequence[Effect]) -> Sequence[Effect]:
        """Return an answer; a job accepted by it counts at once: the next one may come before it is heard of."""
        if claims.job.rejected:
            # It may be noted here, when another was first to answer.
            self.backlog.forget(claims.job.rejected)
        for effect in answer:
            if (
                claims.job.submitted is None
                and isinstance(effect, Publish)
                and isinstance(effect.message, JobSubmitted)
            ):
                self.backlog.note(effect.message)
        return answer

    async def refuse(self, stored: Stored, error: msgspec.DecodeError) -> bool:
        """Answer a submission of the wrong shape with a rejection, if it says at least which job it is."""
        try:
            known = envelope.decode(stored.data, _Known)
        except msgspec.DecodeError:
            return False
        if known.namespace != subjects.namespace_of(stored.subject):
            return False
        field, reason = misfit(error)
        with suppress(ConflictError):
            await self._voice.say(core.rejected(known.namespace, known.job_id, field or "body", reason), stored.headers)
        return True

    async def give_up(self, message: CommandMessage | ScheduleCommand, stored: Stored) -> Sequence[Effect]:
        """Return what ends a submission that failed too often; nothing for any other command."""
        del stored
        if not isinstance(message, SubmitJob | RetryTasks):
            return ()
        return core.give_up(
            message, await self._claims(message), "its submission failed again and again", self._clock()
        )

    async def _cancel(self, command: CancelTasks, stored: Stored) -> Sequence[Effect]:
        jobs: dict[str, JobHistory] = {
            job_id: await self._archive.job(command.namespace, job_id) for job_id in command.job_ids
        }
        tasks = await self._archive.tasks(command.namespace, core.wanted(command, jobs))
        requests = core.cancel(command, jobs, tasks)
        unheard_of = core.unheard_of(command, jobs, tasks)
        if unheard_of is None:
            return requests
        for request in requests:
            await self._voice.say(request, stored.headers)
        # Its submission may be in other hands, or on its way back from them: this comes again, until it is given up.
        raise TaskNotFoundError(unheard_of)

    async def _old(self, namespace: str, ids: Collection[str]) -> dict[str, TaskHistory]:
        found = await self._archive.tasks(namespace, ids)
        doubtful = [id_ for id_ in ids if id_ not in found or not found[id_].finished]
        return found | {id_: await self._archive.sure(namespace, id_, "finished") for id_ in doubtful}

    async def _claims(self, command: SubmitJob | RetryTasks) -> core.Claims:
        ids = [spec.task_id for spec in command.tasks]
        job, owners = await self._archive.claims(command.namespace, command.job_id, ids)
        limits = await self.limits.of(command.namespace)
        open_tasks = await self.backlog.open_tasks(command.namespace) if limits and limits.tasks else 0
        return core.Claims(job=job, owners=owners, limits=limits, open_tasks=open_tasks)


class _Known(msgspec.Struct):
    namespace: Token
    job_id: Id


def submitter(bus: Bus, clock: Clock, engines: Collection[str], *, slots: int = 1) -> Actor:
    """Return a submitter.

    Args:
        bus: its connection.
        clock: time of day.
        engines: names of the engines that this bus has queues for.
        slots: commands handled at a time; one keeps a cancel behind the submission it is about.
    """
    voice = Voice(bus, "submitter", clock)
    part = _Submitter(bus, voice, clock, engines)
    commands = Reaction(
        stream=subjects.COMMANDS,
        consumers=(subjects.SUBMITTER_CONSUMER,),
        type_=CommandMessage | ScheduleCommand,
        handle=part.handle,
        slots=slots,
        ahead=AHEAD,
        refused=part.refuse,
        given_up=part.give_up,
    )
    due = Reaction(
        stream=subjects.TIMERS,
        consumers=(subjects.SCHEDULES_CONSUMER,),
        type_=ScheduleDue,
        handle=part.schedules.due,
        ahead=AHEAD,
        given_up=part.schedules.give_up,
    )
    return Actor(
        "submitter", bus, voice, (commands, joins(bus), due), background=(part.limits.follow, part.backlog.follow)
    )
