"""How long work stands still when something dies: a worker as its attempt begins, the server, one of three.

Workers are processes of their own with the real actor; their engine never ends. The time from ``kill -9`` to the
``started`` event of the next attempt, which another worker publishes, is taken.
"""

import os
import signal
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

import anyio
from anyio.abc import Process
from msgspec.structs import replace

from benchmarks._echo import POLICY, bundle, judge, produce
from benchmarks.table import Row, percentile, show
from tests.support.cluster import cluster
from testwright import clock
from testwright.background import beside
from testwright.bus import Stored
from testwright.bus.nats import apply_topology, connect
from testwright.bus.reclaim import reclaiming
from testwright.bus.server import embedded
from testwright.bus.topology import declare
from testwright.client import Client
from testwright.collector.actor import collector
from testwright.engines import Notes, Progress
from testwright.generator.actor import Product, generator
from testwright.pacing import until
from testwright.shelf import Shelf
from testwright.submitter.actor import submitter
from testwright.verifier.actor import verifier
from testwright_schemas import AttemptStarted, GenerateSuite, envelope, subjects

KILLS = 30
RESTARTS = 5
LOSSES = 3
STEADY_S = 6.0

PATIENCE_S = 180.0


async def never(item: GenerateSuite, snapshot: bytes, progress: Progress, notes: Notes) -> Product:
    """Run an engine that finds no end."""
    await anyio.Event().wait()
    raise AssertionError


async def work(url: str) -> None:
    """Be a worker that is named by its process."""
    async with (
        connect(url, name="testwright-generator", leased=True) as bus,
        beside(generator(bus, clock.now, never, ["echo"], worker=str(os.getpid())).run),
    ):
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await anyio.sleep_forever()


@asynccontextmanager
async def worker(url: str) -> AsyncGenerator[Process]:
    """Run a worker in a process of its own, which stands when the body begins."""
    async with await anyio.open_process([sys.executable, "-m", "benchmarks.recovery", url], stderr=None) as process:
        try:
            assert process.stdout is not None
            await process.stdout.receive()
            yield process
        finally:
            if process.returncode is None:
                process.kill()


async def killed(url: str, system_url: str) -> list[float]:
    """Return the milliseconds from the death of a worker to the next attempt, for each of ``KILLS``."""
    spent: list[float] = []
    async with AsyncExitStack() as stack:
        one, two, three = [await stack.enter_async_context(connect(url, name=f"bench-{n}")) for n in range(3)]
        parts = (submitter(one, clock.now, ["echo"]).run, collector(two, clock.now).run)
        await stack.enter_async_context(beside(*parts, partial(reclaiming, url, system_url)))
        client = await stack.enter_async_context(Client(three).following())
        filters = [subjects.task_event(kind="started")]
        started = await stack.enter_async_context(three.feed(subjects.EVENTS, filters))
        workers = [await stack.enter_async_context(worker(url)) for _ in range(2)]
        for _ in range(KILLS):
            job = await client.submit_bundle(bundle(), POLICY)
            first = _read(await anext(started))
            victim = next(each for each in workers if str(each.pid) == first.worker)
            began = time.perf_counter()
            victim.send_signal(signal.SIGKILL)
            _read(await anext(started))
            spent.append((time.perf_counter() - began) * 1000)
            await client.cancel(job.tasks[0].id)
            await client.wait(job.tasks[0].id)
            workers.remove(victim)
            workers.append(await stack.enter_async_context(worker(url)))
    return spent


def _read(stored: Stored) -> AttemptStarted:
    return envelope.decode(stored.data, AttemptStarted)


@asynccontextmanager
async def acting(url: str, patience_s: float = 30.0) -> AsyncGenerator[Client]:
    """Run all actors of a task in this process, each on a connection of its own, beside a client."""
    async with AsyncExitStack() as stack:
        names = ("client", "submitter", "collector", "generator", "verifier")
        buses = [await stack.enter_async_context(connect(url, name=n, publish_timeout_s=patience_s)) for n in names]
        shelf = Shelf()
        actors = (
            submitter(buses[1], clock.now, ["echo"]),
            collector(buses[2], clock.now),
            generator(buses[3], clock.now, produce, ["echo"], worker="bench", shelf=shelf),
            verifier(buses[4], clock.now, judge, shelf=shelf),
        )
        await stack.enter_async_context(beside(*(actor.run for actor in actors)))
        client = await stack.enter_async_context(Client(buses[0]).following())
        await done(client)
        yield client


async def done(client: Client) -> None:
    """Have a task done."""
    job = await client.submit_bundle(bundle(), POLICY)
    await client.wait(job.tasks[0].id)


async def restarted() -> list[float]:
    """Return the milliseconds from ``kill -9`` of the server to the end of a task that is submitted at once."""
    spent: list[float] = []
    async with embedded(None) as server:
        await apply_topology(server.url, declare(["echo"]))
        async with acting(server.url) as client:
            for _ in range(RESTARTS):
                # A server that has just come up is not taken for one that works, and is given a pause.
                await until(anyio.current_time() + STEADY_S)
                began = time.perf_counter()
                os.kill(server.pid, signal.SIGKILL)
                await done(client)
                spent.append((time.perf_counter() - began) * 1000)
    return spent


async def leaderless() -> list[float]:
    """Return the milliseconds from the death of one of three servers, the leader, to the end of a task."""
    spent: list[float] = []
    async with cluster() as three:
        await apply_topology(three.url, replace(declare(["echo"]), replicas=3))
        async with acting(three.url, PATIENCE_S) as client:
            for _ in range(LOSSES):
                leader = three.servers[await three.leader_of(subjects.EVENTS)]
                began = time.perf_counter()
                await leader.kill()
                await done(client)
                spent.append((time.perf_counter() - began) * 1000)
                await leader.start()
                await three.ready()
                await done(client)
    return spent


async def main() -> None:
    """Measure and show."""
    async with embedded(None) as server:
        await apply_topology(server.url, declare(["echo"]))
        moved = await killed(server.url, server.system_url)
    back, led = await restarted(), await leaderless()
    show(
        "recovery: how long work stands still",
        [
            Row("worker killed, next attempt runs, p50", percentile(moved, 50), "ms", most=25),
            Row("worker killed, next attempt runs, p99", percentile(moved, 99), "ms", most=250),
            Row("server killed, first task done, p50", percentile(back, 50), "ms", most=1000),
            Row("server killed, first task done, worst", max(back), "ms", most=1000),
            Row("leader of three servers killed, task done, p50", percentile(led, 50), "ms"),
            Row("leader of three servers killed, task done, worst", max(led), "ms"),
        ],
        [
            f"{KILLS} kills of a worker, {RESTARTS} of a server, {LOSSES} of a leader",
            "a new leader is elected when the others have not heard of the old one for 4 to 9 s, as NATS has it",
        ],
    )


if __name__ == "__main__":
    if sys.argv[1:]:
        anyio.run(work, sys.argv[1])
    else:
        anyio.run(main)
