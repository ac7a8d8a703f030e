"""The simulated client: it submits, cancels and waits, and when it was killed, it comes again and goes on.

Before it submits it writes down the ids, as a service would that must not submit twice; of what was in the air when it
died it only knows that. So it submits that once more under the same ids, and waits for all others.
"""

import dataclasses
import hashlib
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import msgspec
from msgspec.structs import replace

from tests.support.lives import ENGINES, Process
from tests.support.moods import SOURCES
from tests.support.plans import ROLES, Order, Plan
from tests.support.reports import Asked, Deal, Report
from testwright.bus import Bus
from testwright.bus.memory import MemoryServer
from testwright.client import Client
from testwright.errors import InvalidSubmissionError, TaskNotFoundError
from testwright.pacing import until
from testwright.snapshots.bundle import Bundle
from testwright.submission import Job, TaskRef, Terms, prepare
from testwright_schemas import (
    JobRejected,
    Policy,
    RetryPolicy,
    RetrySpec,
    RetryTasks,
    Snapshot,
    Target,
    envelope,
    subjects,
)

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)

FIELDS = {
    "engine": "policy.engines[0]",
    "price": "policy.max_cost_usd",
    "twice": "tasks[1].task_id",
    "shape": "policy.coverage",
}
"""What is said to be wrong with an order that is."""


class Customer(Process):
    """A client.

    Args:
        server: where it connects to.
        plan: what it does.
        report: what it is told goes there, and is what it knows in its next life.
        ordering: called with each submission before it is made.
    """

    def __init__(self, server: MemoryServer, plan: Plan, report: Report, ordering: Callable[[Deal], None]) -> None:
        super().__init__(server, plan, ROLES.index("client"))
        self._plan = plan
        self._report = report
        self._ordering = ordering
        self._ids: Iterator[str] = iter(())
        self._ordered, self._done = anyio.Event(), False

    @property
    def bears(self) -> bool:
        """Never: it comes again."""
        return False

    @property
    def done(self) -> bool:
        """Whether it was told of everything."""
        return self._done

    async def has_ordered(self) -> None:
        """Return when it has submitted all its orders."""
        await self._ordered.wait()

    async def _work(self, bus: Any) -> None:
        async with Client(bus, clock=self.now, new_id=self._new_id).following() as client:
            async with anyio.create_task_group() as users:
                for number, order in enumerate(self._plan.orders):
                    deal = await self._dealt(client, number, order)
                    for task_id in deal.task_ids:
                        users.start_soon(self._expect, client, deal, task_id)
                self._ordered.set()
                await self._cancel(client)
            await self._again(client)
            self._done = True

    def _new_id(self, kind: str) -> str:
        return f"cancel-{len(self._report.cancels)}" if kind == "cancel" else next(self._ids)

    async def _dealt(self, client: Client, number: int, order: Order) -> Deal:
        """Return what is submitted, now or in an earlier life."""
        if number < len(self._report.deals):
            deal = self._report.deals[number]
            await self._come_again(client.bus, deal)
            return deal
        policy, terms = asked_for(self._plan, number, order)
        deal = self._noted(ordered(number, order, policy, terms))
        if order.wrong == "shape":
            await self._come_again(client.bus, deal)
        else:
            self._ids = iter(deal.ids)
            await client.submit_bundle(bundle(len(deal.job.tasks)), policy, terms)
            deal.stored = True
        return deal

    def _noted(self, deal: Deal) -> Deal:
        self._report.deals.append(deal)
        self._ordering(deal)
        return deal

    async def _come_again(self, bus: Bus, deal: Deal) -> None:
        """Submit what may not have been stored, as those do who know nothing of clients, and look at the answer."""
        if not deal.stored:
            await bus.put(subjects.SNAPSHOTS, "default", SOURCES)
            await bus.publish(deal.subject, deal.body, message_id=f"{deal.job.id}/{self.lives}")
            deal.stored = True
        # Who asks for a task that is not there yet, although its job is, may be told that there is none.
        missing = [subjects.task_event("default", task_id, "submitted") for task_id in deal.task_ids]
        rejected = subjects.job_event("default", deal.job.id, "rejected")
        async with bus.feed(subjects.EVENTS, [rejected, *missing], after=0) as answers:
            async for answer in answers:
                if answer.subject == rejected:
                    deal.refused.add(envelope.decode(answer.data, JobRejected).field)
                    return
                missing.remove(answer.subject)
                if not missing:
                    return

    async def _expect(self, client: Client, deal: Deal, task_id: str) -> None:
        if deal.refused:
            return
        try:
            result = await client.wait(task_id)
        except InvalidSubmissionError as error:
            deal.refused.add(error.field)
            deal.told_off.add(task_id)
        else:
            self._report.told.setdefault(task_id, []).append((self.lives, result))

    async def _cancel(self, client: Client) -> None:
        for cancel in self._plan.cancels[len(self._report.cancels) :]:
            await until(anyio.current_time() + cancel.after_s)
            deals = self._report.deals if cancel.whom == "everything" else [self._report.deals[cancel.order]]
            deals = [deal for deal in deals if not deal.order.wrong]
            # A limit may have an order refused: whoever then cancels one of its tasks, cancels what there never is.
            one = cancel.whom == "task" and self._plan.most_tasks is None
            ids = [deal.task_ids[0] if one else deal.job.id for deal in deals]
            about = [task_id for deal in deals for task_id in (deal.task_ids[:1] if one else deal.task_ids)]
            if ids:
                await self._ask(client, ids)
            self._report.cancels.append(Asked(tuple(about), self._server.now()))

    async def _ask(self, client: Client, ids: list[str]) -> None:
        try:
            await client.cancel(*ids)
        except TaskNotFoundError:
            # One that is slow has not heard of the acceptance in time; it tries again in its next life.
            self.kill()
            await anyio.lowlevel.checkpoint()

    async def _again(self, client: Client) -> None:
        """Submit an order again, all of whose tasks have ended."""
        if self._plan.again is None or self._report.deals[self._plan.again].refused:
            return
        if len(self._report.deals) > len(self._plan.orders):
            deal = self._report.deals[-1]
            await self._come_again(client.bus, deal)
        else:
            old = self._report.deals[self._plan.again]
            deal = self._noted(repeated(old))
            self._ids = iter(deal.ids)
            await client.retry(*old.task_ids)
            deal.stored = True
        async with anyio.create_task_group() as users:
            for task_id in deal.task_ids:
                users.start_soon(self._expect, client, deal, task_id)


def asked_for(plan: Plan, number: int, order: Order) -> tuple[Policy, Terms]:
    """Return the policy and the terms of an order."""
    key = plan.key if plan.concurrency else None
    policy = policy_of(random.Random(f"{plan.seed}/order/{number}"))
    terms = Terms(concurrency=plan.concurrency, max_cost_usd=plan.job_usd, concurrency_key=key)
    match order.wrong:
        case "engine":
            return replace(policy, engines=("nobody",)), terms
        case "price":
            return replace(policy, max_cost_usd=2.0), dataclasses.replace(terms, max_cost_usd=1.0)
        case _:
            return replace(policy, max_cost_usd=plan.task_usd), terms


def ordered(number: int, order: Order, policy: Policy, terms: Terms) -> Deal:
    """Return an order as it is written down before it is made."""
    ids = [f"task-{number}-{index}" for index in range(max(order.tasks, 2 if order.wrong == "twice" else 1))]
    if order.wrong == "twice":
        ids[1] = ids[0]
    new_ids = iter([*ids, f"job-{number}"])
    job, command = prepare(
        bundle(len(ids)), policy, terms, namespace="default", new_id=lambda _: next(new_ids), now=EPOCH
    )
    body = envelope.encode(command)
    if order.wrong == "shape":
        said = msgspec.json.decode(body)
        said["policy"]["coverage"] = 1000.0
        body = msgspec.json.encode(said)
    return Deal(order=order, job=job, subject=subjects.command(command), body=body)


def repeated(old: Deal) -> Deal:
    """Return the order of all tasks of another once more, as it is written down before it is made."""
    pairs = [(f"task-again-{index}", task) for index, task in enumerate(old.job.tasks)]
    specs = tuple(RetrySpec(task_id=new, retry_of=task.id) for new, task in pairs)
    command = RetryTasks(namespace="default", job_id="job-again", tasks=specs, submitted_at=EPOCH)
    job = Job(command.job_id, tuple(TaskRef(new, task.module) for new, task in pairs))
    order = Order(tasks=len(pairs))
    return Deal(order=order, job=job, subject=subjects.command(command), body=envelope.encode(command))


def bundle(tasks: int) -> Bundle:
    """Return sources with so many modules."""
    digest = hashlib.sha256(SOURCES).hexdigest()
    targets = tuple(Target(module=f"shop.part{i}", path=f"shop/part{i}.py") for i in range(tasks))
    snapshot = Snapshot(digest=digest, size=len(SOURCES), files=1)
    return Bundle(snapshot=snapshot, data=SOURCES, targets=targets, root=Path("nowhere"), skipped={})


def policy_of(dice: random.Random) -> Policy:
    """Return some policy."""
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
