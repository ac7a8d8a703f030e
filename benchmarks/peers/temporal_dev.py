"""Temporal with its development server, which keeps what it knows in a file: a workflow of one activity."""

import itertools
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import anyio
from temporalio import activity, workflow
from temporalio.client import Client, WorkflowHandle
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from benchmarks.peers.protocol import System, serve, server
from benchmarks.peers.servers import found, worker

QUEUE = "echo"


@activity.defn
async def answer(number: int) -> int:
    """Answer at once."""
    return number


@workflow.defn(sandboxed=False)
class Echo:
    """The job."""

    @workflow.run
    async def run(self, number: int) -> int:
        """Have it answered."""
        return await workflow.execute_activity(answer, number, start_to_close_timeout=timedelta(minutes=1))


class Temporal(System):
    package = "temporalio"

    def __init__(self, client: Client) -> None:
        self._client = client
        self._numbers = itertools.count()

    async def submit(self) -> WorkflowHandle[Echo, int]:
        return await self._client.start_workflow(Echo.run, 1, id=f"echo-{next(self._numbers)}", task_queue=QUEUE)

    async def result(self, handle: WorkflowHandle[Echo, int]) -> None:
        await handle.result()


async def work() -> None:
    """Be the worker."""
    await Worker(await Client.connect(server()), task_queue=QUEUE, workflows=[Echo], activities=[answer]).run()


@asynccontextmanager
async def running(folder: Path) -> AsyncGenerator[System]:
    """Run the server and a worker."""
    local = await WorkflowEnvironment.start_local(
        dev_server_existing_path=found("temporal"), dev_server_database_filename=str(folder / "temporal.db")
    )
    async with local:
        address = local.client.service_client.config.target_host
        with worker(["-m", "benchmarks.peers.temporal_dev", "work"], address):
            yield Temporal(local.client)


if __name__ == "__main__":
    if sys.argv[1] == "work":
        anyio.run(work)
    else:
        serve(running)
