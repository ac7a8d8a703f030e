"""Shared by every suite: async tests run on asyncio unless a suite says otherwise."""

import signal
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Return the event loop that production uses."""
    return "asyncio"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let `just simulate`, `just hostile` and `just fairness` ask for more than every test run has."""
    parser.addoption("--simulations", type=int, default=100, help="seeds that the simulation runs (default: 100)")
    parser.addoption("--crowd", type=int, default=1, help="thousands of tasks that are in another's way (default: 1)")
    parser.addoption("--hostile-table", type=Path, help="file that gets what became of each attack (.md or .json)")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Refuse to run where pytest-xdist cannot keep a group together: what its tests share would be there twice."""
    grouped = next((item for item in session.items if item.get_closest_marker("xdist_group")), None)
    if session.config.getoption("loadgroup", default=False) and grouped and "@" not in grouped.nodeid:
        raise pytest.UsageError(
            "this pytest-xdist does not keep groups together with this pytest: install an older pytest"
        )


@pytest.fixture(scope="session", autouse=True)
def signals() -> None:
    """Have processes under test take signals even where we ignore them, as in the background or under nohup."""
    for number in (signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_IGN:
            # What is ignored stays so in a child; what has a handler, even one that does nothing, does not.
            signal.signal(number, _nothing)


def _nothing(_: int, __: object) -> None: ...
