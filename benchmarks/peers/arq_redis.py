"""arq, on Redis: worker and waiters ask every 0.5 s, which is its default."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from arq import ArqRedis, create_pool
from arq.connections import RedisSettings
from arq.jobs import Job

from benchmarks.peers.protocol import System, serve, server
from benchmarks.peers.servers import redis, worker


async def echo(context: dict[Any, Any], number: int) -> int:
    """Answer at once."""
    return number


class WorkerSettings:
    """What its worker looks for."""

    functions = (echo,)
    redis_settings = RedisSettings.from_dsn(server() or "redis://127.0.0.1")


class Arq(System):
    package = "arq"

    def __init__(self, pool: ArqRedis) -> None:
        self._pool = pool

    async def submit(self) -> Job | None:
        return await self._pool.enqueue_job("echo", 1)

    async def result(self, handle: Job) -> None:
        await handle.result(timeout=60)


@asynccontextmanager
async def running(folder: Path) -> AsyncGenerator[System]:
    """Run Redis and a worker."""
    with redis(folder) as url, worker(["-m", "arq", "benchmarks.peers.arq_redis.WorkerSettings"], url):
        pool = await create_pool(RedisSettings.from_dsn(url))
        yield Arq(pool)
        await pool.aclose()


if __name__ == "__main__":
    serve(running)
