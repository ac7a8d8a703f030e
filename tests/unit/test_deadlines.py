"""What a deadline means for a job and for each of its tasks, through all actors on a bus in memory."""

from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import anyio
import pytest
from msgspec.structs import replace

from tests.unit.test_collector_admission import bundle
from testwright.background import beside
from testwright.bus import Bus, Receipt
from testwright.bus.memory import MemoryServer
from testwright.bus.topology import declare
from testwright.client import Client
from testwright.collector.actor import collector
from testwright.engines import Notes, Progress
from testwright.errors import BusTimeoutError, WorkError
from testwright.generator.actor import Product, generator
from testwright.pacing import until
from testwright.submission import Terms
from testwright.submitter.actor import submitter
from testwright.verification.inquiry import Finding
from testwright.verifier.actor import verifier
from testwright_schemas import GenerateSuite, Policy, RetryPolicy, VerifySuite, subjects

pytestmark = pytest.mark.virtual_time

DEADLINE_S = 600.0
POLICY = Policy(
    engines=("echo",), timeout_s=3600.0, deadline_s=DEADLINE_S, retry=RetryPolicy(base_s=3600.0, max_s=86_400.0)
)


@dataclass
class Work:
    """Attempts of which none comes to an end in time.

    The first two go on for ever, the third fails, to be tried again an hour later, and what all others deliver is
    judged for ever.
    """

    begun: list[str] = field(default_factory=list[str])

    async def produce(self, item: GenerateSuite, snapshot: bytes, progress: Progress, notes: Notes) -> Product:
        """Do what the number of the attempt says."""
        self.begun.append(item.target.module)
        match len(self.begun):
            case 1 | 2:
                await anyio.sleep_forever()
            case 3:
                raise WorkError("engine-crashed", "for now", retryable=True)
            case _:
                pass
        return Product(archive=b"def test_it(): ...", files=("test_it.py",))

    async def judge(self, item: VerifySuite, snapshot: bytes, candidate: bytes, progress: Progress) -> Finding:
        """Come to no verdict."""
        await anyio.sleep_forever()
        raise AssertionError


class Unlucky:
    """A bus on which the first deadline cannot be set before the task has begun."""

    def __init__(self, bus: Bus, work: Work) -> None:
        self._bus = bus
        self._work = work
        self.failed = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bus, name)

    async def schedule(self, *arguments: Any, **named: Any) -> Receipt:
        if not self.failed:
            self.failed += 1
            await until(anyio.current_time() + 5)
            raise BusTimeoutError("a confirmation", 30)
        return await self._bus.schedule(*arguments, **named)


@asynccontextmanager
async def everything(work: Work, *, unlucky: bool = False) -> AsyncGenerator[tuple[MemoryServer, Client]]:
    """Run all actors; return the server and a client."""
    async with MemoryServer(declare(("echo",))) as server, server.connect("all") as bus:
        deciding: Any = Unlucky(bus, work) if unlucky else bus
        actors = (
            submitter(bus, server.now, ("echo",)),
            collector(deciding, server.now),
            generator(bus, server.now, work.produce, ("echo",), worker="w", slots=8),
            verifier(bus, server.now, work.judge),
        )
        async with beside(*(actor.run for actor in actors)), Client(bus, clock=server.now).following() as client:
            yield server, client


async def test_a_job_has_ended_by_the_deadline_of_its_tasks_whatever_they_wait_for() -> None:
    work = Work()
    async with everything(work) as (server, client):
        source = await client.submit_bundle(bundle("joined"), replace(POLICY, deadline_s=86_400.0), Terms(join=True))
        await until(anyio.current_time() + 60)
        submitted = server.now()
        job = await client.submit_bundle(
            bundle("joined", *(f"m{number}" for number in range(5))), POLICY, Terms(join=True, concurrency=3)
        )
        await until(anyio.current_time() + DEADLINE_S - 10)
        states = Counter([(await client.status(task.id)).state for task in job.tasks])
        results = [await client.wait(task.id, timeout=20) for task in job.tasks]
        await until(anyio.current_time() + 5)
        end = await client.bus.last(subjects.EVENTS, subjects.job_event("default", job.id, "finished"))
        goes_on = (await client.status(source.tasks[0].id)).state

    # One is at work, one pauses, one is judged; of those that are queued two wait at the gate, one has joined another.
    assert states == {"running": 1, "waiting": 1, "verifying": 1, "queued": 3}
    assert [result.outcome for result in results] == ["failed"] * 6
    assert {result.error.cause for result in results if result.error} == {"deadline-exceeded"}
    assert end is not None
    late = [
        at - submitted - timedelta(seconds=DEADLINE_S) for at in (*(each.completed_at for each in results), end.time)
    ]
    assert all(timedelta(0) <= each < timedelta(seconds=5) for each in late)
    assert goes_on == "running"


async def test_a_task_has_its_deadline_although_the_collector_had_it_begun_and_failed_before_it_set_that() -> None:
    work = Work()
    async with everything(work, unlucky=True) as (_, client):
        job = await client.submit_bundle(bundle("m"), POLICY)
        result = await client.wait(job.tasks[0].id, timeout=DEADLINE_S + 60)

    assert work.begun == ["m"]
    assert result.error is not None
    assert result.error.cause == "deadline-exceeded"
