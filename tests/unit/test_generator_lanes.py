"""Pauses of lanes, as workers hear of them."""

from collections.abc import AsyncIterator
from datetime import timedelta

import anyio
import pytest

from tests.support.buses import MemoryWorld, memory_world
from tests.support.tasks import NOW
from testwright.background import beside
from testwright.bus.topology import declare
from testwright.generator.lanes import MAX_PAUSE_S, Lanes, bounded, pause
from testwright.pacing import until
from testwright.voice import Voice
from testwright_schemas import LanePaused, Publish, subjects

pytestmark = pytest.mark.virtual_time

SOON = NOW + timedelta(seconds=1)


@pytest.fixture
async def world() -> AsyncIterator[MemoryWorld]:
    """Run a memory server with the product's topology."""
    async with memory_world(declare(("echo",)), seed=1, epoch=NOW) as world:
        yield world


async def say(world: MemoryWorld, *messages: LanePaused) -> None:
    voice = Voice(await world.connect("someone"), "someone", world.server.now)
    for message in messages:
        await voice.say(Publish(message=message), {})


async def test_a_pause_that_one_worker_was_told_of_is_known_to_all(world: MemoryWorld) -> None:
    early, late = Lanes(await world.connect("early")), Lanes(await world.connect("late"))
    async with beside(early.follow):
        await say(world, pause("default", "echo", NOW, 60, "slow down"))
        await until(anyio.current_time() + 1)
        async with beside(late.follow):
            known = [lanes.paused("default", "echo", SOON) for lanes in (early, late)]

    assert [told and told.reason for told in known] == ["slow down"] * 2


async def test_what_cannot_be_read_pauses_nobody_and_hides_nothing(world: MemoryWorld) -> None:
    bus, lanes = await world.connect("stranger"), Lanes(await world.connect("worker"))
    async with beside(lanes.follow):
        await bus.publish(subjects.lane_event("default", "echo"), b"garbage", message_id="1")
        await say(world, pause("default", "other", NOW, 60, ""))
        await until(anyio.current_time() + 1)

    assert lanes.paused("default", "echo", SOON) is None
    assert lanes.paused("default", "other", SOON) is not None


def lanes_with(*pauses: LanePaused) -> Lanes:
    known = Lanes(None)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  it follows nothing
    for each in pauses:
        known.note(each)
    return known


def test_a_pause_is_of_one_lane_in_one_namespace_until_it_is_over() -> None:
    known = lanes_with(pause("default", "echo", NOW, 60, ""))

    assert known.paused("default", "echo", NOW + timedelta(seconds=59)) is not None
    assert known.paused("default", "echo", NOW + timedelta(seconds=60)) is None
    assert known.paused("default", "other", SOON) is None
    assert known.paused("elsewhere", "echo", SOON) is None


def test_a_shorter_pause_does_not_end_a_longer_one() -> None:
    known = lanes_with(pause("default", "echo", NOW, 60, "long"), pause("default", "echo", SOON, 5, "short"))

    paused = known.paused("default", "echo", NOW + timedelta(seconds=30))

    assert paused is not None
    assert paused.reason == "long"


def test_no_clock_and_no_provider_closes_a_lane_for_days() -> None:
    known = lanes_with(LanePaused(namespace="default", lane="echo", until=NOW + timedelta(days=9)))

    paused = known.paused("default", "echo", NOW)

    assert paused is not None
    assert paused.until == NOW + timedelta(seconds=MAX_PAUSE_S)
    assert (bounded(1e300), bounded(-1.0)) == (MAX_PAUSE_S, 0.0)
