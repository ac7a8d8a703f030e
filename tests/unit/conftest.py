"""Shared by unit tests: virtual time for those that are marked so, and a server in memory."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from trio.testing import MockClock

from tests.support.buses import MemoryWorld, memory_world
from tests.support.tasks import NOW
from testwright.bus.topology import declare

ENGINES = ("echo", "ghostwriter")


@pytest.fixture
def anyio_backend(request: pytest.FixtureRequest, anyio_backend: str) -> str | tuple[str, dict[str, Any]]:
    """Return an event loop; of tests marked ``virtual_time``, one whose time passes only while everybody waits."""
    if request.node.get_closest_marker("virtual_time"):
        return "trio", {"clock": MockClock(autojump_threshold=0)}
    return anyio_backend


@pytest.fixture
async def world() -> AsyncIterator[MemoryWorld]:
    """Run a memory server with the product's topology for two engines."""
    async with memory_world(declare(ENGINES), seed=1, epoch=NOW) as world:
        yield world
