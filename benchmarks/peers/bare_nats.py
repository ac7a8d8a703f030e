"""The floor: the least that a job system on JetStream does, on bare nats-py.

Publish a job, have a worker take it, publish its result, have a subscription deliver that. The worker does not ask for
each job: the server hands out what it has, up to 1,000 that are not answered, which is the quickest way in nats-py.
"""

import itertools
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
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
        await self._js.publish(f"floor.job.{number}", BODY)
        return number

    async def result(self, handle: str) -> None:
        await self._waiting[handle].wait()
        del self._waiting[handle]

    async def on_result(self, message: Msg) -> None:
        """Wake who waits for it."""
        self._waiting[message.subject.rpartition(".")[2]].set()


async def work() -> None:
    """Be the worker."""
    connection = await nats.connect(server())
    js = connection.jetstream()

    async def do(job: Msg) -> None:
        await js.publish(f"floor.done.{job.subject.rpartition('.')[2]}", job.data)
        await job.ack()

    async with anyio.create_task_group() as jobs:

        async def take(job: Msg) -> None:
            jobs.start_soon(do, job)

        await js.subscribe("floor.job.*", durable="worker", queue="worker", stream="JOBS", cb=take, manual_ack=True)
        await anyio.sleep_forever()


@asynccontextmanager
async def running(folder: Path) -> AsyncGenerator[System]:
    """Run a server and a worker."""
    with nats_server(folder) as url:
        connection = await nats.connect(url)
        js = connection.jetstream()
        queue = api.StreamConfig(name="JOBS", subjects=["floor.job.*"], retention=api.RetentionPolicy.WORK_QUEUE)
        await js.add_stream(queue)
        await js.add_stream(api.StreamConfig(name="DONE", subjects=["floor.done.*"]))
        bare = Bare(js)
        await js.subscribe("floor.done.*", ordered_consumer=True, cb=bare.on_result)
        with worker(["-m", "benchmarks.peers.bare_nats", "work"], url):
            yield bare
        await connection.close()


if __name__ == "__main__":
    if sys.argv[1] == "work":
        anyio.run(work)
    else:
        serve(running)
