"""Celery with Redis as broker and for results: tasks are acknowledged when they are done, results are pushed."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from celery import Celery
from celery.result import AsyncResult

from benchmarks.peers.protocol import System, serve, server
from benchmarks.peers.servers import redis, worker

app = Celery("benchmarks.peers.celery_redis", broker=server(), backend=server())
app.conf.task_acks_late = True


@app.task(name="echo")
def echo(number: int) -> int:
    """Answer at once."""
    return number


class CeleryRedis(System):
    package = "celery"

    async def submit(self) -> AsyncResult:
        return echo.delay(1)

    async def result(self, handle: AsyncResult) -> None:
        handle.get(timeout=60)


@asynccontextmanager
async def running(folder: Path) -> AsyncGenerator[System]:
    """Run Redis and a worker with as many processes as there are cores, which is its default."""
    with redis(folder) as url:
        app.conf.broker_url = app.conf.result_backend = url
        arguments = ["--app", "benchmarks.peers.celery_redis", "worker", "--loglevel", "WARNING"]
        with worker(["-m", "celery", *arguments], url):
            yield CeleryRedis()


if __name__ == "__main__":
    serve(running)
