"""taskiq on NATS JetStream, with results in its object store: a waiter asks every 0.2 s, which is its default.

Where many ask at once, its store (taskiq-nats 0.7) now and then answers with an error although the result is there or
will be; then it is asked again.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from taskiq import AsyncTaskiqTask, ResultGetError, ResultIsReadyError
from taskiq_nats import NATSObjectStoreResultBackend, PullBasedJetStreamBroker

from benchmarks.peers.protocol import System, serve, server
from benchmarks.peers.servers import nats, worker


def declared(url: str) -> PullBasedJetStreamBroker:
    """Return the broker."""
    broker = PullBasedJetStreamBroker(url).with_result_backend(NATSObjectStoreResultBackend(url))
    broker.register_task(echo, "echo")
    return broker


async def echo(number: int) -> int:
    """Answer at once."""
    return number


broker = declared(server())


class Taskiq(System):
    package = "taskiq-nats"

    def __init__(self, here: PullBasedJetStreamBroker) -> None:
        self._task = here.find_task("echo")

    async def submit(self) -> AsyncTaskiqTask[Any]:
        return await self._task.kiq(1)

    async def result(self, handle: AsyncTaskiqTask[Any]) -> None:
        while True:
            try:
                await handle.wait_result(timeout=60)
            except (ResultIsReadyError, ResultGetError):
                continue
            return


@asynccontextmanager
async def running(folder: Path) -> AsyncGenerator[System]:
    """Run a server and one worker process."""
    with nats(folder) as url:
        here = declared(url)
        await here.startup()
        with worker(["-m", "taskiq", "worker", "benchmarks.peers.taskiq_jetstream:broker", "--workers", "1"], url):
            yield Taskiq(here)
        await here.shutdown()


if __name__ == "__main__":
    serve(running)
