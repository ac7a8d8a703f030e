"""The whole system on the memory bus, in virtual time, with everything that can go wrong going wrong.

One seed decides the plan, the faults, the engines' moods and the scheduler: the same seed gives the same run.
"""

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import trio
import trio.testing
from msgspec.structs import replace

from tests.support.moods import SOURCES, Moods, join
from tests.support.mortal import Mortal
from tests.support.reports import Report
from testwright.actor import Actor
from testwright.bus.memory import Faults, MemoryBus, MemoryServer
from testwright.bus.topology import Topology, declare
from testwright.client import Client
from testwright.collector.actor import collector
from testwright.errors import BusClosedError, BusTimeoutError
from testwright.generator.actor import generator
from testwright.pacing import until
from testwright.snapshots.bundle import Bundle
from testwright.submission import Job, Terms, prepare
from testwright.submitter.actor import submitter
from testwright.verifier.actor import verifier
from testwright_schemas import (
    JobFinished,
    LimitsSet,
    OutcomeCounts,
    Policy,
    RetryPolicy,
    Snapshot,
    Target,
    envelope,
    subjects,
)

ENGINES = ("echo", "ghostwriter")
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
ROLES = ("submitter", "submitter", "collector", "collector", "generator", "generator", "verifier")
CALM = 5
"""Every so many seeds nothing goes wrong, so that a bug is not blamed on what does."""

NEXT_DOOR = "next-door"
"""Another namespace, with a single task."""

LAG_S = 600.0
"""Virtual seconds after the last end within which all that follows from it has been done."""

PATIENCE_S = 4 * 86_400.0
"""Virtual seconds after which a run that has not come to an end is called stuck."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run does, all of it decided by ``seed``.

    Processes are killed ``kills`` times, drained ``rests``, cut off ``cuts``, slow ``slows`` times, and each dies in
    the middle of ``deaths`` operations; ``cancels`` are of tasks, of jobs or of everything. ``memory_s`` is how long
    the server remembers message ids: with 0 nothing may rest on them. ``concurrency`` are the tasks of a job that may
    work at a time, or of all jobs if they share a ``key``, ``places`` those of the namespace; tasks, jobs and the
    namespace may cost so many dollars. Each process' clock is wrong by up to ``skew_s``, and a submission is made
    ``repeats`` more times under its ids. Places are told, or ``by_default`` collectors give them to each namespace.
    """

    seed: int
    jobs: int
    tasks: int
    kills: int
    rests: int
    cuts: int
    slows: int
    cancels: int
    faults: Faults
    memory_s: float
    concurrency: int | None = None
    places: int | None = None
    task_usd: float | None = None
    job_usd: float | None = None
    namespace_usd: float | None = None
    skew_s: float = 0.0
    repeats: int = 0
    deaths: int = 0
    key: str | None = None
    by_default: bool = False

    @classmethod
    def of(cls, seed: int) -> "Plan":
        """Return the plan of a seed."""
        dice, flow = random.Random(seed), random.Random(f"{seed}/flow")
        calm = seed % CALM == 0
        task_usd, job_usd = flow.choice(((None, None), (None, None), (0.6, None), (1.0, 1.5), (None, 3.0)))
        faults = Faults(
            lose_publish=dice.choice((0.0, 0.05, 0.2)),
            lose_answer=dice.choice((0.0, 0.05, 0.2)),
            repeat=dice.choice((0.0, 0.05, 0.2)),
            delay=dice.choice((0.0, 0.1, 0.3)),
            reorder=dice.choice((0.0, 0.1, 0.3)),
            stale=dice.choice((0.0, 0.1, 0.5)),
        )
        return cls(
            seed=seed,
            jobs=dice.randint(1, 4),
            tasks=dice.randint(1, 6),
            kills=0 if calm else dice.randint(0, 12),
            rests=0 if calm else dice.randint(0, 6),
            cuts=0 if calm else dice.randint(0, 6),
            slows=0 if calm else flow.choice((0, 0, 1, 4)),
            cancels=dice.randint(0, 3),
            faults=Faults() if calm else faults,
            memory_s=dice.choice((120.0, 0.0)),
            concurrency=flow.choice((None, 1, 2, 4)),
            places=flow.choice((None, None, 1, 3)),
            task_usd=task_usd,
            job_usd=job_usd,
            namespace_usd=flow.choice((None, 3.0, 8.0)) if task_usd or job_usd else None,
            skew_s=0.0 if calm else flow.choice((0.0, 2.0, 90.0)),
            repeats=0 if calm else flow.choice((0, 0, 1, 3)),
            deaths=0 if calm else flow.choice((0, 1, 3)),
            key=flow.choice((None, None, "shop")),
            by_default=flow.choice((False, True)),
        )


class Process:
    """An actor that can be killed at any await, drained or cut off, and is started again."""

    def __init__(self, server: MemoryServer, role: str, number: int, plan: Plan, report: Report) -> None:
        self._server = server
        self._role = role
        self._name = f"{role}-{number}"
        self._moods = Moods(random.Random(f"{plan.seed}/{self._name}"), report.bill)
        clock = random.Random(f"{plan.seed}/{self._name}/clock")
        self._wrong_by = timedelta(seconds=clock.uniform(-plan.skew_s, plan.skew_s))
        self._deaths = random.Random(f"{plan.seed}/{self._name}/deaths")
        self._dies = plan.deaths
        self._lives = 0
        self._places = plan.places if plan.by_default else None
        self._bus: MemoryBus | None = None
        self._at_work: Actor | None = None
        self._scope = anyio.CancelScope()

    async def live(self) -> None:
        """Run for ever, life after life."""
        while True:
            self._lives += 1
            self._scope = anyio.CancelScope()
            with self._scope:
                try:
                    async with self._server.connect(self._name) as self._bus:
                        await self._work(self._bus)
                except* BusClosedError:
                    pass
                except* BusTimeoutError:
                    # One that is cut off before it stands is started anew; later it must bear that.
                    if self._at_work:
                        raise

    def kill(self) -> None:
        """End it without a word: the connection first, so that nothing it does in its last moments gets out."""
        if self._bus:
            self._bus.kill()
        self._scope.cancel()

    async def rest(self, grace_s: float) -> None:
        """Have it come to rest as on SIGTERM, and start again."""
        if self._at_work:
            await self._at_work.rest(grace_s)

    async def cut(self, for_s: float) -> None:
        """Cut it off for a while."""
        bus = self._bus
        if bus:
            bus.partition()
            await until(anyio.current_time() + for_s)
            bus.heal()

    async def slow(self, by_s: float, for_s: float) -> None:
        """Make it slow for a while."""
        bus = self._bus
        if bus:
            bus.slow(by_s)
            await until(anyio.current_time() + for_s)
            bus.slow(0.0)

    async def _work(self, bus: MemoryBus) -> None:
        mortal = self._lives <= self._dies
        actor, self._at_work = self._actor(Mortal(bus, self.kill, self._deaths) if mortal else bus), None
        async with anyio.create_task_group() as tg:
            await tg.start(actor.run)
            self._at_work = actor

    def _now(self) -> datetime:
        return self._server.now() + self._wrong_by

    def _actor(self, bus: Any) -> Actor:
        now = self._now
        match self._role:
            case "submitter":
                return submitter(bus, now, ENGINES)
            case "collector":
                return collector(bus, now, slots=2, places=self._places)
            case "generator":
                worker = f"{self._name}.{self._lives}"
                return generator(bus, now, self._moods.produce, ENGINES, worker=worker, slots=2)
            case _:
                return verifier(bus, now, self._moods.judge, slots=2, join=join)


def run(plan: Plan) -> Report:
    """Run a plan to its end in virtual time and return what it left behind.

    Raises:
        TimeoutError: it did not come to an end within ``PATIENCE_S`` virtual seconds.
    """
    # Trio shuffles its run queue on purpose; a run that can be replayed needs the shuffle to come from the seed.
    trio._core._run._ALLOW_DETERMINISTIC_SCHEDULING = True  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue, reportPrivateUsage]  no public switch
    trio._core._run._r.seed(plan.seed)  # pyright: ignore[reportAttributeAccessIssue, reportPrivateUsage]  as above
    random.seed(plan.seed)
    clock = trio.testing.MockClock(autojump_threshold=0)
    return anyio.run(_main, plan, backend="trio", backend_options={"clock": clock})


async def _main(plan: Plan) -> Report:
    dice, report = random.Random(plan.seed), Report()
    async with (
        MemoryServer(_topology(plan.memory_s), faults=plan.faults, seed=plan.seed, epoch=EPOCH) as server,
        anyio.create_task_group() as tg,
        server.connect("client") as bus,
    ):
        processes = [Process(server, role, number, plan, report) for number, role in enumerate(ROLES)]
        for process in processes:
            tg.start_soon(process.live)
        tg.start_soon(_hurt, plan, processes)
        with anyio.fail_after(PATIENCE_S):
            await _use(plan, bus, server, dice, report)
            await _await_jobs(bus, report.every)
            server.faults = Faults()
            await until(anyio.current_time() + LAG_S)
            report.timers = [each.subject async for each in bus.last_per_subject(*_TIMERS)]
            await _look(bus, server, report)
        tg.cancel_scope.cancel()
    return report


def _topology(memory_s: float) -> Topology:
    declared = declare(ENGINES)
    streams = tuple(replace(stream, duplicate_window_s=memory_s) for stream in declared.streams)
    return replace(declared, streams=streams)


async def _use(plan: Plan, bus: MemoryBus, server: MemoryServer, dice: random.Random, report: Report) -> None:
    numbers = iter(range(1_000_000))

    def client_of(namespace: str) -> Client:
        return Client(bus, namespace=namespace, clock=server.now, new_id=lambda kind: f"{kind}-{next(numbers):06d}")

    client = client_of("default")
    if plan.namespace_usd or (plan.places and not plan.by_default):
        limits = LimitsSet(
            namespace=client.namespace, places=plan.places, max_cost_usd=plan.namespace_usd, set_at=server.now()
        )
        await _limit(bus, limits)
        # Whoever was cut off learns of it first.
        await until(anyio.current_time() + 200)
    async with client.following(), anyio.create_task_group() as users:
        for _ in range(plan.jobs):
            policy = replace(_policy(dice), max_cost_usd=plan.task_usd)
            key = plan.key if plan.concurrency else None
            terms = Terms(concurrency=plan.concurrency, max_cost_usd=plan.job_usd, concurrency_key=key)
            job = await client.submit_bundle(_bundle(plan.tasks), policy, terms)
            report.jobs.append(job)
            for _ in range(plan.repeats):
                users.start_soon(_repeat, bus, job, policy, terms)
            for task in job.tasks:
                users.start_soon(_expect, client, task.id)
        if plan.places:
            users.start_soon(_live_next_door, client_of(NEXT_DOOR), plan, report)
        await _cancel(client, plan, dice, report)
    if plan.cancels:
        await _again(client, dice.choice(report.jobs), report)


async def _cancel(client: Client, plan: Plan, dice: random.Random, report: Report) -> None:
    for _ in range(plan.cancels):
        await until(anyio.current_time() + dice.choice((0.0, 10.0, 60.0)))
        job, everything = dice.choice(report.jobs), [job.id for job in report.jobs]
        await client.cancel(*dice.choice(([job.tasks[0].id], [job.id], everything)))


async def _live_next_door(client: Client, plan: Plan, report: Report) -> None:
    """Submit a single task in another namespace."""
    policy = replace(_policy(random.Random(f"{plan.seed}/next-door")), priority="critical")
    async with client.following():
        job = await client.submit_bundle(_bundle(1), policy)
        report.neighbours.append(job)
        await _expect(client, job.tasks[0].id)


async def _repeat(bus: MemoryBus, job: Job, policy: Policy, terms: Terms) -> None:
    """Submit a job again some time later, under another id of the message."""
    ids, dice = iter([*(task.id for task in job.tasks), job.id]), random.Random(job.id)
    await until(anyio.current_time() + dice.choice((0.0, 5.0, 300.0)))
    bundled = _bundle(len(job.tasks))
    _, command = prepare(bundled, policy, terms, namespace="default", new_id=lambda _: next(ids), now=EPOCH)
    message_id = f"again/{job.id}/{anyio.current_time()}/{dice.random()}"
    await bus.publish(subjects.command(command), envelope.encode(command), message_id=message_id)


async def _limit(bus: MemoryBus, limits: LimitsSet) -> None:
    await bus.publish(
        subjects.event(limits), envelope.encode(limits), message_id=subjects.message_id(limits), headers={}
    )


async def _again(client: Client, job: Job, report: Report) -> None:
    async with client.following():
        again = await client.retry(*(task.id for task in job.tasks))
        report.jobs.append(again)
        for task in again.tasks:
            await _expect(client, task.id)


async def _expect(client: Client, task_id: str) -> None:
    result = await client.wait(task_id)
    assert result.task_id == task_id
    assert result.files or result.outcome != "completed"


async def _hurt(plan: Plan, processes: Sequence[Process]) -> None:
    dice = random.Random(plan.seed)
    hurts = ["kill"] * plan.kills + ["rest"] * plan.rests + ["cut"] * plan.cuts + ["slow"] * plan.slows
    dice.shuffle(hurts)
    async with anyio.create_task_group() as tg:
        for hurt in hurts:
            await until(anyio.current_time() + dice.uniform(0, 40))
            process = dice.choice(processes)
            match hurt:
                case "kill":
                    process.kill()
                case "rest":
                    tg.start_soon(process.rest, dice.choice((0.0, 20.0)))
                case "slow":
                    tg.start_soon(process.slow, dice.choice((3.0, 12.0, 25.0)), dice.choice((60.0, 200.0)))
                case _:
                    tg.start_soon(process.cut, dice.choice((5.0, 40.0, 150.0)))


async def _await_jobs(bus: MemoryBus, jobs: Sequence[Job]) -> None:
    waiting = {job.id for job in jobs}
    async with bus.feed(subjects.EVENTS, [subjects.job_event(kind="finished")], after=0) as ends:
        async for stored in ends:
            waiting.discard(subjects.job_of(stored.subject) or "")
            if not waiting:
                return


async def _look(bus: MemoryBus, server: MemoryServer, report: Report) -> None:
    """Read the whole event stream, up to a mark of our own, once every queue had time to be worked off."""
    await until(anyio.current_time() + 2 * 86_400)
    mark = await bus.publish(subjects.event(_MARK), envelope.encode(_MARK), message_id="mark")
    async with bus.feed(subjects.EVENTS, [subjects.EVENTS_ALL], after=0) as events:
        async for stored in events:
            if stored.sequence == mark.sequence:
                break
            report.events.append(stored)
    left = ((subjects.COMMANDS, [subjects.COMMANDS_ALL]), (subjects.WORK, [subjects.WORK_ALL]), _TIMERS)
    report.queued = sum([1 for stream, all_ in left async for _ in bus.last_per_subject(stream, all_)])


_TIMERS = (subjects.TIMERS, [subjects.TIMERS_SET_ALL])
_MARK = JobFinished(namespace="mark", job_id="mark", total=1, counts=OutcomeCounts())


def _bundle(tasks: int) -> Bundle:
    digest = hashlib.sha256(SOURCES).hexdigest()
    targets = tuple(Target(module=f"shop.part{i}", path=f"shop/part{i}.py") for i in range(tasks))
    snapshot = Snapshot(digest=digest, size=len(SOURCES), files=1)
    return Bundle(snapshot=snapshot, data=SOURCES, targets=targets, root=Path("nowhere"), skipped={})


def _policy(dice: random.Random) -> Policy:
    return Policy(
        engines=ENGINES,
        coverage=dice.choice((10.0, 80.0, 100.0)),
        budget_s=dice.choice((30.0, 300.0)),
        rounds=dice.choice((1, 3, 6)),
        priority=dice.choice(("critical", "high", "normal", "low")),
        # None of these is met: who waits for a turn waits for all the others.
        deadline_s=dice.choice((80_000.0, 160_000.0)),
        retry=RetryPolicy(max_attempts=2, base_s=dice.choice((0.0, 1.0, 5.0))),
    )
