"""What waiting costs: memory and messages of a waiter, and how late it learns of the end; beside it who asks every 2 s.

Nobody does the tasks: an end is published by hand, and the time from its publication to the waiter's return is taken.
"""

import gc
import time
import tracemalloc
from dataclasses import replace

import anyio
import msgspec

from benchmarks.bus_floor import POLICY, bundle
from benchmarks.table import Row, percentile, show
from testwright import clock
from testwright.bus._nats_link import Link
from testwright.bus.nats import apply_topology, connect
from testwright.bus.server import EmbeddedServer, embedded
from testwright.bus.topology import declare
from testwright.client import Client
from testwright.pacing import until
from testwright.submission import Job
from testwright.voice import Voice
from testwright_schemas import MAX_TASKS, Publish, Target, TaskFinished, TaskSubmitted, envelope

COUNTS = (1, 100, 10_000)
SAMPLES = 200
QUIET_S = 10.0
POLL_S = 2.0
"""How often the guide's loop asks."""


class _Connection(msgspec.Struct):
    in_msgs: int
    out_msgs: int
    name: str = ""


class _Connections(msgspec.Struct):
    connections: list[_Connection]


class _Connz(msgspec.Struct):
    data: _Connections


async def traffic(server: EmbeddedServer, name: str) -> int:
    """Return how many messages a connection has sent and received."""
    system = Link("_INBOX")
    await system.open(server.system_url, "counting")
    answer = await system.request("$SYS.REQ.SERVER.PING.CONNZ")
    await system.close()
    assert answer is not None
    found = envelope.decode(answer.data, _Connz).data.connections
    return next(each.in_msgs + each.out_msgs for each in found if each.name == name)


async def submitted(client: Client, count: int) -> list[tuple[str, str]]:
    """Submit this many tasks; return job and task of each."""
    found: list[tuple[str, str]] = []
    while len(found) < count:
        targets = tuple(Target(module=f"m{n}", path="it.py") for n in range(min(MAX_TASKS, count - len(found))))
        job: Job = await client.submit_bundle(replace(bundle(), targets=targets), POLICY)
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
        connect(server.url, name="waits") as bus,
    ):
        await apply_topology(server.url, declare(["echo"]))
        async with Client(bus).following() as client:
            tasks = await submitted(client, count)
            waiters = Waiters(client, Voice(other, "bench", clock.now))
            gc.collect()
            tracemalloc.start()
            before = tracemalloc.get_traced_memory()[0]
            used = told = bare = 0
            async with anyio.create_task_group() as crowd:
                for _, task_id in tasks:
                    crowd.start_soon(waiters.wait, task_id)
                await anyio.wait_all_tasks_blocked()
                gc.collect()
                used = tracemalloc.get_traced_memory()[0] - before
                tracemalloc.stop()
                bare = await _bare(count)
                sent = await traffic(server, "waits")
                await until(anyio.current_time() + QUIET_S)
                told = await traffic(server, "waits") - sent
                for job_id, task_id in tasks[:SAMPLES]:
                    await waiters.end(job_id, task_id)
                crowd.cancel_scope.cancel()
    rows = [
        Row(f"{count} waiters: memory of each", used / count / 1024, "KiB", used / bare, "a coroutine that waits"),
        Row(f"{count} waiters: messages of all of them", told * 60 / QUIET_S, "a minute"),
    ]
    if count > 1:
        rows += [
            Row(f"{count} waiters: woken, p50", percentile(waiters.late_ms, 50), "ms"),
            Row(f"{count} waiters: woken, p99", percentile(waiters.late_ms, 99), "ms"),
        ]
    return rows


async def _bare(count: int) -> int:
    """Return the bytes of as many coroutines that wait for nothing in particular."""
    gc.collect()
    tracemalloc.start()
    before, used = tracemalloc.get_traced_memory()[0], 1
    async with anyio.create_task_group() as crowd:
        for _ in range(count):
            crowd.start_soon(anyio.Event().wait)
        await anyio.wait_all_tasks_blocked()
        used = tracemalloc.get_traced_memory()[0] - before
        crowd.cancel_scope.cancel()
    tracemalloc.stop()
    return max(1, used)


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
        connect(server.url, name="polls") as bus,
    ):
        await apply_topology(server.url, declare(["echo"]))
        voice = Voice(other, "bench", clock.now)
        async with Client(bus).following() as client:
            tasks = await submitted(client, count)
            await _accept(voice, tasks)
            waiters = Waiters(client, voice)
            told = 0
            async with anyio.create_task_group() as crowd:
                for _, task_id in tasks:
                    crowd.start_soon(waiters.poll, task_id)
                await until(anyio.current_time() + POLL_S)
                sent = await traffic(server, "polls")
                await until(anyio.current_time() + QUIET_S)
                told = await traffic(server, "polls") - sent
                for number, (job_id, task_id) in enumerate(tasks):
                    # At any moment between two questions.
                    await until(anyio.current_time() + POLL_S * ((number * 7) % count) / count / 4)
                    await waiters.end(job_id, task_id, alone=False)
    return [
        Row("a loop that asks every 2 s: messages of each", told * 60 / QUIET_S / count, "a minute"),
        Row("a loop that asks every 2 s: learns of it, p50", percentile(waiters.late_ms, 50), "ms"),
        Row("a loop that asks every 2 s: learns of it, p99", percentile(waiters.late_ms, 99), "ms"),
    ]


async def main() -> None:
    """Measure and show."""
    rows: list[Row] = []
    for count in COUNTS:
        rows += await waiting(count)
    show("waiting: what a waiter costs, and how late it learns", [*rows, *await polling()])


if __name__ == "__main__":
    anyio.run(main)
