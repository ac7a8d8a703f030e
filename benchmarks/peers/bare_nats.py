"""The floor: the least that a job system on JetStream does, on bare nats-py.

Publish a job, have a worker take it, publish its result, have a subscription deliver that. The worker does not ask for
each job: the server hands out what it has, up to 1,000 that are not answered, which is the quickest way in nats-py.

With a number as argument the worker hands a job on as often before it publishes the result, each time through a queue.
"""

import itertools
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import anyio
import nats
from nats.aio.msg import Msg
from nats.js import JetStreamContext, api

from benchmarks.peers.protocol import System, serve, server
from benchmarks.peers.servers import nats as nats_server
from benchmarks.peers.servers import worker

BODY = b"x" * 400


class Bare(System):
    """A client: publishes jobs, and is told of results."""

    package = "nats-py"

    def __init__(self, js: JetStreamContext) -> None:
        self._js = js
        self._numbers = itertools.count()
        self._waiting: dict[str, anyio.Event] = {}

    async def submit(self) -> str:
        number = str(next(self._numbers))
        self._waiting[number] = anyio.Event()
        await self._js.publish(f"floor.job.0.{number}", BODY)
        return number

    async def result(self, handle: str) -> None:
        await self._waiting[handle].wait()
        del self._waiting[handle]

    async def on_result(self, message: Msg) -> None:
        """Wake who waits for it."""
        self._waiting[message.subject.rpartition(".")[2]].set()


async def work(steps: int) -> None:
    """Be the worker, of all steps of a job."""
    connection = await nats.connect(server())
    js = connection.jetstream()

    async def do(step: int, job: Msg) -> None:
        number = job.subject.rpartition(".")[2]
        place = f"job.{step + 1}" if step + 1 < steps else "done"
        await js.publish(f"floor.{place}.{number}", job.data)
        await job.ack()

    async with anyio.create_task_group() as jobs:

        async def take(step: int, job: Msg) -> None:
            jobs.start_soon(do, step, job)

        for step in range(steps):
            await js.subscribe(
                f"floor.job.{step}.*",
                durable=f"worker-{step}",
                queue=f"worker-{step}",
                stream="JOBS",
                cb=partial(take, step),
                manual_ack=True,
            )
        await anyio.sleep_forever()


@asynccontextmanager
async def running(folder: Path, steps: int) -> AsyncGenerator[System]:
    """Run a server and a worker."""
    with nats_server(folder) as url:
        connection = await nats.connect(url)
        js = connection.jetstream()
        queue = api.StreamConfig(name="JOBS", subjects=["floor.job.>"], retention=api.RetentionPolicy.WORK_QUEUE)
        await js.add_stream(queue)
        await js.add_stream(api.StreamConfig(name="DONE", subjects=["floor.done.*"]))
        bare = Bare(js)
        await js.subscribe("floor.done.*", ordered_consumer=True, cb=bare.on_result)
        with worker(["-m", "benchmarks.peers.bare_nats", "work", str(steps)], url):
            yield bare
        await connection.close()


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["work", steps]:
            anyio.run(work, int(steps))
        case [_, *handed_on]:
            serve(partial(running, steps=1 + int(handed_on[0] if handed_on else 0)))
