"""Places that each namespace has where nobody has set limits, through all actors on a bus in memory."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio
import pytest

from tests.support.world import World, world
from tests.unit.test_collector_admission import POLICY, bundle, many
from testwright import settings
from testwright.background import beside
from testwright.client import Client
from testwright.collector.actor import collector
from testwright.limits import known
from testwright.pacing import until
from testwright.submission import Job
from testwright.voice import Voice
from testwright_schemas import GateMoved, LimitsSet, Publish, envelope, subjects

pytestmark = pytest.mark.virtual_time

SETTLED_S = 30.0
"""Virtual seconds within which all has happened that can."""


async def settled() -> None:
    """Return when nothing happens any more."""
    await until(anyio.current_time() + SETTLED_S)


async def limit(here: World, places: int | None) -> None:
    """Set limits of the namespace, or take them away, and return when that has changed what it changes."""
    told = LimitsSet(namespace="default", places=places, set_at=here.server.now())
    await Voice(here.bus, "client", here.server.now).say(Publish(message=told), {})
    await settled()


async def gate(here: World, namespace: str = "default") -> GateMoved | None:
    """Return the state of a namespace's gate, ``None`` where it was never moved."""
    last = await here.bus.last(subjects.EVENTS, subjects.gate_event(namespace, "namespace", namespace))
    return envelope.decode(last.data, GateMoved) if last else None


async def all_end(here: World, *jobs: Job) -> None:
    """Have everything under way end, and see that it does, and that nobody is left inside the gate."""
    here.engine.go.set()
    outcomes = [(await here.client.wait(task.id)).outcome for job in jobs for task in job.tasks]
    await settled()
    state = await gate(here)
    assert set(outcomes) == {"completed"}
    assert state is not None
    assert not state.taken


@asynccontextmanager
async def collecting(here: World, *places: int | None) -> AsyncGenerator[None]:
    """Run a collector for each of these numbers of places by default."""
    async with here.server.connect("one") as one, here.server.connect("two") as two:
        buses = (one, two)[: len(places)]
        actors = [collector(bus, here.server.now, places=each) for bus, each in zip(buses, places, strict=True)]
        async with beside(*(actor.run for actor in actors)):
            yield


async def test_without_a_number_nobody_comes_to_a_gate():
    async with world() as here:
        here.engine.hold()
        job = await here.client.submit_bundle(many("m", 5), POLICY)
        await here.engine.has_begun(5)
        here.engine.go.set()
        for task in job.tasks:
            await here.client.wait(task.id)
        await settled()

        assert await gate(here) is None


async def test_tasks_of_a_namespace_for_which_nobody_has_set_limits_begin_as_places_come_free():
    async with world(places=2) as here:
        here.engine.hold()
        job = await here.client.submit_bundle(many("m", 5), POLICY)
        await settled()
        began = len(here.engine.began)
        await all_end(here, job)

    assert began == 2


async def test_tasks_that_come_together_go_through_their_gate_in_one_move():
    async with world(places=2) as here:
        here.engine.hold()
        job = await here.client.submit_bundle(many("m", 40), POLICY)
        await settled()
        gates = subjects.gate_event("default", "namespace", "default")
        mark = await here.bus.last(subjects.EVENTS, gates)
        async with here.bus.feed(subjects.EVENTS, [gates], after=0) as moves:
            came = 1
            while mark and (await anext(moves)).sequence < mark.sequence:
                came += 1
        await all_end(here, job)

    assert came <= 20


async def test_limits_that_were_taken_away_are_not_shown():
    async with world() as here:
        await limit(here, 3)
        before = await known(here.bus)
        await limit(here, None)
        after = await known(here.bus)

    assert [told.places for told in before] == [3]
    assert after == []


@pytest.mark.parametrize(("said", "places"), [(None, None), ("", None), ("0", None), ("3", 3)])
def test_the_number_is_a_setting(monkeypatch: pytest.MonkeyPatch, said: str | None, places: int | None):
    monkeypatch.delenv("TESTWRIGHT_PLACES", raising=False)
    if said is not None:
        monkeypatch.setenv("TESTWRIGHT_PLACES", said)

    assert settings.load().places == places


async def test_a_heap_of_one_namespace_delays_the_task_of_another_by_one_turn_although_nobody_has_set_limits():
    slots = 2
    async with world(slots=slots, places=2 * slots) as here:
        here.engine.hold()
        heap = await here.client.submit_bundle(many("heap", 40), POLICY)
        await settled()
        async with Client(here.bus, namespace="other", clock=here.server.now).following() as other:
            job = await other.submit_bundle(bundle("single"), POLICY)
            await settled()
            here.engine.go.set()
            await other.wait(job.tasks[0].id)
        await all_end(here, heap)

    # Those at work, and one more for each slot.
    assert here.engine.began.index("single") <= 2 * slots


async def test_limits_that_are_set_win_and_where_they_are_taken_away_the_default_holds_again():
    async with world(places=1) as here:
        here.engine.hold()
        jobs = [await here.client.submit_bundle(many("m", 4), POLICY)]
        await settled()
        by_default = len(here.engine.began)
        await limit(here, 3)
        limited = len(here.engine.began)
        await limit(here, None)
        jobs.append(await here.client.submit_bundle(many("n", 2), POLICY))
        await settled()
        again, state = len(here.engine.began), await gate(here)
        await all_end(here, *jobs)

    assert (by_default, limited, again) == (1, 3, 3)
    assert state is not None
    assert state.places == 1


@pytest.mark.parametrize("places", [None, 1, 3])
async def test_whoever_waits_is_let_in_by_a_collector_with_another_number_or_with_none(places: int | None):
    async with world(collecting=False) as here:
        here.engine.hold()
        async with collecting(here, 2):
            job = await here.client.submit_bundle(many("m", 6), POLICY)
            await settled()
        began = len(here.engine.began)
        async with collecting(here, places):
            await all_end(here, job)

    assert began == 2
    assert len(here.engine.began) == 6


async def test_once_all_have_left_a_gate_that_nobody_needs_any_more_it_is_passed_by_no_one():
    async with world(collecting=False) as here:
        async with collecting(here, 1):
            await all_end(here, await here.client.submit_bundle(many("m", 3), POLICY))
        before = await gate(here)
        async with collecting(here, None):
            await all_end(here, await here.client.submit_bundle(many("n", 3), POLICY))

        assert await gate(here) == before


async def test_collectors_with_different_numbers_let_everybody_in_and_keep_no_place():
    async with world(collecting=False) as here, collecting(here, 1, None):
        jobs = [await here.client.submit_bundle(many(name, 8), POLICY) for name in "mno"]
        await all_end(here, *jobs)

    assert len(here.engine.began) == 24
