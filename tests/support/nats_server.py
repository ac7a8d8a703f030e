"""A real nats-server that tests may hurt: killed, restarted, frozen, with whatever configuration they need."""

import json
import secrets
import shutil
import signal
import tempfile
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

from testwright.bus.nats import NatsBus, apply_topology, connect
from testwright.bus.topology import Topology
from testwright.settings import tool_path


class World:
    """A server in a folder of its own, and the connections that a test opens to it.

    Args:
        folder: an empty folder for its configuration and data.
        stack: closes the connections.
        config: overrides of the server's configuration.
    """

    def __init__(self, folder: Path, stack: AsyncExitStack, config: Mapping[str, Any]) -> None:
        self._folder = folder
        self._stack = stack
        self._config = dict(config)
        self._process: Process | None = None
        self.user = "tester"
        self.password = secrets.token_urlsafe(12)
        self.port = -1

    @property
    def url(self) -> str:
        """Return the server's address with the credentials that may do everything."""
        return self.address(self.user, self.password)

    @property
    def process(self) -> Process:
        """Return the running server."""
        assert self._process is not None
        return self._process

    def address(self, user: str, password: str) -> str:
        """Return the server's address with other credentials."""
        return f"nats://{user}:{password}@127.0.0.1:{self.port}"

    def configure(self, config: Mapping[str, Any]) -> None:
        """Change the configuration; it is read by the next ``start`` or ``reload``."""
        self._config.update(config)
        settings: dict[str, Any] = {
            "server_name": "tested",
            "host": "127.0.0.1",
            "port": self.port,
            "jetstream": {"store_dir": str(self._folder / "jetstream")},
            "authorization": {"users": [{"user": self.user, "password": self.password}]},
            **self._config,
        }
        (self._folder / "server.conf").write_text(json.dumps(settings), encoding="utf-8")

    async def start(self) -> None:
        """Start the server, on the port it had before, and return when it is ready."""
        self.configure({})
        binary = shutil.which("nats-server", path=tool_path())
        assert binary is not None
        self._process = await anyio.open_process([binary, "-c", str(self._folder / "server.conf")], stdout=None)
        assert self._process.stderr is not None
        lines = BufferedByteReceiveStream(self._process.stderr)
        seen = b""
        while b"Server is ready" not in seen:
            try:
                seen = await lines.receive_until(b"\n", 65536)
            except (anyio.IncompleteRead, anyio.EndOfStream):
                raise AssertionError("nats-server ended before it was ready") from None
            if b"Listening for client connections" in seen:
                self.port = int(seen.rsplit(b":", 1)[1])

    async def kill(self) -> None:
        """End the server as a crash would."""
        self.process.kill()
        await self.process.wait()
        await self.process.aclose()

    async def restart(self) -> None:
        """Crash the server and start it again on its data and port."""
        await self.kill()
        await self.start()

    def freeze(self) -> None:
        """Stop the server's clock: it keeps its connections and answers nothing."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen server go on."""
        self.process.send_signal(signal.SIGCONT)

    def reload(self) -> None:
        """Have the server read its configuration again."""
        self.process.send_signal(signal.SIGHUP)

    async def connect(self, name: str, **options: Any) -> NatsBus:
        """Return a connection that is closed at the end of the test."""
        url = options.pop("url", self.url)
        return await self._stack.enter_async_context(connect(url, name=name, **options))

    async def apply(self, topology: Topology) -> None:
        """Create the streams, consumers and buckets of a topology."""
        await apply_topology(self.url, topology)


@asynccontextmanager
async def nats_world(config: Mapping[str, Any] | None = None) -> AsyncGenerator[World]:
    """Run a server for one test; ``config`` overrides its configuration."""
    with tempfile.TemporaryDirectory(prefix="testwright-nats-") as folder:
        async with AsyncExitStack() as stack:
            world = World(Path(folder), stack, config or {})
            await world.start()
            try:
                async with stack:
                    yield world
            finally:
                with anyio.CancelScope(shield=True):
                    if world.process.returncode is None:
                        await world.kill()
