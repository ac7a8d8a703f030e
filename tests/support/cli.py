"""The command line as a user runs it: processes whose lines can be awaited, and which are seen to leave nothing."""

import json
import os
import signal
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
from anyio.abc import Process
from anyio.streams.text import TextReceiveStream

from testwright.pacing import Backoff

LINE_S = 60.0
"""Longest that a line, or the end of a command, is waited for before a test fails."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as the one JSON document it has to be."""
        return json.loads(self.out)


class Running:
    """A command in a process group of its own, as a shell starts one."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._changed = anyio.Event()
        self._open = 2
        self.out = ""
        self.err = ""

    async def said(self, text: str) -> str:
        """Return the first line, of either stream, that contains a text, as soon as it is there."""
        with anyio.fail_after(LINE_S):
            while True:
                changed = self._changed
                whole = [line for line in (self.out + self.err).splitlines(keepends=True) if line.endswith("\n")]
                for line in whole:
                    if text in line:
                        return line.rstrip("\n")
                await changed.wait()

    def interrupt(self, number: signal.Signals = signal.SIGINT) -> None:
        """Send a signal to the whole group, as a terminal does for Ctrl-C."""
        os.killpg(self._process.pid, number)

    async def ended(self) -> Outcome:
        """Return how it ended, as soon as it has."""
        with anyio.fail_after(LINE_S):
            code = await self._process.wait()
            while self._open:
                await self._changed.wait()
        return Outcome(code, self.out, self.err)

    async def read(self, name: str) -> None:
        """Take what comes on one of the streams until its end."""
        stream = getattr(self._process, f"std{name}")
        async for text in TextReceiveStream(stream):
            setattr(self, name, getattr(self, name) + text)
            self._wake()
        self._open -= 1
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()


@dataclass(frozen=True, slots=True)
class Shell:
    """A folder to run commands in, with data and temporary files of its own.

    Attributes:
        folder: empty; ``project`` in it is the working directory.
        env: on top of this process's environment.
    """

    folder: Path
    env: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def project(self) -> Path:
        """The working directory, with a space in its name."""
        made = self.folder / "my project"
        made.mkdir(exist_ok=True)
        return made

    def write(self, name: str, text: str) -> Path:
        """Write a file of the project."""
        path = self.project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    @asynccontextmanager
    async def start(self, *arguments: str) -> AsyncGenerator[Running]:
        """Start ``testwright`` with these arguments; it is killed if it outlives the body."""
        inherited = {name: value for name, value in os.environ.items() if name != "NATS_URL"}
        own = {"TESTWRIGHT_DATA": str(self.folder / "data"), "TMPDIR": str(self._temporary())}
        async with await anyio.open_process(
            [sys.executable, "-m", "testwright", *arguments],
            cwd=self.project,
            env={**inherited, **own, **self.env},
            start_new_session=True,
        ) as process:
            running = Running(process)
            async with anyio.create_task_group() as readers:
                readers.start_soon(running.read, "out")
                readers.start_soon(running.read, "err")
                try:
                    yield running
                finally:
                    if process.returncode is None:
                        process.kill()
                    readers.cancel_scope.cancel()

    async def run(self, *arguments: str) -> Outcome:
        """Run ``testwright`` with these arguments to its end."""
        async with self.start(*arguments) as running:
            return await running.ended()

    async def runs(self, text: str) -> None:
        """Return when a process with this text in its command line runs; nobody tells of new processes, so look."""
        with anyio.fail_after(LINE_S):
            pace = Backoff(max_s=0.2)
            while text not in "\n".join(self.left()):
                await pace.pause()

    def left(self) -> list[str]:
        """Return the command lines of all processes that know this folder, from their arguments or environment."""
        mark, found = str(self.folder).encode(), list[str]()
        for process in Path("/proc").glob("[0-9]*"):
            try:
                command = (process / "cmdline").read_bytes()
                environment = (process / "environ").read_bytes()
            except OSError:
                continue
            if process.name != str(os.getpid()) and (mark in command or mark in environment):
                found.append(command.replace(b"\0", b" ").decode(errors="replace"))
        return found

    def _temporary(self) -> Path:
        made = self.folder / "tmp"
        made.mkdir(exist_ok=True)
        return made
