"""Shared by every suite: async tests run on asyncio unless a suite says otherwise."""

import pytest


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Return the event loop that production uses."""
    return "asyncio"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let `just simulate` ask for more runs than every test run has."""
    parser.addoption("--simulations", type=int, default=25, help="seeds that the simulation runs (default: 25)")
