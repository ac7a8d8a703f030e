"""The whole system on the memory bus, in virtual time, with everything that can go wrong going wrong.

A plan decides everything: with the same plan the run is the same.
"""

import random
from collections.abc import Sequence

import anyio
import trio
import trio.testing
from msgspec.structs import replace

from tests.support.customer import EPOCH, Customer, bundle, policy_of
from tests.support.lives import ENGINES, ActorProcess, Process
from tests.support.plans import ROLES, Plan
from tests.support.reports import Deal, Report
from testwright.bus.memory import Faults, MemoryBus, MemoryServer
from testwright.bus.topology import Topology, declare
from testwright.client import Client
from testwright.pacing import until
from testwright.submission import Job
from testwright_schemas import JobFinished, LimitsSet, OutcomeCounts, envelope, subjects

NEXT_DOOR = "next-door"
"""Another namespace, with a single task."""

LIMITS_S = 30.0
"""Virtual seconds after which everybody has heard of limits."""

LAG_S = 600.0
"""Virtual seconds after the last end within which all that follows from it has been done."""

PATIENCE_S = 4 * 86_400.0
"""Virtual seconds after which a run that has not come to an end is called stuck."""


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
    report = Report(plan)
    async with (
        MemoryServer(_topology(plan.memory_s), faults=plan.faults, seed=plan.seed, epoch=EPOCH) as server,
        anyio.create_task_group() as tg,
        server.connect("operator") as bus,
    ):
        actors = [
            ActorProcess(server, plan, number, report.bill) for number, role in enumerate(ROLES) if role != "client"
        ]
        report.clocks = {actor.name: actor.wrong_by for actor in actors}
        for actor in actors:
            tg.start_soon(actor.live)
        with anyio.fail_after(PATIENCE_S):
            await _limit(plan, bus, server)
            await _use(plan, bus, server, report, actors)
            await _await_jobs(bus, report.every)
            server.faults = Faults()
            await until(anyio.current_time() + LAG_S)
            report.timers = [each.subject async for each in bus.last_per_subject(*_TIMERS)]
            await _look(bus, report)
        tg.cancel_scope.cancel()
    return report


def _topology(memory_s: float) -> Topology:
    declared = declare(ENGINES)
    streams = tuple(replace(stream, duplicate_window_s=memory_s) for stream in declared.streams)
    return replace(declared, streams=streams)


async def _limit(plan: Plan, bus: MemoryBus, server: MemoryServer) -> None:
    told = None if plan.by_default else plan.places
    if told is None and plan.namespace_usd is None and plan.most_tasks is None:
        return
    limits = LimitsSet(
        namespace="default",
        places=plan.places,
        tasks=plan.most_tasks,
        max_cost_usd=plan.namespace_usd,
        set_at=server.now(),
    )
    await bus.publish(
        subjects.event(limits), envelope.encode(limits), message_id=subjects.message_id(limits), headers={}
    )
    await until(anyio.current_time() + LIMITS_S)


async def _use(
    plan: Plan, bus: MemoryBus, server: MemoryServer, report: Report, actors: Sequence[ActorProcess]
) -> None:
    async with anyio.create_task_group() as users:

        def ordering(deal: Deal) -> None:
            for after_s in deal.order.again_after_s:
                users.start_soon(_repeat, bus, deal, after_s)

        customer = Customer(server, plan, report, ordering)
        users.start_soon(customer.live)
        users.start_soon(_hurt, plan, [*actors, customer])
        if plan.places:
            await customer.has_ordered()
            users.start_soon(_live_next_door, bus, server, plan, report)


async def _live_next_door(bus: MemoryBus, server: MemoryServer, plan: Plan, report: Report) -> None:
    """Submit a single task in another namespace."""
    policy = replace(policy_of(random.Random(f"{plan.seed}/next-door")), priority="critical")
    async with Client(
        bus, namespace=NEXT_DOOR, clock=server.now, new_id=lambda kind: f"{kind}-next-door"
    ).following() as client:
        job = await client.submit_bundle(bundle(1), policy)
        report.neighbours.append(job)
        await client.wait(job.tasks[0].id)


async def _repeat(bus: MemoryBus, deal: Deal, after_s: float) -> None:
    """Submit a job again some time later, under another id of the message."""
    await until(anyio.current_time() + after_s)
    await bus.publish(deal.subject, deal.body, message_id=f"again/{deal.job.id}/{after_s}")


async def _hurt(plan: Plan, processes: Sequence[Process]) -> None:
    async with anyio.create_task_group() as tg:
        for hurt in plan.hurts:
            await until(anyio.current_time() + hurt.after_s)
            process = processes[hurt.victim]
            match hurt.kind:
                case "kill":
                    process.kill()
                case "rest":
                    tg.start_soon(process.rest, hurt.for_s)
                case "slow":
                    tg.start_soon(process.slow, hurt.by_s, hurt.for_s)
                case "cut":
                    tg.start_soon(process.cut, hurt.for_s)


async def _await_jobs(bus: MemoryBus, jobs: Sequence[Job]) -> None:
    waiting = {job.id for job in jobs}
    if not waiting:
        return
    async with bus.feed(subjects.EVENTS, [subjects.job_event(kind="finished")], after=0) as ends:
        async for stored in ends:
            waiting.discard(subjects.job_of(stored.subject) or "")
            if not waiting:
                return


async def _look(bus: MemoryBus, report: Report) -> None:
    """Read the whole event stream, up to a mark of our own, once every queue had time to be worked off."""
    await until(anyio.current_time() + 2 * 86_400)
    mark = await bus.publish(subjects.event(_MARK), envelope.encode(_MARK), message_id="mark")
    async with bus.feed(subjects.EVENTS, [subjects.EVENTS_ALL], after=0) as events:
        async for stored in events:
            if stored.sequence == mark.sequence:
                break
            report.events.append(stored)
    client = Client(bus)
    report.results = {task.id: await client.results(task.id) for job in report.jobs for task in job.tasks}
    left = ((subjects.COMMANDS, [subjects.COMMANDS_ALL]), (subjects.WORK, [subjects.WORK_ALL]), _TIMERS)
    report.queued = sum([1 for stream, all_ in left async for _ in bus.last_per_subject(stream, all_)])


_TIMERS = (subjects.TIMERS, [subjects.TIMERS_SET_ALL])
_MARK = JobFinished(namespace="mark", job_id="mark", total=1, counts=OutcomeCounts())
