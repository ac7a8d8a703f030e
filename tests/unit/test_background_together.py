"""What runs at the same time, and how it ends."""

import anyio
import anyio.lowlevel
import pytest

from testwright.background import together


async def test_results_come_in_the_order_of_the_calls() -> None:
    first = anyio.Event()

    async def waits() -> str:
        await first.wait()
        return "waits"

    async def wakes() -> str:
        first.set()
        return "wakes"

    assert await together([waits, wakes]) == ["waits", "wakes"]


async def test_only_so_many_calls_are_made_at_a_time() -> None:
    running, most = 0, 0

    async def call() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await anyio.lowlevel.checkpoint()
        running -= 1

    await together([call] * 20, at_a_time=3)

    assert most == 3


async def test_the_first_error_comes_out_as_itself_when_the_others_have_come_to_their_end() -> None:
    failed = anyio.Event()
    ended = False

    async def fails() -> None:
        failed.set()
        raise ValueError("no")

    async def goes_on() -> None:
        nonlocal ended
        await failed.wait()
        await anyio.lowlevel.checkpoint()
        ended = True

    with pytest.raises(ValueError, match="no"):
        await together([goes_on, fails])

    assert ended
