"""Procrastinate, on PostgreSQL: its worker is notified of jobs; it has no results, so a client asks for the status."""

import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
from procrastinate import App, PsycopgConnector
from procrastinate.jobs import Status
from procrastinate.tasks import Task

from benchmarks.peers.protocol import System, serve, server
from benchmarks.peers.servers import postgres, worker

ASKED_S = 0.01
"""Seconds between a client's questions: more often than anybody would, so that the worker is measured."""


async def echo(number: int) -> int:
    """Answer at once."""
    return number


class Procrastinate(System):
    package = "procrastinate"

    def __init__(self, app: App, task: Task) -> None:
        self._app = app
        self._task = task

    async def submit(self) -> int:
        return await self._task.defer_async(number=1)

    async def result(self, handle: int) -> None:
        while await self._app.job_manager.get_job_status_async(handle) is not Status.SUCCEEDED:  # noqa: ASYNC110  it offers no event
            await anyio.sleep(ASKED_S)

    async def results(self, handles: Sequence[int]) -> None:
        # They are done in turn: whoever asks for all of them at a time measures only that.
        for handle in handles:
            await self.result(handle)


def declared(url: str) -> tuple[App, Task]:
    """Return the app and its task."""
    app = App(connector=PsycopgConnector(conninfo=url))
    return app, app.task(echo, name="echo")


async def work() -> None:
    """Be the worker."""
    app, _ = declared(server())
    async with app.open_async():
        await app.run_worker_async(concurrency=10)


@asynccontextmanager
async def running(folder: Path) -> AsyncGenerator[System]:
    """Run PostgreSQL and a worker."""
    with postgres(folder) as url:
        app, task = declared(url)
        async with app.open_async():
            await app.schema_manager.apply_schema_async()
            with worker(["-m", "benchmarks.peers.procrastinate_postgres", "work"], url):
                yield Procrastinate(app, task)


if __name__ == "__main__":
    if sys.argv[1] == "work":
        anyio.run(work)
    else:
        serve(running)
