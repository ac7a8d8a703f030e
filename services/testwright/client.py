"""The client: submit, and later wait, look, watch, cancel; from any process, as often as wanted.

One feed a process wakes whoever waits. It stands before the first submission, so no end can fall between; a task
submitted elsewhere is looked up once, after its waiter is registered.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Self

import anyio
import msgspec

from testwright import clock as real
from testwright import settings
from testwright.background import beside
from testwright.bus import Bus, Stored
from testwright.bus.nats import connect
from testwright.errors import InvalidSubmissionError, TaskNotFoundError, WaitTimeoutError
from testwright.history import TaskStatus, status
from testwright.running import locate
from testwright.snapshots.bundle import Bundle, bundle
from testwright.submission import Job, TaskRef, check
from testwright.voice import Archive, Clock, Voice
from testwright.waiting import Prospect, WaitingRoom
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
    TaskSpec,
    envelope,
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
    """

    def __init__(
        self,
        bus: Bus,
        *,
        namespace: str = "default",
        clock: Clock = real.now,
        new_id: Callable[[str], str] = real.new_id,
    ) -> None:
        self.bus = bus
        self.namespace = namespace
        self._clock = clock
        self._new_id = new_id
        self._voice = Voice(bus, "client", clock)
        self._archive = Archive(bus)
        self._room = WaitingRoom(bus, namespace)

    @classmethod
    @asynccontextmanager
    async def connect(cls, url: str | None = None, *, namespace: str | None = None) -> AsyncGenerator[Self]:
        """Connect to a server: ``url``, else ``NATS_URL``, else the one that ``testwright up`` runs on this machine.

        Raises:
            ConnectError: there is none, or it cannot be reached, or it refuses the credentials.
        """
        here = settings.load()
        async with (
            connect(url or here.server or locate(here.data), name="testwright-client") as bus,
            cls(bus, namespace=namespace or here.namespace).following() as client,
        ):
            yield client

    @asynccontextmanager
    async def following(self) -> AsyncGenerator[Self]:
        """Keep the feed that wakes whoever waits for as long as the body runs."""
        async with beside(self._room.follow):
            yield self

    async def submit(self, paths: Sequence[Path | str], policy: Policy | None = None) -> Job:
        """Submit modules (files, or folders for all modules below) and return as soon as that is stored.

        Args:
            paths: of one project.
            policy: how it is to be done; the default policy if ``None``.

        Raises:
            SnapshotError: the files cannot be bundled.
            InvalidSubmissionError: a field of the policy is out of range.
            BusError: the server did not confirm.
        """
        bundled = await anyio.to_thread.run_sync(bundle, [Path(path) for path in paths])
        return await self.submit_bundle(bundled, policy)

    async def submit_bundle(self, bundled: Bundle, policy: Policy | None = None) -> Job:
        """Submit the targets of a bundle; see ``submit``."""
        specs = tuple(TaskSpec(task_id=self._new_id("task"), target=target) for target in bundled.targets)
        command = SubmitJob(
            namespace=self.namespace,
            job_id=self._new_id("job"),
            tasks=specs,
            snapshot=bundled.snapshot,
            policy=policy or Policy(),
            submitted_at=self._clock(),
        )
        check(command)
        await self.bus.put(subjects.SNAPSHOTS, bundled.data)
        job = Job(command.job_id, tuple(TaskRef(spec.task_id, spec.target.module) for spec in specs))
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
            known = await self.status(task_id)
            if known.completed_at is None:
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
            InvalidSubmissionError: its submission was refused.
        """
        with self._room.seat(task_id) as prospect:
            try:
                with anyio.fail_after(timeout):
                    return await self._result(task_id, prospect)
            except TimeoutError as error:
                raise WaitTimeoutError(task_id, timeout or 0) from error

    async def results(self, task_id: str) -> TaskFinished | None:
        """Return the result of a task, ``None`` while it has not ended.

        Raises:
            TaskNotFoundError: nobody has submitted it.
        """
        stored = await self.bus.last(subjects.EVENTS, subjects.task_event(self.namespace, task_id, "finished"))
        if stored is not None:
            return envelope.decode(stored.data, TaskFinished)
        await self.status(task_id)
        return None

    async def status(self, task_id: str) -> TaskStatus:
        """Return where a task stands.

        Raises:
            TaskNotFoundError: nobody has submitted it.
        """
        found = status(await self._archive.task(self.namespace, task_id))
        if found is None:
            raise TaskNotFoundError(task_id)
        return found

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
        return {file.name: await self.bus.fetch(subjects.ARTIFACTS, file.digest) for file in result.files}

    @asynccontextmanager
    async def watch(self, *ids: str, past: bool = True) -> AsyncGenerator[AsyncIterator[tuple[Stored, EventMessage]]]:
        """Follow the events of tasks and jobs, or of the whole namespace where no id is given.

        Args:
            ids: of tasks and jobs.
            past: whether events come that happened before; without ids only what comes from now on.
        """
        filters: list[str] = []
        for id_ in ids:
            if id_.startswith("job-"):
                job = await self._archive.job(self.namespace, id_)
                filters.append(subjects.job_event(self.namespace, id_))
                ends = job.submitted.task_ids if job.submitted else ()
                filters.extend(subjects.task_event(self.namespace, task_id) for task_id in ends)
            else:
                filters.append(subjects.task_event(self.namespace, id_))
        after = 0 if ids and past else None
        # A task may be named beside its job, and the server refuses filters that overlap.
        filters = list(dict.fromkeys(filters)) or [subjects.events_of(self.namespace)]
        async with (
            self.bus.feed(subjects.EVENTS, filters, after=after) as feed,
            aclosing(_decoded(feed)) as events,
        ):
            yield events

    async def cancel(self, *ids: str, reason: str = "") -> None:
        """Ask for the end of tasks, and of all tasks of jobs; returns when that is stored.

        Raises:
            TaskNotFoundError: a task does not exist.
        """
        jobs = tuple(id_ for id_ in ids if id_.startswith("job-"))
        tasks = tuple(id_ for id_ in ids if id_ not in jobs)
        for task_id in tasks:
            if task_id not in self._room:
                await self.status(task_id)
        command = CancelTasks(
            namespace=self.namespace, command_id=self._new_id("cancel"), task_ids=tasks, job_ids=jobs, reason=reason
        )
        await self._voice.say(Publish(message=command), {})

    async def dead_letters(self) -> list[MessageDeadLettered]:
        """Return the dead letters that are still kept, oldest first."""
        found = self.bus.last_per_subject(subjects.EVENTS, [subjects.dead_event(self.namespace)])
        return [envelope.decode(stored.data, MessageDeadLettered) async for stored in found]

    async def resend(self, letter: MessageDeadLettered) -> None:
        """Put the message of a dead letter back where it was; resending it twice within two minutes does it once."""
        id_ = f"{letter.letter_id}/resent"
        kept = {name: value for name, value in letter.headers.items() if not name.lower().startswith("nats-")}
        await self.bus.publish(letter.subject, letter.data, message_id=id_, headers=kept)

    async def _order(self, job: Job, command: SubmitJob | RetryTasks) -> Job:
        self._room.expect(job.id, (task.id for task in job.tasks))
        await self._voice.say(Publish(message=command), {})
        return job

    async def _result(self, task_id: str, prospect: Prospect) -> TaskFinished:
        if not prospect.own:
            result = await self._known(task_id, prospect)
            if result:
                return result
        await prospect.ended.wait()
        if prospect.refusal:
            raise prospect.refusal
        result = prospect.result or await self.results(task_id)
        if result is None:
            raise TaskNotFoundError(task_id)
        return result

    async def _known(self, task_id: str, prospect: Prospect) -> TaskFinished | None:
        try:
            return await self.results(task_id)
        except TaskNotFoundError:
            with anyio.move_on_after(ACCEPTANCE_S):
                await prospect.accepted.wait()
                return prospect.result
            raise


async def _decoded(feed: AsyncIterator[Stored]) -> AsyncGenerator[tuple[Stored, EventMessage]]:
    async for stored in feed:
        try:
            yield stored, _EVENTS.decode(stored.data)
        except msgspec.DecodeError:
            # Whoever handles it makes it a dead letter, which is an event of its own.
            continue


_EVENTS = msgspec.json.Decoder[EventMessage](EventMessage)
