"""Dramatiq with Redis as broker and for results, which block until they are there."""

import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend

from benchmarks.peers.protocol import System, serve, server
from benchmarks.peers.servers import redis, worker


def declared(url: str) -> dramatiq.Actor:
    """Return the actor, on a broker."""
    broker = RedisBroker(url=url)
    broker.add_middleware(Results(backend=RedisBackend(url=url)))
    return dramatiq.actor(lambda number: number, actor_name="echo", store_results=True, broker=broker)


class Dramatiq(System):
    package = "dramatiq"

    def __init__(self, echo: dramatiq.Actor) -> None:
        self._echo = echo

    async def submit(self) -> dramatiq.Message:
        return self._echo.send(1)

    async def result(self, handle: dramatiq.Message) -> None:
        handle.get_result(backend=self._echo.broker.get_results_backend(), block=True, timeout=60_000)


@asynccontextmanager
async def running(folder: Path) -> AsyncGenerator[System]:
    """Run Redis and one worker process with 8 threads, which is its default for a process."""
    arguments = ["benchmarks.peers.dramatiq_redis:broker", "--processes", "1"]
    with redis(folder) as url, worker(["-m", "dramatiq", *arguments], url):
        yield Dramatiq(declared(url))


if __name__ == "__main__":
    serve(running)
elif "dramatiq" in sys.argv[0]:
    broker = declared(server()).broker
