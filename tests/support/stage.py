"""Where scripted engines, in other processes, ask a test what to do: nothing sleeps, nothing is guessed."""

import tempfile
from base64 import b64encode
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
import msgspec
from anyio.abc import SocketStream
from anyio.streams.buffered import BufferedByteReceiveStream

from testwright_schemas import Brief

ENGINES = ("scripted", "understudy")
"""What a process finds beside the product's own engines when its PYTHONPATH names the folder of scripted engines."""

SUITE = {
    "test_calc.py": "from calc import add\n\n\ndef test_adds():\n    assert add(2, 3) == 5\n",
}
"""A suite that is kept when it is delivered for ``MODULE``."""

MODULE = "def add(a, b):\n    return a + b\n"

PATIENCE_S = 60.0
MAX_LINE = 100_000


class Call:
    """An engine that is held at the start of its attempt until it is told what to do.

    Attributes:
        engine: its name.
        module: what it is to write tests for.
        pid: of the generator it runs in.
        brief: what it was told of the rounds before.
    """

    def __init__(self, stream: SocketStream, lines: BufferedByteReceiveStream, hello: dict[str, Any]) -> None:
        self._stream = stream
        self._lines = lines
        self.engine: str = hello["engine"]
        self.module: str = hello["module"]
        self.pid: int = hello["pid"]
        self.brief = msgspec.convert(hello.get("brief"), Brief | None)

    async def deliver(self, files: dict[str, str] | None = None) -> None:
        """Have it deliver a suite, ``SUITE`` by default."""
        await self._tell({"deliver": files or SUITE})

    async def deliver_bytes(self, files: dict[str, bytes], times: int = 1) -> None:
        """Have it deliver files of any content, each so many times over."""
        await self._tell({"bytes": {name: b64encode(data).decode() for name, data in files.items()}, "times": times})

    async def write(self, code: str) -> None:
        """Have it run code in the sandbox, in its scratch folder, and deliver the Python files in ``out``."""
        await self._tell({"write": code})

    async def fail(self, cause: str, *, retryable: bool) -> None:
        """Have it raise an error."""
        await self._tell({"fail": cause, "retryable": retryable})

    async def spin(self, token: str) -> None:
        """Have it busy two processes for ever in the sandbox, and return when they run; ``token`` is an argument."""
        await self._tell({"spin": token})
        with anyio.fail_after(PATIENCE_S):
            await self._lines.receive_until(b"\n", MAX_LINE)

    async def gone(self) -> None:
        """Return when it has ended, however it did."""
        with anyio.fail_after(PATIENCE_S):
            try:
                await self._lines.receive_until(b"\n", MAX_LINE)
            except (anyio.IncompleteRead, anyio.BrokenResourceError):
                return
        raise AssertionError("the engine went on")

    async def _tell(self, answer: dict[str, Any]) -> None:
        await self._stream.send(msgspec.json.encode(answer) + b"\n")


class Stage:
    """Takes the calls of engines, in the order in which they come; ``path`` is the socket they call."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._send, self._receive = anyio.create_memory_object_stream[Call](1000)

    async def call(self) -> Call:
        """Return the next engine that begins."""
        with anyio.fail_after(PATIENCE_S):
            return await self._receive.receive()

    async def take(self, stream: SocketStream, until: anyio.Event) -> None:
        """Take one call and keep its connection open until the end of the test."""
        async with stream:
            lines = BufferedByteReceiveStream(stream)
            with suppress(anyio.IncompleteRead):  # it was killed before it had said anything
                hello = msgspec.json.decode(await lines.receive_until(b"\n", MAX_LINE))
                self._send.send_nowait(Call(stream, lines, hello))
                await until.wait()

    def close(self) -> None:
        """Take no more calls."""
        self._send.close()
        self._receive.close()


@asynccontextmanager
async def stage() -> AsyncGenerator[Stage]:
    """Listen for the calls of engines for one test."""
    with tempfile.TemporaryDirectory(prefix="stage-") as folder:
        listening = Stage(Path(folder, "socket"))
        done = anyio.Event()
        async with await anyio.create_unix_listener(listening.path) as listener, anyio.create_task_group() as tasks:

            async def take(stream: SocketStream) -> None:
                await listening.take(stream, done)

            tasks.start_soon(listener.serve, take)
            try:
                yield listening
            finally:
                done.set()
                listening.close()
                tasks.cancel_scope.cancel()
