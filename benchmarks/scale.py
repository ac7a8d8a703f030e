"""What many queued tasks cost: submitting one more, listing, looking at one, and the memory of the actors.

Submitter and collector are processes of their own, the clients' share is this process. Nobody generates, so that every
task stays in the queue. ``--full`` adds 100,000 tasks, which takes minutes; numbers are sizes of your own.
"""

import math
import os
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import anyio
import nats
from anyio.abc import Process
from nats.aio.msg import Msg

from benchmarks._echo import POLICY, bundle, timed
from benchmarks.idle import cpu_s
from benchmarks.table import Row, percentile, show
from testwright import clock
from testwright.bus.nats import apply_topology, connect
from testwright.bus.server import embedded
from testwright.bus.topology import declare
from testwright.client import Client
from testwright.collector.actor import collector
from testwright.submitter.actor import submitter
from testwright_schemas import MAX_TASKS, subjects

TITLE = "scale: many queued tasks"
NOTES = (
    "a ratio of about 1 is flat; the goal is the growth of a logarithm, and half as much again for noise",
    "the whole list and the memory of the server grow with what is in them",
    "of the server's memory much is cache, and its CPU time is that of everybody's messages",
)
SIZES = (1_000, 10_000)
FULL = 100_000
LOOKS = 50
WITH_THE_QUEUE = frozenset({"list", "memory of the server"})
"""Figures that grow with what is in the queue, as they must."""


async def serve(role: str, url: str) -> None:
    """Be one actor."""
    async with connect(url, name=role, leased=True) as bus:
        actor = submitter(bus, clock.now, ["echo"]) if role == "submitter" else collector(bus, clock.now)
        await actor.run()


@asynccontextmanager
async def actor(role: str, url: str) -> AsyncGenerator[Process]:
    """Run one actor as a process."""
    command = [sys.executable, "-m", "benchmarks.scale", role, url]
    async with await anyio.open_process(command, stderr=None) as process:
        try:
            yield process
        finally:
            process.kill()


def memory_mib(pid: int) -> float:
    """Return the memory that a process has now."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


class Queue:
    """Counts what comes into the queue of the generators."""

    def __init__(self) -> None:
        self._left = 0
        self._done = anyio.Event()

    async def on_message(self, _: Msg) -> None:
        """Count one."""
        self._left -= 1
        if not self._left:
            self._done.set()

    async def grow(self, client: Client, count: int) -> float:
        """Submit tasks and return when the last one is queued; the milliseconds a task."""
        self._left, self._done = count, anyio.Event()
        began = time.perf_counter()
        for start in range(0, count, MAX_TASKS):
            await client.submit_bundle(bundle(min(MAX_TASKS, count - start)), POLICY)
        await self._done.wait()
        return (time.perf_counter() - began) * 1000 / count


@asynccontextmanager
async def watched(url: str) -> AsyncGenerator[Queue]:
    """Watch a server's queue."""
    watcher = await nats.connect(url, name="watcher")
    queue = Queue()
    await watcher.subscribe(subjects.WORK_ALL, cb=queue.on_message)
    try:
        yield queue
    finally:
        await watcher.close()


async def measure(size: int) -> dict[str, tuple[float, str]]:
    """Return the figures with this many tasks in the queue, each with its unit."""
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(embedded(None))
        await apply_topology(server.url, declare(["echo"]))
        actors = {role: await stack.enter_async_context(actor(role, server.url)) for role in ("submitter", "collector")}
        bus = await stack.enter_async_context(connect(server.url, name="client"))
        client = await stack.enter_async_context(Client(bus).following())
        queue = await stack.enter_async_context(watched(server.url))
        await queue.grow(client, 1)
        pids = {**{role: process.pid for role, process in actors.items()}, "server": server.pid, "client": os.getpid()}
        before = {name: (memory_mib(pid), cpu_s(pid)) for name, pid in pids.items()}
        each = await queue.grow(client, size)
        memory = {name: memory_mib(pid) for name, pid in pids.items()}
        took = {name: cpu_s(pid) - before[name][1] for name, pid in pids.items()}
        began, worked = time.perf_counter(), time.process_time()
        found = await client.tasks()
        listed, worked = time.perf_counter() - began, time.process_time() - worked
        assert len(found) == size + 1
        looks = await timed(lambda: client.status(found[-1].id), LOOKS)
        one = await timed(client_submits(client), LOOKS)
    return {
        "accepting one of many": (each, "ms"),
        "submitting one more, p50": (percentile(one, 50), "ms"),
        "list, for each in it": (listed / size * 1e6, "us"),
        "list, CPU time of the client for each": (worked / size * 1e6, "us"),
        "list": (listed * 1000, "ms"),
        "status of one, p50": (percentile(looks, 50), "ms"),
        **{f"CPU time of the {name}, for each": (used / size * 1e6, "us") for name, used in took.items()},
        **{f"memory of the {name}": (used, "MiB") for name, used in memory.items()},
        "memory of the server, for each": ((memory["server"] - before["server"][0]) * 1024 / size, "KiB"),
    }


def client_submits(client: Client) -> Callable[[], Awaitable[object]]:
    """Return what submits a task."""
    bundled = bundle()
    return lambda: client.submit_bundle(bundled, POLICY)


def flat(first: int, size: int) -> float:
    """Return by how much a figure may grow with the queue: as a logarithm does, and half as much again for noise."""
    return 1.5 * math.log(size) / math.log(first)


async def main(arguments: Sequence[str]) -> None:
    """Measure and show."""
    sizes = [int(each) for each in arguments if each.isdigit()] or [*SIZES, *([FULL] if "--full" in arguments else [])]
    rows: list[Row] = []
    first: dict[str, tuple[float, str]] = {}
    for size in sizes:
        figures = await measure(size)
        first = first or figures
        for name, (value, unit) in figures.items():
            ratio = value / first[name][0] if size != sizes[0] and first[name][0] else None
            most = None if ratio is None or name in WITH_THE_QUEUE else flat(sizes[0], size)
            rows.append(Row(f"{size} tasks queued: {name}", value, unit, ratio, f"with {sizes[0]}", most=most))
        show(TITLE, rows, NOTES)


if __name__ == "__main__":
    if sys.argv[1:2] in (["submitter"], ["collector"]):
        anyio.run(serve, sys.argv[1], sys.argv[2])
    else:
        anyio.run(main, sys.argv[1:])
