"""The client: submit, and later wait, look, watch, cancel; from any process, as often as wanted.

One feed a process wakes whoever waits. It stands before the first submission, so no end can fall between; a task
submitted elsewhere is looked up once, after its waiter is registered.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Self

import anyio

from testwright import clock as real
from testwright import letters, settings
from testwright.background import beside
from testwright.bus import Bus, Stored
from testwright.bus.nats import connect
from testwright.errors import InvalidSubmissionError, TaskNotFoundError, WaitTimeoutError
from testwright.history import TaskStatus, status
from testwright.observe.observation import observing
from testwright.running import locate
from testwright.schedules import Schedules
from testwright.snapshots.bundle import Bundle, bundler
from testwright.submission import Job, TaskRef, Terms, check_id, check_namespace, is_job, listed, prepare
from testwright.voice import Archive, Clock, Voice
from testwright.waiting import Prospect, WaitingRoom, within
from testwright.watching import accepted, ended, watched
from testwright_schemas import (
    CancelTasks,
    EventMessage,
    MessageDeadLettered,
    Policy,
    Publish,
    RetrySpec,
    RetryTasks,
    SubmitJob,
    TaskFinished,
    subjects,
)

ACCEPTANCE_S = 5.0
"""Seconds that ``wait`` gives a task it has never heard of to be accepted before it calls it unknown."""


class Client:
    """A connection to testwright. Make one with ``Client.connect``.

    Args:
        bus: a connection.
        namespace: of everything it submits and sees.
        clock: time of day.
        new_id: makes an id of a kind.

    Attributes:
        schedules: submissions that are made later.

    Raises:
        InvalidSubmissionError: the namespace cannot be one.
    """

    def __init__(
        self,
        bus: Bus,
        *,
        namespace: str = "default",
        clock: Clock = real.now,
        new_id: Callable[[str], str] = real.new_id,
    ) -> None:
        check_namespace(namespace)
        self.bus = bus
        self.namespace = namespace
        self._clock = clock
        self._new_id = new_id
        self._voice = Voice(bus, "client", clock)
        self._archive = Archive(bus)
        self._room = WaitingRoom(bus, namespace)
        self._bundle = bundler()
        self.schedules = Schedules(bus, namespace, clock, new_id)

    @classmethod
    @asynccontextmanager
    async def connect(cls, url: str | None = None, *, namespace: str | None = None) -> AsyncGenerator[Self]:
        """Connect to a server: ``url``, else ``NATS_URL``, else the one that ``testwright up`` runs on this machine.

        Raises:
            ConnectError: there is none, or it cannot be reached, or it refuses the credentials.
            InvalidSubmissionError: the namespace cannot be one.
        """
        here = settings.load()
        async with (
            observing("testwright-client", here.worker) as seen,
            connect((here.reach(url) if url else here.server) or locate(here.data), name="testwright-client") as bus,
            cls(seen.bus(bus, "client"), namespace=namespace or here.namespace).following() as client,
        ):
            yield client

    @asynccontextmanager
    async def following(self) -> AsyncGenerator[Self]:
        """Keep the feed that wakes whoever waits for as long as the body runs."""
        async with beside(self._room.follow):
            yield self

    async def submit(
        self, paths: Sequence[Path | str], policy: Policy | None = None, terms: Terms | None = None
    ) -> Job:
        """Submit modules of a project (files, or folders for all modules below); return as soon as that is stored.

        Args:
            paths: of the modules.
            policy: how it is done; the default if ``None``.
            terms: how it stands to other submissions; by default it does its own work, beside all others.

        Raises:
            SnapshotError: the files cannot be bundled.
            InvalidSubmissionError: a field of the policy is out of range, or ``paths`` is one text.
            BusError: the server did not confirm.
        """
        bundled = await anyio.to_thread.run_sync(self._bundle, listed(paths))
        return await self.submit_bundle(bundled, policy, terms)

    async def submit_bundle(self, bundled: Bundle, policy: Policy | None = None, terms: Terms | None = None) -> Job:
        """Submit the targets of a bundle; see ``submit``."""
        job, command = prepare(bundled, policy, terms, namespace=self.namespace, new_id=self._new_id, now=self._clock())
        await self.bus.put(subjects.SNAPSHOTS, self.namespace, bundled.data)
        return await self._order(job, command)

    async def retry(self, *task_ids: str) -> Job:
        """Submit finished tasks again as a new job; the old results stay.

        Raises:
            TaskNotFoundError: one of them does not exist.
            InvalidSubmissionError: one of them has not ended.
        """
        tasks: list[TaskRef] = []
        specs: list[RetrySpec] = []
        for task_id in task_ids:
            known = await self.results(task_id)
            if known is None:
                raise InvalidSubmissionError("tasks", f"task {task_id!r} has not ended: cancel it first")
            specs.append(RetrySpec(task_id=self._new_id("task"), retry_of=task_id))
            tasks.append(TaskRef(specs[-1].task_id, known.module))
        command = RetryTasks(
            namespace=self.namespace, job_id=self._new_id("job"), tasks=tuple(specs), submitted_at=self._clock()
        )
        return await self._order(Job(command.job_id, tuple(tasks)), command)

    async def wait(self, task_id: str, timeout: float | None = None) -> TaskFinished:
        """Return the result of a task, now or when it ends.

        Args:
            task_id: of the task.
            timeout: seconds; ``None`` waits as long as it takes.

        Raises:
            WaitTimeoutError: it has not ended by then; it goes on.
            TaskNotFoundError: nobody has submitted it.
            InvalidSubmissionError: it was submitted from here, and refused.
            UnreadableEndError: what says how it has ended cannot be read.
        """
        check_id(task_id)
        with self._room.seat(task_id) as prospect:
            try:
                with within(timeout):
                    return await self._result(task_id, prospect)
            except TimeoutError as error:
                raise WaitTimeoutError(task_id, timeout or 0) from error

    async def results(self, task_id: str) -> TaskFinished | None:
        """Return the result of a task, ``None`` while it has not ended; raises as ``status`` and ``wait`` do."""
        check_id(task_id)
        if end := await self._end(task_id):
            return await ended(self.bus, task_id, end)
        await self.status(task_id)
        return None

    async def status(self, task_id: str) -> TaskStatus:
        """Return where a task stands.

        Raises:
            TaskNotFoundError: nobody has submitted it.
        """
        check_id(task_id)
        found = status(await self._archive.sure(self.namespace, task_id, "submitted"))
        if found is None:
            raise TaskNotFoundError(task_id)
        return found

    async def tasks_of(self, job_id: str) -> tuple[str, ...]:
        """Return the ids of a job's tasks; none where it was refused.

        Raises:
            TaskNotFoundError: nobody has submitted it, or it was not accepted within ``ACCEPTANCE_S``.
        """
        check_id(job_id)
        if own := self._room.tasks_of(job_id):
            return own
        return await accepted(self.bus, self.namespace, job_id, ACCEPTANCE_S)

    async def tasks(self, state: str | None = None) -> list[TaskStatus]:
        """Return the status of every task that is still kept, oldest first; only those in ``state`` if given."""
        histories = await self._archive.tasks(self.namespace)
        found = [one for history in histories.values() if (one := status(history))]
        return sorted((one for one in found if state in {None, one.state}), key=lambda one: (one.created_at, one.id))

    async def files(self, result: TaskFinished) -> dict[str, bytes]:
        """Return the files of a suite by their relative names.

        Raises:
            BlobNotFoundError: they have expired.
        """
        bucket, namespace = subjects.ARTIFACTS, result.namespace
        return {file.name: await self.bus.fetch(bucket, namespace, file.digest) for file in result.files}

    @asynccontextmanager
    async def watch(self, *ids: str, past: bool = True) -> AsyncGenerator[AsyncIterator[tuple[Stored, EventMessage]]]:
        """Follow the events of tasks and jobs, or of the whole namespace where no id is given.

        Args:
            ids: of tasks and jobs; a job stands for its tasks, too.
            past: whether events come that happened before (as far as they are kept: the last 64 of each kind of a
                task); without ids only what comes from now on.

        Raises:
            TaskNotFoundError: nobody has submitted a job.
        """
        jobs = [id_ for id_ in ids if is_job(id_)]
        tasks = [task_id for id_ in ids for task_id in (await self.tasks_of(id_) if id_ in jobs else [id_])]
        for id_ in tasks:
            check_id(id_)
        filters = [
            *(subjects.job_event(self.namespace, id_) for id_ in jobs),
            *(subjects.task_event(self.namespace, id_) for id_ in tasks),
        ]
        everything = [subjects.events_of(self.namespace)]
        async with watched(self.bus, filters or everything, 0 if ids and past else None) as events:
            yield events

    async def cancel(self, *ids: str, reason: str = "") -> None:
        """Ask for the end of tasks, and of all tasks of jobs; returns when that is stored.

        Raises:
            TaskNotFoundError: a task or job does not exist.
        """
        jobs, tasks = tuple(filter(is_job, ids)), tuple(id_ for id_ in ids if not is_job(id_))
        for id_ in ids:
            if id_ in jobs:
                await self.tasks_of(id_)
            elif id_ not in self._room:
                await self.status(id_)
        command = CancelTasks(
            namespace=self.namespace, command_id=self._new_id("cancel"), task_ids=tasks, job_ids=jobs, reason=reason
        )
        await self._voice.say(Publish(message=command), {})

    async def dead_letters(self) -> list[MessageDeadLettered]:
        """Return the dead letters that are still kept, in the order in which they were last told of."""
        return await letters.dead_letters(self.bus, self.namespace)

    async def resend(self, letter: MessageDeadLettered) -> None:
        """Put the message of a dead letter back where it was; resending it twice within two minutes does it once.

        Raises:
            DeadLetterNotFoundError: the message was too large to be kept in the letter.
        """
        await letters.resend(self.bus, self._voice, letter, self._clock())

    async def _order(self, job: Job, command: SubmitJob | RetryTasks) -> Job:
        ids = [task.id for task in job.tasks]
        self._room.expect(job.id, ids)
        try:
            await self._voice.say(Publish(message=command), {})
        except BaseException:
            self._room.forget(job.id, ids)
            raise
        return job

    async def _result(self, task_id: str, prospect: Prospect) -> TaskFinished:
        if not prospect.own and (result := await self._known(task_id, prospect)):
            return result
        await prospect.ended.wait()
        if prospect.refusal:
            raise prospect.refusal
        end = prospect.end or await self._end(task_id)
        if end is None:
            raise TaskNotFoundError(task_id)
        return await ended(self.bus, task_id, end)

    async def _end(self, task_id: str) -> Stored | None:
        return await self.bus.last(subjects.EVENTS, subjects.task_event(self.namespace, task_id, "finished"))

    async def _known(self, task_id: str, prospect: Prospect) -> TaskFinished | None:
        try:
            return await self.results(task_id)
        except TaskNotFoundError:
            with anyio.move_on_after(ACCEPTANCE_S):
                await prospect.accepted.wait()
                return None
            raise
