"""A browser, and a gateway in memory for it."""

from collections.abc import AsyncGenerator

import pytest
from playwright.async_api import Browser

from tests.support.browser import chromium
from tests.support.gateways import Site, gateway
from testwright.bus import Bus
from testwright.bus.memory import MemoryServer
from testwright.bus.topology import declare


@pytest.fixture(scope="module")
async def browser() -> AsyncGenerator[Browser]:
    """Run a browser for the tests of a module: as long as it stands, its event loop is that of all tests."""
    async with chromium() as made:
        yield made


@pytest.fixture
async def bus() -> AsyncGenerator[Bus]:
    """Connect to a server in memory."""
    async with MemoryServer(declare(("echo",))) as server, server.connect("test") as made:
        yield made


@pytest.fixture
async def site(bus: Bus) -> AsyncGenerator[Site]:
    """Serve the page of what is on the bus."""
    async with gateway(bus) as made:
        yield made
