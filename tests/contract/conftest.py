"""Whatever asks for a ``world`` runs on each implementation of the bus, and on memory also in virtual time."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager

import pytest
from trio.testing import MockClock

from tests.support.buses import TOPOLOGY, Server, World, memory_world
from testwright.bus import Bus

KINDS = [
    pytest.param("asyncio", "memory", id="memory"),
    pytest.param(("trio", {"clock": MockClock(autojump_threshold=0)}), "memory", id="memory-in-virtual-time"),
    pytest.param("asyncio", "nats", id="nats", marks=pytest.mark.nats),
]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give each implementation to the tests that ask for a world."""
    if "world" in metafunc.fixturenames:
        metafunc.parametrize(("anyio_backend", "kind"), KINDS)


@pytest.fixture
async def world(kind: str) -> AsyncIterator[World]:
    """Run a server of a kind with the topology for tests."""
    async with _server(kind) as server:
        await server.apply(TOPOLOGY)
        yield World(server)


@pytest.fixture
async def bus(world: World) -> Bus:
    """Return a connection to the server."""
    return await world.connect()


def _server(kind: str) -> AbstractAsyncContextManager[Server]:
    if kind == "memory":
        return memory_world()
    from tests.support.nats_server import nats_world  # noqa: PLC0415  memory tests shall run without a NATS client

    return nats_world()
