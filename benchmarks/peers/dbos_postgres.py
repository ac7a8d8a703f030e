"""DBOS, on PostgreSQL: a workflow of one step, queued; worker and waiters ask every second, as is its default."""

import sys
import threading
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from dbos import DBOS, DBOSClient

from benchmarks.peers.protocol import System, serve, server
from benchmarks.peers.servers import postgres, worker

QUEUE = "echo"


class Dbos(System):
    package = "dbos"

    def __init__(self, client: DBOSClient) -> None:
        self._client = client

    async def submit(self) -> Any:
        return await self._client.enqueue_async({"queue_name": QUEUE, "workflow_name": "echo"}, 1)

    async def result(self, handle: Any) -> None:
        await handle.get_result()


def work() -> None:
    """Be the worker."""

    @DBOS.step()
    def answer(number: int) -> int:
        return number

    @DBOS.workflow(name="echo")
    def echo(number: int) -> int:
        return answer(number)

    DBOS(config={"name": "peer", "system_database_url": server()})
    DBOS.launch()
    DBOS.register_queue(QUEUE)
    sys.stdout.write("stands\n")
    sys.stdout.flush()
    threading.Event().wait()


@asynccontextmanager
async def running(folder: Path) -> AsyncGenerator[System]:
    """Run PostgreSQL and a worker."""
    with postgres(folder) as plain:
        url = plain.replace("postgresql:", "postgresql+psycopg:")
        with worker(["-m", "benchmarks.peers.dbos_postgres", "work"], url, "stands"):
            client = DBOSClient(system_database_url=url)
            yield Dbos(client)
            client.destroy()


if __name__ == "__main__":
    if sys.argv[1] == "work":
        work()
    else:
        serve(running)
