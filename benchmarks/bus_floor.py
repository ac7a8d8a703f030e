"""What the event-driven core costs on top of bare nats-py, both on one server, in one run.

The floor is the least that a job system on JetStream does: publish a job, have a worker pull it, publish a result,
have a subscription deliver it. Ours does a submission, five events, two work items and a timer for each task. Engines
and verification are stubs that answer at once, so that nothing but the core is measured.
"""

import hashlib
import time
import tracemalloc
from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio
import nats
from nats.js import api

from benchmarks.table import Row, percentile, show
from testwright import clock
from testwright.background import beside
from testwright.bus.nats import apply_topology, connect
from testwright.bus.server import embedded
from testwright.bus.topology import declare
from testwright.client import Client
from testwright.collector.actor import collector
from testwright.engines import Progress
from testwright.generator.actor import Product, generator
from testwright.snapshots.archive import pack
from testwright.snapshots.bundle import Bundle
from testwright.submitter.actor import submitter
from testwright.verification.inquiry import Finding
from testwright.verifier.actor import verifier
from testwright_schemas import CaseVerdict, Coverage, GenerateSuite, Mutation, Policy, Snapshot, Target, VerifySuite

ROUNDS = 200
BURST = 500
WAITERS = 1000
POLICY = Policy(engines=("echo",))


async def produce(item: GenerateSuite, snapshot: bytes, progress: Progress) -> Product:
    """Answer at once."""
    return Product(archive=b"candidate", files=("test_it.py",))


async def judge(item: VerifySuite, snapshot: bytes, candidate: bytes, progress: Progress) -> Finding:
    """Keep the one test at once."""
    return Finding(
        cases=(CaseVerdict(id="test_it.py::test_it", verdict="kept"),),
        coverage=Coverage(line=100.0),
        mutation=Mutation(),
        files={"test_it.py": candidate},
        report=b"{}",
        isolation="none",
        python="",
        wall_s=0.0,
    )


def bundle() -> Bundle:
    """Return a project of one empty module."""
    data = pack({"it.py": b""})
    snapshot = Snapshot(digest=hashlib.sha256(data).hexdigest(), size=len(data), files=1)
    return Bundle(snapshot=snapshot, data=data, targets=(Target(module="it", path="it.py"),), root=Path(), skipped={})


async def timed(action: Callable[[], Awaitable[object]], rounds: int) -> list[float]:
    """Return the milliseconds of each round."""
    spent: list[float] = []
    for _ in range(rounds):
        began = time.perf_counter()
        await action()
        spent.append((time.perf_counter() - began) * 1000)
    return spent


async def floor(url: str) -> tuple[list[float], list[float]]:
    """Return milliseconds of a bare publish, and of a bare round trip over a work queue."""
    client = await nats.connect(url)
    worker = await nats.connect(url)
    js = client.jetstream()
    await js.add_stream(
        api.StreamConfig(name="FLOOR", subjects=["floor.job"], retention=api.RetentionPolicy.WORK_QUEUE)
    )
    await js.add_stream(api.StreamConfig(name="DONE", subjects=["floor.done.>"]))
    queue = await worker.jetstream().pull_subscribe("floor.job", durable="worker", stream="FLOOR")
    results = await js.subscribe("floor.done.>", ordered_consumer=True)

    async def work(*, task_status: anyio.abc.TaskStatus[None]) -> None:
        task_status.started()
        while True:
            [job] = await queue.fetch(1, timeout=60)
            await worker.jetstream().publish("floor.done.1", b"result")
            await job.ack()

    async def round_trip() -> None:
        await js.publish("floor.job", b"job")
        await results.next_msg(timeout=10)

    async with beside(work):
        trips = await timed(round_trip, ROUNDS)
    # Only now that no worker takes them away: what a publish alone costs.
    publishes = await timed(lambda: js.publish("floor.job", b"job"), ROUNDS)
    await client.close()
    await worker.close()
    return publishes, trips


async def alone(url: str) -> tuple[list[float], float]:
    """Return milliseconds of a submission, and the bytes that a waiter takes, while nobody does the tasks."""
    async with connect(url, name="client") as bus, Client(bus).following() as client:
        bundled, ids = bundle(), list[str]()

        async def submit() -> None:
            ids.append((await client.submit_bundle(bundled, POLICY)).tasks[0].id)

        async def wait_for(task_id: str) -> None:
            await client.wait(task_id)

        submits = await timed(submit, WAITERS)
        tracemalloc.start()
        async with anyio.create_task_group() as waiters:
            before = tracemalloc.get_traced_memory()[0]
            for task_id in ids:
                waiters.start_soon(wait_for, task_id)
            await anyio.wait_all_tasks_blocked()
            used = tracemalloc.get_traced_memory()[0] - before
            waiters.cancel_scope.cancel()
        tracemalloc.stop()
    return submits, used / WAITERS


async def served(url: str) -> tuple[list[float], float]:
    """Return milliseconds of a task end to end, and tasks a second with each actor once, all in this process."""
    async with (
        connect(url, name="client") as bus,
        connect(url, name="submitter") as one,
        connect(url, name="collector") as two,
        connect(url, name="generator") as three,
        connect(url, name="verifier") as four,
    ):
        actors = (
            submitter(one, clock.now, ["echo"]),
            collector(two, clock.now),
            generator(three, clock.now, produce, ["echo"], worker="bench", slots=4),
            verifier(four, clock.now, judge, slots=4),
        )
        async with beside(*(actor.run for actor in actors)), Client(bus).following() as client:
            bundled = bundle()

            async def end_to_end() -> None:
                job = await client.submit_bundle(bundled, POLICY)
                await client.wait(job.tasks[0].id)

            await end_to_end()
            trips = await timed(end_to_end, ROUNDS)
            began = time.perf_counter()
            async with anyio.create_task_group() as users:
                for _ in range(BURST):
                    users.start_soon(end_to_end)
            return trips, BURST / (time.perf_counter() - began)


async def main() -> None:
    """Measure and show."""
    async with embedded(None) as server:
        publishes, trips = await floor(server.url)
        await apply_topology(server.url, declare(["echo"]))
        tasks, rate = await served(server.url)
    async with embedded(None) as server:
        await apply_topology(server.url, declare(["echo"]))
        submits, waiter = await alone(server.url)
    publish_p50, trip_p50 = percentile(publishes, 50), percentile(trips, 50)
    show(
        "bus_floor: the core against bare nats-py",
        [
            Row("bare publish, p50", publish_p50, "ms"),
            Row("bare publish, p99", percentile(publishes, 99), "ms"),
            Row("submit, p50", percentile(submits, 50), "ms", percentile(submits, 50) / publish_p50, "bare publish"),
            Row("submit, p99", percentile(submits, 99), "ms"),
            Row("bare round trip, p50", trip_p50, "ms"),
            Row("task end to end, p50", percentile(tasks, 50), "ms", percentile(tasks, 50) / trip_p50, "bare trip"),
            Row("task end to end, p99", percentile(tasks, 99), "ms"),
            Row(f"{BURST} tasks at once", rate, "tasks/s"),
            Row("a waiter on top of its task", waiter / 1024, "KiB"),
        ],
    )


if __name__ == "__main__":
    anyio.run(main)
