"""A real server with the configuration that ``testwright auth`` has made, and what its users connect with."""

import json
import os
import shutil
import signal
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from urllib.parse import quote

import anyio
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

from testwright.auth import store
from testwright.auth.certificates import hosts
from testwright.auth.deployment import Deployment, FormName, users
from testwright.bus import _leash
from testwright.bus.nats import NatsBus, apply_topology, connect
from testwright.bus.topology import declare
from testwright.settings import tool_path

ENGINES = ("echo",)


class Guarded:
    """A server that lets nobody in without credentials.

    Args:
        folder: where they are.
        stack: closes the connections.
    """

    def __init__(self, folder: Path, stack: AsyncExitStack) -> None:
        self.folder = folder
        self._stack = stack
        self.port = -1
        self.pid = 0

    def url(self, title: str) -> str:
        """Return the address with the credentials that a user has now."""
        deployment = store.load(self.folder)
        user = deployment.user(title) if deployment else None
        assert deployment is not None
        assert user is not None
        return self.url_with(store.place(self.folder, deployment, user))

    def url_with(self, credentials: Path) -> str:
        """Return the address with the credentials in a file."""
        return f"nats://127.0.0.1:{self.port}?credentials={quote(str(credentials))}"

    async def connect(self, title: str) -> NatsBus:
        """Return a connection of a user, which lasts as long as the server."""
        return await self._stack.enter_async_context(connect(self.url(title), name=title))

    async def apply(self, title: str = "admin") -> None:
        """Create streams, consumers and buckets, as an admin."""
        await apply_topology(self.url(title), declare(ENGINES))

    def reload(self) -> None:
        """Have the server read its configuration again."""
        self._configure()
        os.kill(self.pid, signal.SIGHUP)

    async def start(self) -> Process:
        """Start the server."""
        self._configure()
        binary = shutil.which("nats-server", path=tool_path())
        assert binary is not None
        command = [sys.executable, "-I", "-S", _leash.__file__, str(self.folder / "server.log"), "", binary, "-c"]
        keeper = await anyio.open_process([*command, str(self.folder / "nats.conf")], stderr=None, cwd=self.folder)
        assert keeper.stdout is not None
        told = json.loads(await BufferedByteReceiveStream(keeper.stdout).receive_until(b"\n", 1024))
        self.port, self.pid = told["port"], told["pid"]
        return keeper

    def _configure(self) -> None:
        path = self.folder / "nats.conf"
        lines = path.read_text().splitlines()
        ours = {"host: ": 'host: "127.0.0.1"', "port: ": f"port: {self.port}", "  sync_interval": ""}
        path.write_text("\n".join(next((ours[key] for key in ours if line.startswith(key)), line) for line in lines))


def deployment(form: FormName, namespaces: Sequence[str] = (), accounts: Sequence[str] = ()) -> Deployment:
    """Return who is wished for."""
    return Deployment(form=form, engines=ENGINES, hosts=hosts(()), users=users(accounts, namespaces))


@asynccontextmanager
async def guarded(folder: Path, form: FormName, *wishes: Deployment) -> AsyncGenerator[Guarded]:
    """Run a server with credentials of a form, for everyone in the wishes."""
    for wish in wishes or (deployment(form),):
        store.init(folder, wish)
    async with AsyncExitStack() as stack:
        made = Guarded(folder, stack)
        keeper = await made.start()
        try:
            async with stack:
                yield made
        finally:
            with anyio.CancelScope(shield=True):
                os.kill(made.pid, signal.SIGKILL)
                await keeper.wait()
                await keeper.aclose()
