"""How long work stands still when something dies: a worker killed in the middle of an attempt, the server restarted.

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

from benchmarks.bus_floor import POLICY, bundle, judge, produce
from benchmarks.table import Row, percentile, show
from testwright import clock
from testwright.background import beside
from testwright.bus import Stored
from testwright.bus.nats import apply_topology, connect
from testwright.bus.reclaim import reclaiming
from testwright.bus.server import embedded
from testwright.bus.topology import declare
from testwright.client import Client
from testwright.collector.actor import collector
from testwright.engines import Progress
from testwright.generator.actor import Product, generator
from testwright.submitter.actor import submitter
from testwright.verifier.actor import verifier
from testwright_schemas import AttemptStarted, GenerateSuite, envelope, subjects

KILLS = 30
RESTARTS = 5


async def never(item: GenerateSuite, snapshot: bytes, progress: Progress) -> Product:
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


async def restarted() -> list[float]:
    """Return the milliseconds from ``kill -9`` of the server to the end of a task that was submitted before."""
    spent: list[float] = []
    async with embedded(None) as server, AsyncExitStack() as stack:
        await apply_topology(server.url, declare(["echo"]))
        names = ("client", "submitter", "collector", "generator", "verifier")
        buses = [await stack.enter_async_context(connect(server.url, name=name)) for name in names]
        actors = (
            submitter(buses[1], clock.now, ["echo"]),
            collector(buses[2], clock.now),
            generator(buses[3], clock.now, produce, ["echo"], worker="bench"),
            verifier(buses[4], clock.now, judge),
        )
        await stack.enter_async_context(beside(*(actor.run for actor in actors)))
        client = await stack.enter_async_context(Client(buses[0]).following())
        for _ in range(RESTARTS):
            began = time.perf_counter()
            os.kill(server.pid, signal.SIGKILL)
            job = await client.submit_bundle(bundle(), POLICY)
            await client.wait(job.tasks[0].id)
            spent.append((time.perf_counter() - began) * 1000)
    return spent


async def main() -> None:
    """Measure and show."""
    async with embedded(None) as server:
        await apply_topology(server.url, declare(["echo"]))
        moved = await killed(server.url, server.system_url)
    back = await restarted()
    show(
        "recovery: how long work stands still",
        [
            Row("worker killed, next attempt runs, p50", percentile(moved, 50), "ms"),
            Row("worker killed, next attempt runs, p99", percentile(moved, 99), "ms"),
            Row("server killed, first task done, p50", percentile(back, 50), "ms"),
            Row("server killed, first task done, worst", max(back), "ms"),
        ],
    )


if __name__ == "__main__":
    if sys.argv[1:]:
        anyio.run(work, sys.argv[1])
    else:
        anyio.run(main)
