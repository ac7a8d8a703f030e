"""A real ``openhands-agent-server`` on the loopback, in an environment of its own."""

import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import STDOUT

import anyio
from anyio.abc import Process, TaskStatus
from anyio.streams.text import TextReceiveStream

from testwright import settings
from testwright.engines.openhands import local
from testwright.environments.uv import UvEnvironments

KEY = "key-of-the-agent-server"
"""The only key that it takes."""

PIN = "openhands-agent-server==1.58.0"


@dataclass(frozen=True)
class Server:
    """A server that runs.

    Attributes:
        url: of it.
        folder: where it keeps all that it writes, temporary files included.
    """

    url: str
    folder: Path


@asynccontextmanager
async def agent_server(folder: Path) -> AsyncGenerator[Server]:
    """Run a server for as long as the body runs."""
    environments = UvEnvironments(settings.load().cache)
    built = await environments.for_tool("agent-server", (*local.requirements(), PIN), local.PYTHONS)
    surroundings = {
        "PATH": f"{built.python.parent}:/usr/bin:/bin",
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "OH_SESSION_API_KEYS_0": KEY,
        "OH_ENABLE_VSCODE": "false",
        "OH_ENABLE_BROWSER": "false",
        "OH_PRELOAD_TOOLS": "false",
        "OH_CONVERSATIONS_PATH": str(folder / "conversations"),
        "OH_BASH_EVENTS_DIR": str(folder / "commands"),
        "OH_PERSISTENCE_DIR": str(folder / "settings"),
        "OPENHANDS_SUPPRESS_BANNER": "1",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_TELEMETRY": "False",
        "PYTHONUNBUFFERED": "1",
        "COLUMNS": "400",
    }
    command = [str(built.python.with_name("agent-server")), "--host", "127.0.0.1", "--port", "0"]
    async with (
        await anyio.open_process(command, env=surroundings, cwd=folder, stderr=STDOUT) as process,
        anyio.create_task_group() as tasks,
    ):
        try:
            yield Server(await tasks.start(_drain, process), folder)
        finally:
            process.terminate()
            tasks.cancel_scope.cancel()


async def _drain(process: Process, *, task_status: TaskStatus[str]) -> None:
    """Read what it prints to the end, and tell its address once it says it."""
    assert process.stdout
    text, announced = "", False
    async for piece in TextReceiveStream(process.stdout):
        text += piece
        found = re.search(r"running on (http://127\.0\.0\.1:\d+)", text)
        if found and not announced:
            announced = True
            task_status.started(found[1])
