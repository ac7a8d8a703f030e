"""Shared by every suite: async tests run on asyncio unless a suite says otherwise."""

import pytest


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Return the event loop that production uses."""
    return "asyncio"
