"""The event loop of processes that serve."""

import anyio
import pytest
from anyio.lowlevel import checkpoint

from testwright import loop


async def kind(prefix: str) -> str:
    """Return the package that the running loop is of."""
    await checkpoint()
    return prefix + type(anyio.lowlevel.current_token().native_token).__module__.partition(".")[0]


def test_services_run_on_the_faster_loop_where_it_is_installed() -> None:
    pytest.importorskip("uvloop")

    assert loop.run(kind, "on ") == "on uvloop"
    assert loop.name() == "uvloop"


def test_services_run_on_pythons_own_loop_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    def find_spec(name: str) -> None:
        """Find nothing."""

    monkeypatch.setattr(loop, "find_spec", find_spec)

    assert loop.run(kind, "on ") == "on asyncio"
    assert loop.name() == "asyncio"
