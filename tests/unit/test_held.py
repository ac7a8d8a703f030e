"""Signs of life: as often as needed while there is work, and none else."""

import math
from typing import cast

import anyio
import pytest
import trio

from testwright.bus import Delivery
from testwright.held import BEAT_S, Held
from testwright.pacing import until

pytestmark = pytest.mark.virtual_time


class _Delivery:
    def __init__(self) -> None:
        self.signs = 0

    async def in_progress(self) -> None:
        self.signs += 1


async def _pass(seconds: float) -> None:
    await until(anyio.current_time() + seconds)


async def test_whoever_is_at_work_says_so_at_every_beat_and_only_then() -> None:
    held, delivery, seen = Held("generator"), _Delivery(), list[int]()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(held.keep)
        await _pass(10.5 * BEAT_S)
        seen.append(delivery.signs)
        for _ in range(2):
            held.take(cast("Delivery", delivery))
            await _pass(3.5 * BEAT_S)
            seen.append(delivery.signs)
            held.drop(cast("Delivery", delivery))
            await _pass(5 * BEAT_S)
        tasks.cancel_scope.cancel()

    assert seen == [0, 3, 6]
    assert delivery.signs == 6


async def test_whoever_has_nothing_to_do_does_not_even_wake() -> None:
    held = Held("generator")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(held.keep)
        await _pass(1.5 * BEAT_S)

        assert trio.lowlevel.current_statistics().seconds_to_next_deadline == math.inf

        tasks.cancel_scope.cancel()
