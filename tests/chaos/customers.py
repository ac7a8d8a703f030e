"""Clients that submit, submit again, cancel and wait while everything else dies; and the book they keep."""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from uuid import uuid4

import anyio

from testwright import clock
from testwright.bus import Bus
from testwright.bus.nats import connect
from testwright.client import Client
from testwright.errors import BusError, TaskNotFoundError
from testwright.pacing import Backoff, until
from testwright.snapshots.bundle import Bundle
from testwright.submission import Job, prepare
from testwright_schemas import Policy, TaskFinished, envelope, subjects

AT_ONCE = 60
"""Tasks that one client has under way."""


@dataclass
class Book:
    """What clients know: the jobs they submitted, and the ends that they were told of."""

    jobs: list[Job] = field(default_factory=list[Job])
    told: dict[str, TaskFinished] = field(default_factory=dict[str, TaskFinished])
    counts: Counter[str] = field(default_factory=Counter[str])
    slowest_s: float = 0.0

    @property
    def submitted(self) -> dict[str, str]:
        """The job of each task."""
        return {task.id: job.id for job in self.jobs for task in job.tasks}


@dataclass(frozen=True, slots=True)
class Wish:
    """What clients ask for: a policy, the share of jobs that have it, and the most modules of such a job."""

    policy: Policy
    share: float
    modules: int


class Customer:
    """One client on a connection of its own.

    Args:
        url: of the server.
        bundled: the modules to choose from.
        wishes: what to choose from.
        seed: of its dice.
        book: what it learns goes there.
    """

    def __init__(self, url: str, bundled: Bundle, wishes: Sequence[Wish], seed: str, book: Book) -> None:
        self._url = url
        self._bundle = bundled
        self._wishes = wishes
        self._dice = random.Random(seed)
        self._book = book
        self._room = anyio.Semaphore(AT_ONCE)
        self._ids: list[str] = []

    async def shop(self, end: float) -> None:
        """Submit until ``end``, then return when everything submitted has ended."""
        async with (
            connect(self._url, name="testwright-client") as bus,
            Client(bus, new_id=self._new_id).following() as client,
            anyio.create_task_group() as tasks,
        ):
            while anyio.current_time() < end:
                wish = self._dice.choices(self._wishes, [wish.share for wish in self._wishes])[0]
                targets = self._dice.sample(self._bundle.targets, self._dice.randint(1, wish.modules))
                for _ in targets:
                    await self._room.acquire()
                job = await self._submit(client, replace(self._bundle, targets=tuple(targets)), wish.policy)
                self._book.jobs.append(job)
                for task in job.tasks:
                    tasks.start_soon(self._wait, client, task.id)
                if self._dice.random() < 0.1:
                    tasks.start_soon(self._cancel, client, job.tasks[0].id, self._dice.choice((0.0, 0.1, 1.0)))

    async def _submit(self, client: Client, bundled: Bundle, policy: Policy) -> Job:
        self._ids.clear()
        try:
            job = await client.submit_bundle(bundled, policy)
        except BusError:
            # Whoever was not told that it is stored submits it again under the same ids.
            self._book.counts["submissions not confirmed at first"] += 1
            return await self._repeat(client.bus, bundled, policy)
        if self._dice.random() < 0.1:
            self._book.counts["submissions repeated on purpose"] += 1
            return await self._repeat(client.bus, bundled, policy)
        return job

    async def _repeat(self, bus: Bus, bundled: Bundle, policy: Policy) -> Job:
        ids, backoff = iter(self._ids), Backoff()
        job, command = prepare(bundled, policy, None, namespace="default", new_id=lambda _: next(ids), now=clock.now())
        while True:
            try:
                await bus.put(subjects.SNAPSHOTS, "default", bundled.data)
                # Under another id of the message, so that the server cannot know it.
                await bus.publish(subjects.command(command), envelope.encode(command), message_id=uuid4().hex)
            except BusError:
                await backoff.pause()
            else:
                return job

    async def _wait(self, client: Client, task_id: str) -> None:
        began, backoff = anyio.current_time(), Backoff()
        while task_id not in self._book.told:
            try:
                self._book.told[task_id] = await client.wait(task_id)
            except (TaskNotFoundError, BusError):
                # Not accepted yet, where its submission was not confirmed at first.
                self._book.counts["waits begun anew"] += 1
                await backoff.pause()
        self._book.slowest_s = max(self._book.slowest_s, anyio.current_time() - began)
        self._room.release()

    async def _cancel(self, client: Client, task_id: str, after_s: float) -> None:
        await until(anyio.current_time() + after_s)
        try:
            await client.cancel(task_id)
            self._book.counts["cancels"] += 1
        except (TaskNotFoundError, BusError):
            self._book.counts["cancels not confirmed"] += 1

    def _new_id(self, kind: str) -> str:
        made = clock.new_id(kind)
        if kind != "cancel":
            self._ids.append(made)
        return made
