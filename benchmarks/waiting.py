"""What waiting costs: memory and messages of a waiter, and how late it learns of the end; beside it who asks every 2 s.

Nobody does the tasks: an end is published by hand, and the time from its publication to the waiter's return is taken.
"""

import gc
import time
import tracemalloc
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import anyio

from benchmarks._echo import POLICY, bundle
from benchmarks._traffic import watching
from benchmarks.table import Row, percentile, show
from testwright import clock
from testwright.bus.nats import apply_topology, connect
from testwright.bus.server import EmbeddedServer, embedded
from testwright.bus.topology import declare
from testwright.client import Client
from testwright.pacing import until
from testwright.voice import Voice
from testwright_schemas import MAX_TASKS, Publish, TaskFinished, TaskSubmitted

COUNTS = (1, 100, 10_000)
SAMPLES = 200
QUIET_S = 10.0
WAITS = "waits"
"""Name of the connection that is measured."""

POLL_S = 2.0
"""How often the guide's loop asks."""

NOTES = (
    "a bare coroutine is a task of a task group that waits for an event of its own",
    "the messages of the process are heartbeats of its one feed: how many fall into a while differs by one or two",
)


async def submitted(client: Client, count: int) -> list[tuple[str, str]]:
    """Submit this many tasks; return job and task of each."""
    found: list[tuple[str, str]] = []
    while len(found) < count:
        job = await client.submit_bundle(bundle(min(MAX_TASKS, count - len(found))), POLICY)
        found += [(job.id, task.id) for task in job.tasks]
    return found


class Waiters:
    """Tasks that somebody waits for, and how late each learned of its end in milliseconds."""

    def __init__(self, client: Client, voice: Voice) -> None:
        self._client = client
        self._voice = voice
        self._ended: dict[str, float] = {}
        self._back = anyio.Event()
        self.late_ms: list[float] = []

    async def wait(self, task_id: str) -> None:
        """Wait as a user does."""
        await self._client.wait(task_id)
        self.late_ms.append((time.perf_counter() - self._ended[task_id]) * 1000)
        self._back.set()

    async def poll(self, task_id: str) -> None:
        """Wait as the guide does: ask, and ask again."""
        while await self._client.results(task_id) is None:
            await until(anyio.current_time() + POLL_S)
        self.late_ms.append((time.perf_counter() - self._ended[task_id]) * 1000)
        self._back.set()

    async def end(self, job_id: str, task_id: str, *, alone: bool = True) -> None:
        """Publish the end of a task; with ``alone`` return when its waiter is back."""
        self._back = anyio.Event()
        now = clock.now()
        end = TaskFinished(
            namespace="default",
            job_id=job_id,
            task_id=task_id,
            module="m",
            outcome="completed",
            created_at=now,
            completed_at=now,
        )
        self._ended[task_id] = time.perf_counter()
        await self._voice.say(Publish(message=end, once=True), {})
        if alone:
            await self._back.wait()


async def waiting(count: int) -> list[Row]:
    """Return the figures of this many waiters in one process."""
    async with (
        embedded(None) as server,
        connect(server.url, name="ends") as other,
        connect(server.url, name=WAITS) as bus,
    ):
        await apply_topology(server.url, declare(["echo"]))
        async with Client(bus).following() as client:
            tasks = await submitted(client, count + SAMPLES)
            ids = [task_id for _, task_id in tasks[:count]]
            used = await _taken([partial(client.wait, task_id) for task_id in ids])
            bare = await _taken([lambda: anyio.Event().wait() for _ in ids])
            alone = await _told(server)
            waiters = Waiters(client, Voice(other, "bench", clock.now))
            async with anyio.create_task_group() as crowd:
                for task_id in ids:
                    crowd.start_soon(waiters.wait, task_id)
                await anyio.wait_all_tasks_blocked()
                told = await _told(server)
                for (job_id, task_id), (_, another) in zip(tasks, tasks[count:], strict=False):
                    await waiters.end(job_id, task_id)
                    crowd.start_soon(waiters.wait, another)
                crowd.cancel_scope.cancel()
    beyond, name = (used - bare) / 1024, f"{count} waiters"
    return [
        Row(f"{name}: memory of each, beyond a bare coroutine's", beyond, "KiB", most=1.0 if count > 1 else None),
        Row(f"{name}: memory of each with its coroutine", used / 1024, "KiB", used / bare, "a bare coroutine"),
        Row(f"{name}: messages of the process", told, "a minute"),
        Row(f"{name}: messages of each, beyond an idle client's", max(0.0, told - alone) / count, "a minute", most=0.1),
        Row(f"{name}: woken, p50", percentile(waiters.late_ms, 50), "ms", most=2.0),
        Row(f"{name}: woken, p99", percentile(waiters.late_ms, 99), "ms", most=10.0),
    ]


async def _told(server: EmbeddedServer) -> float:
    """Return the messages a minute of the connection on which is waited."""
    async with watching(server.url) as watcher:
        before = await watcher.traffic()
        await until(anyio.current_time() + QUIET_S)
        return (await watcher.traffic() - before)[WAITS] * 60 / QUIET_S


async def _taken(waits: Sequence[Callable[[], Awaitable[object]]]) -> float:
    """Return the bytes of each while all of these wait."""
    gc.collect()
    tracemalloc.start()
    before, used = tracemalloc.get_traced_memory()[0], 0
    async with anyio.create_task_group() as crowd:
        for wait in waits:
            crowd.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        gc.collect()
        used = tracemalloc.get_traced_memory()[0] - before
        crowd.cancel_scope.cancel()
    tracemalloc.stop()
    return used / len(waits)


async def kept(count: int = MAX_TASKS) -> list[Row]:
    """Return what a client keeps of a task that it has submitted, while nobody waits for it."""
    async with embedded(None) as server, connect(server.url, name=WAITS) as bus:
        await apply_topology(server.url, declare(["echo"]))
        async with Client(bus).following() as client:
            await submitted(client, count)
            bundled = bundle(count)
            gc.collect()
            tracemalloc.start()
            before = tracemalloc.get_traced_memory()[0]
            await client.submit_bundle(bundled, POLICY)
            gc.collect()
            used = tracemalloc.get_traced_memory()[0] - before
            tracemalloc.stop()
    return [Row("a task submitted and not waited for: memory", used / count / 1024, "KiB")]


async def _accept(voice: Voice, tasks: list[tuple[str, str]]) -> None:
    """Have tasks known, as a submitter does."""
    bundled = bundle()
    for job_id, task_id in tasks:
        event = TaskSubmitted(
            namespace="default",
            job_id=job_id,
            task_id=task_id,
            target=bundled.targets[0],
            snapshot=bundled.snapshot,
            policy=POLICY,
            created_at=clock.now(),
        )
        await voice.say(Publish(message=event, once=True), {})


async def polling(count: int = 20) -> list[Row]:
    """Return the figures of the guide's loop."""
    async with (
        embedded(None) as server,
        connect(server.url, name="ends") as other,
        connect(server.url, name=WAITS) as bus,
    ):
        await apply_topology(server.url, declare(["echo"]))
        voice = Voice(other, "bench", clock.now)
        async with Client(bus).following() as client:
            tasks = await submitted(client, count)
            await _accept(voice, tasks)
            waiters = Waiters(client, voice)
            told = 0.0
            async with anyio.create_task_group() as crowd:
                for _, task_id in tasks:
                    crowd.start_soon(waiters.poll, task_id)
                await until(anyio.current_time() + POLL_S)
                told = await _told(server)
                for number, (job_id, task_id) in enumerate(tasks):
                    # At any moment between two questions.
                    await until(anyio.current_time() + POLL_S * ((number * 7) % count) / count / 4)
                    await waiters.end(job_id, task_id, alone=False)
    return [
        Row("a loop that asks every 2 s: messages of each", told / count, "a minute"),
        Row("a loop that asks every 2 s: learns of it, p50", percentile(waiters.late_ms, 50), "ms"),
        Row("a loop that asks every 2 s: learns of it, p99", percentile(waiters.late_ms, 99), "ms"),
    ]


async def main() -> None:
    """Measure and show."""
    rows: list[Row] = []
    for count in COUNTS:
        rows += await waiting(count)
    rows += await kept()
    show("waiting: what a waiter costs, and how late it learns", [*rows, *await polling()], NOTES)


if __name__ == "__main__":
    anyio.run(main)
