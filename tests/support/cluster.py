"""Three real nats-servers on this machine that replicate to each other, and may be killed one by one."""

import secrets
import socket
import tempfile
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio

from tests.support.nats_server import World
from testwright.pacing import Backoff

SIZE = 3
READY_S = 60.0


class Cluster:
    """Servers by their names; ``url`` names them all."""

    def __init__(self, folder: Path, stack: AsyncExitStack) -> None:
        ports, password = free_ports(SIZE), secrets.token_urlsafe(12)
        routes = [f"nats://127.0.0.1:{port}" for port in ports]
        self.servers: dict[str, World] = {}
        for number, port in enumerate(ports, start=1):
            name = f"server-{number}"
            (folder / name).mkdir()
            config = {
                "server_name": name,
                "cluster": {"name": "three", "host": "127.0.0.1", "port": port, "routes": routes},
            }
            self.servers[name] = World(folder / name, stack, config, password)

    @property
    def url(self) -> str:
        """Return the addresses of all servers, with credentials that may do everything."""
        return ",".join(server.url for server in self.servers.values())

    async def start(self) -> None:
        """Start all servers and return when they know each other."""
        async with anyio.create_task_group() as tasks:
            for server in self.servers.values():
                tasks.start_soon(server.start)
        await self.ready()

    async def ready(self) -> None:
        """Return when every server takes part."""
        backoff = Backoff()
        with anyio.fail_after(READY_S):
            while not await self._agreed():
                await backoff.pause()

    async def leader_of(self, stream: str) -> str:
        """Return the name of the server that leads a stream."""
        found = await next(iter(self.servers.values())).ask(f"$JS.API.STREAM.INFO.{stream}")
        return str(found["cluster"]["leader"])

    async def _agreed(self) -> bool:
        told = await next(iter(self.servers.values())).ask("$SYS.REQ.SERVER.PING.JSZ", user="system")
        meta: dict[str, Any] = told["data"].get("meta_cluster") or {}
        others: list[Any] = meta.get("replicas") or []
        return bool(meta.get("leader")) and meta.get("cluster_size") == SIZE and len(others) in (0, SIZE - 1)


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]


@asynccontextmanager
async def cluster() -> AsyncGenerator[Cluster]:
    """Run three servers for one test."""
    with tempfile.TemporaryDirectory(prefix="testwright-cluster-") as folder:
        async with AsyncExitStack() as stack:
            made = Cluster(Path(folder), stack)
            try:
                await made.start()
                async with stack:
                    yield made
            finally:
                with anyio.CancelScope(shield=True):
                    for server in made.servers.values():
                        await server.kill()
