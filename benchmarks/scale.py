"""What many queued tasks cost: submitting one more, listing, looking at one, and the memory of the actors.

Submitter and collector are processes of their own, the clients' share is this process. Nobody generates, so that every
task stays in the queue. ``--full`` adds 100,000 tasks, which takes minutes.
"""

import sys
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import anyio
from anyio.abc import Process

from benchmarks.bus_floor import POLICY, bundle, timed
from benchmarks.table import Row, percentile, show
from testwright import clock
from testwright.bus.nats import apply_topology, connect
from testwright.bus.server import embedded
from testwright.bus.topology import declare
from testwright.client import Client
from testwright.collector.actor import collector
from testwright.submitter.actor import submitter
from testwright_schemas import MAX_TASKS, Target, subjects

SIZES = (1_000, 10_000)
LOOKS = 50


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


def memory_mib(process: Process) -> float:
    """Return the memory that a process has now."""
    for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


async def grown(client: Client, count: int) -> float:
    """Submit tasks and return when the last one is queued; the milliseconds a task."""
    filters = [subjects.task_event(kind="submitted")]
    began = time.perf_counter()
    async with client.bus.feed(subjects.EVENTS, filters) as accepted:
        for start in range(0, count, MAX_TASKS):
            targets = tuple(Target(module=f"m{n}", path="it.py") for n in range(min(MAX_TASKS, count - start)))
            await client.submit_bundle(replace(bundle(), targets=targets), POLICY)
        for _ in range(count):
            await anext(accepted)
    return (time.perf_counter() - began) * 1000 / count


async def measure(size: int) -> list[Row]:
    """Return the figures with this many tasks in the queue."""
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(embedded(None))
        await apply_topology(server.url, declare(["echo"]))
        actors = {role: await stack.enter_async_context(actor(role, server.url)) for role in ("submitter", "collector")}
        bus = await stack.enter_async_context(connect(server.url, name="client"))
        client = await stack.enter_async_context(Client(bus).following())
        each = await grown(client, size)
        ids = [status.id for status in await client.tasks()]
        assert len(ids) == size
        began = time.perf_counter()
        await client.tasks()
        listed = (time.perf_counter() - began) * 1000
        looks = await timed(lambda: client.status(ids[-1]), LOOKS)
        memory = {role: memory_mib(process) for role, process in actors.items()}
    name = f"{size} tasks queued"
    return [
        Row(f"{name}: accepting one", each, "ms"),
        Row(f"{name}: list, each", listed / size * 1000, "us"),
        Row(f"{name}: status of one, p50", percentile(looks, 50), "ms"),
        *(Row(f"{name}: memory of the {role}", used, "MiB") for role, used in memory.items()),
    ]


async def main(arguments: Sequence[str]) -> None:
    """Measure and show."""
    rows: list[Row] = []
    for size in (*SIZES, 100_000) if "--full" in arguments else SIZES:
        rows += await measure(size)
    show("scale: many queued tasks", rows)


if __name__ == "__main__":
    if sys.argv[1:2] in (["submitter"], ["collector"]):
        anyio.run(serve, sys.argv[1], sys.argv[2])
    else:
        anyio.run(main, sys.argv[1:])
