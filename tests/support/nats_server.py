"""A real nats-server that tests may hurt: killed, restarted, frozen, with whatever configuration they need."""

import json
import os
import secrets
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

from testwright.bus import _leash
from testwright.bus._nats_link import Link
from testwright.bus.nats import NatsBus, apply_topology, connect
from testwright.bus.topology import Topology
from testwright.settings import tool_path


class World:
    """A server in a folder of its own, and the connections that a test opens to it.

    Args:
        folder: an empty folder for its configuration and data.
        stack: closes the connections.
        config: overrides of the server's configuration.
        password: of its administrators; random by default.
    """

    def __init__(
        self, folder: Path, stack: AsyncExitStack, config: Mapping[str, Any], password: str | None = None
    ) -> None:
        self._folder = folder
        self._stack = stack
        self._config = dict(config)
        self._keeper: Process | None = None
        self._password = password or secrets.token_urlsafe(12)
        self.users: list[Mapping[str, Any]] = []
        self.port = -1
        self.pid = 0

    @property
    def url(self) -> str:
        """Return the server's address with credentials that may do everything."""
        return self.address("admin", self._password)

    def address(self, user: str, password: str) -> str:
        """Return the server's address with other credentials."""
        return f"nats://{user}:{password}@127.0.0.1:{self.port}"

    def configure(self) -> None:
        """Write the configuration, with what ``users`` are now; the next start or reload reads it."""
        settings: dict[str, Any] = {
            "server_name": "tested",
            "host": "127.0.0.1",
            "port": self.port,
            "authorization": {"users": [{"user": "admin", "password": self._password}, *self.users]},
            "accounts": {"$SYS": {"users": [{"user": "system", "password": self._password}]}},
            **self._config,
            "jetstream": {"store_dir": str(self._folder), **self._config.get("jetstream", {})},
        }
        (self._folder / "server.conf").write_text(json.dumps(settings, indent=1), encoding="utf-8")

    async def start(self) -> None:
        """Start the server, on the port it had before, and return when it is ready."""
        self.configure()
        binary = shutil.which("nats-server", path=tool_path())
        assert binary is not None
        log, config = str(self._folder / "server.log"), str(self._folder / "server.conf")
        command = [sys.executable, "-I", "-S", _leash.__file__, log, "", binary, "-c", config]
        self._keeper = await anyio.open_process(command, stderr=None)
        assert self._keeper.stdout is not None
        told = json.loads(await BufferedByteReceiveStream(self._keeper.stdout).receive_until(b"\n", 1024))
        self.port, self.pid = told["port"], told["pid"]

    async def kill(self) -> None:
        """End the server as a crash would."""
        if self._keeper is None:
            return
        os.kill(self.pid, signal.SIGKILL)
        await self._keeper.wait()
        await self._keeper.aclose()
        self._keeper = None

    async def restart(self) -> None:
        """Crash the server and start it again on its data and port."""
        await self.kill()
        await self.start()

    def freeze(self) -> None:
        """Stop the server's clock: it keeps its connections and answers nothing."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen server go on."""
        os.kill(self.pid, signal.SIGCONT)

    def reload(self) -> None:
        """Have the server read its configuration again."""
        self.configure()
        os.kill(self.pid, signal.SIGHUP)

    async def connect(self, name: str, **options: Any) -> NatsBus:
        """Return a connection that lasts as long as the server; ``options`` are those of ``connect``, and ``url``."""
        url = options.pop("url", self.url)
        return await self._stack.enter_async_context(connect(url, name=name, **options))

    async def ask(self, subject: str, body: Any = None, user: str = "admin") -> dict[str, Any]:
        """Return what the server answers to a request of an administrator, or of the ``system``."""
        link = Link("_INBOX")
        try:
            await link.open(self.address(user, self._password), "asking")
            answer = await link.request(subject, json.dumps(body).encode() if body else b"")
        finally:
            with anyio.CancelScope(shield=True):
                await link.close()
        assert answer is not None
        found: dict[str, Any] = json.loads(answer.data)
        return found

    async def sent_by(self, name: str) -> int:
        """Return how many messages the server has had from a connection."""
        found = await self.ask("$SYS.REQ.SERVER.PING.CONNZ", user="system")
        return next(int(each["in_msgs"]) for each in found["data"]["connections"] if each.get("name") == name)

    async def apply(self, topology: Topology) -> None:
        """Create the streams, consumers and buckets of a topology."""
        await apply_topology(self.url, topology)


@asynccontextmanager
async def nats_world(users: Sequence[Mapping[str, Any]] = (), **config: Any) -> AsyncGenerator[World]:
    """Run a server for one test, with more users than its administrator; ``config`` overrides its configuration."""
    with tempfile.TemporaryDirectory(prefix="testwright-nats-") as folder:
        async with AsyncExitStack() as stack:
            world = World(Path(folder), stack, config)
            world.users.extend(users)
            await world.start()
            try:
                async with stack:
                    yield world
            finally:
                with anyio.CancelScope(shield=True):
                    await world.kill()
