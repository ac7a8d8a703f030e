"""Runs workflows in this process: the Python side of ``testwright workflow run``."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from anyio.to_thread import run_sync

from testwright import app, clock, settings
from testwright.branch import check_branch
from testwright.client import Client
from testwright.workflow import definition, runs
from testwright.workflow.driver import Heard
from testwright.workflow.runs import RunResult
from testwright.workflow.stages import Function
from testwright_schemas import Plan


async def run_workflow(
    plan: Plan,
    *,
    root: str | Path = ".",
    client: Client | None = None,
    functions: Mapping[str, Function] | None = None,
    heard: Heard | None = None,
) -> RunResult:
    """Run a plan in a folder and return what became of each stage.

    Args:
        plan: the stages, in any order.
        root: folder that they work in.
        client: a connected client; without one, the server is found as ``Client.connect`` finds it.
        functions: what stages of the kind ``CallFunction`` call, by the name of the stage.
        heard: told each event of the run as it comes.

    Raises:
        WorkflowDefinitionError: the plan is wrong.
        BranchError: suites cannot be committed on a branch that it names.
        ConnectError: there is no server, or it cannot be reached.
    """
    checked, folder = definition.check(plan), _absolute(root)
    for branch in definition.branches(checked):
        await run_sync(check_branch, folder, branch)
    async with _connected(client) as connected:
        tools = app.workflow_tools(settings.load(), functions)
        order = runs.order(connected, checked, folder, clock.new_id("run"))
        return await runs.start(connected, tools, order, heard)


@asynccontextmanager
async def _connected(client: Client | None) -> AsyncGenerator[Client]:
    if client is not None:
        yield client
        return
    async with Client.connect() as made:
        yield made


def _absolute(root: str | Path) -> Path:
    return Path(root).absolute()
