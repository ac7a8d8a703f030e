"""What is measured of each system, by the same code for all of them: needs anyio and nothing else.

Requests are lines of JSON on standard input, answers are lines on standard output. The first line says that the worker
has done a job, and the version. ``{"trips": 100, "within_s": 3}`` does jobs one after the other, until there are so
many or the time is over, and answers with the milliseconds of each submission and of each whole trip. ``{"burst": 50}``
submits so many at once, waits for all results and answers with the seconds that took. At the end of the input
everything is stopped.
"""

import json
import os
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from importlib.metadata import version
from pathlib import Path
from typing import Any, TextIO

import anyio
import anyio.to_thread

SERVER = "BENCHMARK_SERVER"
"""Name of the environment variable that tells a worker where the server is."""

FIRST_S = 60.0
"""Seconds that the first job may take: the worker may still be starting."""


class System(ABC):
    """A job system that stands, seen from one client.

    Attributes:
        package: whose version is said.
    """

    package: str

    @abstractmethod
    async def submit(self) -> Any:
        """Submit the job; return, once that is confirmed, what its result is waited for with."""

    @abstractmethod
    async def result(self, handle: Any) -> None:
        """Return when the result of the job is here."""

    async def results(self, handles: Sequence[Any]) -> None:
        """Return when all results are here."""
        async with anyio.create_task_group() as waiters:
            for handle in handles:
                waiters.start_soon(self.result, handle)


Start = Callable[[Path], AbstractAsyncContextManager[System]]
"""Starts servers with data in a folder, and a worker."""


async def trips(system: System, count: int, within_s: float) -> dict[str, list[float]]:
    """Do jobs one after the other; return the milliseconds of each submission and of each trip."""
    submits, whole = list[float](), list[float]()
    end = time.perf_counter() + within_s
    while len(whole) < count and (len(whole) < 2 or time.perf_counter() < end):
        began = time.perf_counter()
        handle = await system.submit()
        submits.append((time.perf_counter() - began) * 1000)
        await system.result(handle)
        whole.append((time.perf_counter() - began) * 1000)
    return {"submits": submits, "trips": whole}


async def burst(system: System, count: int) -> dict[str, float]:
    """Do jobs side by side; return the seconds until the last result."""
    handles: list[Any] = []

    async def submit() -> None:
        handles.append(await system.submit())

    began = time.perf_counter()
    async with anyio.create_task_group() as submitters:
        for _ in range(count):
            submitters.start_soon(submit)
    await system.results(handles)
    return {"seconds": time.perf_counter() - began}


async def _serve(start: Start, folder: Path, answers: TextIO) -> None:
    def say(answer: dict[str, Any]) -> None:
        answers.write(json.dumps(answer) + "\n")
        answers.flush()

    async with start(folder) as system:
        with anyio.fail_after(FIRST_S):
            await system.result(await system.submit())
        say({"version": f"{system.package} {version(system.package)}"})
        while line := await anyio.to_thread.run_sync(sys.stdin.readline):
            asked = json.loads(line)
            if "burst" in asked:
                say(await burst(system, asked["burst"]))
            else:
                say(await trips(system, asked["trips"], asked["within_s"]))


def serve(start: Start) -> None:
    """Be the program of a system."""
    # What servers and libraries say must not come between the answers.
    with os.fdopen(os.dup(1), "w") as answers, tempfile.TemporaryDirectory(dir=sys.argv[1]) as folder:
        os.dup2(2, 1)
        Path(folder).chmod(0o755)  # a server may have to run as another user
        anyio.run(_serve, start, Path(folder), answers)


def server() -> str:
    """Return where the server is; in a worker, and in what both sides import."""
    return os.environ.get(SERVER, "")
