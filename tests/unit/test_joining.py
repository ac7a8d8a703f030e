"""Equal work is done once: whoever asks for it later joins whoever asked first."""

import contextlib
import hashlib
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest
from msgspec.structs import replace

from tests.support.tasks import NOW, SNAPSHOT, TARGET, finished, history, started, submitted
from tests.support.world import World
from tests.support.world import world as running_world
from testwright.background import beside
from testwright.bus.memory import MemoryBus
from testwright.errors import BlobNotFoundError
from testwright.snapshots.bundle import Bundle
from testwright.submission import Terms
from testwright.submitter import joining
from testwright.submitter.actor import submitter
from testwright.submitter.joins import joins
from testwright_schemas import (
    JobFinished,
    ModuleTaken,
    Policy,
    Publish,
    RetryPolicy,
    Snapshot,
    Target,
    TaskCancelRequested,
    TaskError,
    TaskSubmitted,
    Usage,
    envelope,
    subjects,
)

pytestmark = pytest.mark.virtual_time

SOURCES = b"sources"
JOIN = Terms(join=True)
FRESH = Terms()
POLICY = Policy(engines=("echo",), mutants=False)


def bundled(sources: bytes = SOURCES, *modules: str) -> Bundle:
    digest = hashlib.sha256(sources).hexdigest()
    targets = tuple(Target(module=name, path=f"{name}.py") for name in modules or ("pricing",))
    return Bundle(Snapshot(digest=digest, size=len(sources), files=1), sources, targets, Path(), {}, "shop")


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with running_world() as running:
        yield running


async def ask(world: World, terms: Terms = JOIN, policy: Policy = POLICY, bundle: Bundle | None = None) -> str:
    """Submit one module and return its task as soon as it is accepted."""
    job = await world.client.submit_bundle(bundle or bundled(), policy, terms)
    async with world.client.watch(job.id, job.tasks[0].id) as events:
        async for _, event in events:
            if isinstance(event, TaskSubmitted):
                break
    return job.tasks[0].id


async def test_the_same_content_is_worked_on_once_and_both_have_its_result(world: World) -> None:
    world.engine.hold()
    first = await ask(world)
    await world.engine.has_begun(1)
    second = await ask(world)
    assert (await world.client.status(second)).state == "queued"

    world.engine.go.set()
    results = [await world.client.wait(id_, timeout=60) for id_ in (first, second)]

    assert world.engine.began == ["pricing"]
    assert [result.outcome for result in results] == ["completed", "completed"]
    assert results[1].files == results[0].files != ()
    assert (results[1].joined, results[1].task_id, results[1].usage) == (first, second, Usage())
    assert results[0].joined is None


async def test_a_stored_result_is_returned_at_once_and_its_job_ends(world: World) -> None:
    first = await ask(world)
    await world.client.wait(first, timeout=60)
    began = anyio.current_time()
    job = await world.client.submit_bundle(bundled(), replace(POLICY, priority="low", deadline_s=60.0), JOIN)

    result = await world.client.wait(job.tasks[0].id, timeout=60)
    async with world.client.watch(job.id) as events:
        ends = [event async for _, event in events_until(events, JobFinished)]

    assert (result.joined, world.engine.began) == (first, ["pricing"])
    assert anyio.current_time() - began < 1
    assert ends


async def events_until(events: Any, type_: type[Any]) -> AsyncIterator[Any]:
    async for stored, event in events:
        yield stored, event
        if isinstance(event, type_):
            return


@pytest.mark.parametrize(
    ("terms", "policy", "bundle"),
    [
        (FRESH, POLICY, bundled()),
        (JOIN, replace(POLICY, seed=1), bundled()),
        (JOIN, replace(POLICY, repeats=1), bundled()),
        (JOIN, POLICY, bundled(b"changed")),
        (JOIN, POLICY, bundled(SOURCES, "cart")),
    ],
    ids=["fresh", "seed", "repeats", "sources", "module"],
)
async def test_what_is_not_the_same_is_worked_on(world: World, terms: Terms, policy: Policy, bundle: Bundle) -> None:
    await world.client.wait(await ask(world), timeout=60)

    result = await world.client.wait(await ask(world, terms, policy, bundle), timeout=60)

    assert (result.joined, len(world.engine.began)) == (None, 2)


async def test_fresh_work_is_what_later_ones_join(world: World) -> None:
    await world.client.wait(await ask(world), timeout=60)
    fresh = await ask(world, FRESH)
    await world.client.wait(fresh, timeout=60)

    assert (await world.client.wait(await ask(world), timeout=60)).joined == fresh


async def test_a_failed_result_is_not_returned_again_but_shared_by_those_who_waited(world: World) -> None:
    world.engine.hold()
    world.engine.broken.add("pricing")
    first = await ask(world)
    await world.engine.has_begun(1)
    second = await ask(world)
    world.engine.go.set()

    shared = await world.client.wait(second, timeout=60)
    assert (shared.outcome, shared.joined) == ("failed", first)
    world.engine.broken.clear()
    assert (await world.client.wait(await ask(world), timeout=60)).outcome == "completed"


async def test_the_end_of_one_that_joined_leaves_the_other_at_work(world: World) -> None:
    world.engine.hold()
    first = await ask(world)
    await world.engine.has_begun(1)
    second = await ask(world)

    await world.client.cancel(second)
    left = await world.client.wait(second, timeout=60)
    world.engine.go.set()

    assert left.outcome == "cancelled"
    assert (await world.client.wait(first, timeout=60)).outcome == "completed"
    assert world.engine.began == ["pricing"]


async def test_where_the_first_is_cancelled_one_that_joined_does_the_work_for_all(world: World) -> None:
    world.engine.hold()
    first = await ask(world)
    await world.engine.has_begun(1)
    second, third, fourth = [await ask(world) for _ in range(3)]

    await world.client.cancel(first)
    await world.client.wait(first, timeout=60)
    await world.engine.has_begun(2)
    fifth = await ask(world)
    world.engine.go.set()
    results = {id_: await world.client.wait(id_, timeout=60) for id_ in (second, third, fourth, fifth)}

    assert {result.outcome for result in results.values()} == {"completed"}
    assert [results[id_].joined for id_ in (second, third, fourth, fifth)] == [None, second, second, second]
    assert len(world.engine.began) == 2


async def test_a_result_whose_files_are_gone_is_not_returned_again(world: World, monkeypatch: Any) -> None:
    first = await world.client.wait(await ask(world), timeout=60)
    fetch = MemoryBus.fetch

    async def gone(bus: MemoryBus, bucket: str, namespace: str, digest: str) -> bytes:
        if digest == first.files[0].digest:
            raise BlobNotFoundError(bucket, digest)
        return await fetch(bus, bucket, namespace, digest)

    with monkeypatch.context() as patch:
        patch.setattr(MemoryBus, "fetch", gone)
        second = await ask(world)

    assert (await world.client.status(second)).state in {"queued", "running", "verifying", "completed"}
    assert (await world.client.wait(second, timeout=60)).joined is None


async def test_a_newer_task_ends_the_older_ones_of_its_module_and_says_so(world: World) -> None:
    world.engine.hold()
    older, joined = await ask(world), await ask(world)
    other = await ask(world, bundle=bundled(SOURCES, "cart"))
    elsewhere = await ask(world, bundle=replace_project(bundled(), "another"), policy=replace(POLICY, seed=3))
    await world.engine.has_begun(3)

    newer = await ask(world, Terms(join=True, supersede=True), bundle=bundled(b"changed"))
    ended = [await world.client.wait(id_, timeout=60) for id_ in (older, joined)]
    world.engine.go.set()

    assert [end.outcome for end in ended] == ["cancelled", "cancelled"]
    assert {end.error and end.error.cause for end in ended} == {"superseded"}
    assert all(end.error and newer in end.error.message for end in ended)
    for id_ in (newer, other, elsewhere):
        assert (await world.client.wait(id_, timeout=60)).outcome == "completed"


def replace_project(bundle: Bundle, project: str) -> Bundle:
    return Bundle(bundle.snapshot, bundle.data, bundle.targets, bundle.root, bundle.skipped, project)


async def test_a_newer_task_of_the_same_content_spares_the_one_that_it_joins(world: World) -> None:
    world.engine.hold()
    older = await ask(world)
    await world.engine.has_begun(1)

    newer = await ask(world, Terms(join=True, supersede=True))
    world.engine.go.set()

    assert (await world.client.wait(newer, timeout=60)).joined == older
    assert (await world.client.wait(older, timeout=60)).outcome == "completed"


async def test_of_two_that_supersede_each_other_the_later_one_stays(world: World) -> None:
    world.engine.hold()
    first = await ask(world, Terms(supersede=True))
    second = await ask(world, Terms(supersede=True))
    assert (await world.client.wait(first, timeout=60)).outcome == "cancelled"
    world.engine.go.set()

    assert (await world.client.wait(second, timeout=60)).outcome == "completed"


@pytest.mark.parametrize("steps", range(1, 40, 2))
async def test_a_submitter_may_die_at_any_step_and_nobody_waits_for_ever(steps: int) -> None:
    async with running_world(submitting=False) as world:
        world.engine.hold()
        terms = (JOIN, JOIN, JOIN, Terms(join=True, supersede=True))
        sources = (SOURCES, SOURCES, SOURCES, b"changed")
        ids = [
            (await world.client.submit_bundle(bundled(source), POLICY, term)).tasks[0].id
            for term, source in zip(terms, sources, strict=True)
        ]
        async with world.server.connect("mortal") as bus:
            with contextlib.suppress(BaseExceptionGroup), anyio.move_on_after(100):
                mortal: Any = Mortal(bus, steps)
                await submitter(mortal, world.server.now, ("echo",)).run()
        world.engine.go.set()
        async with world.server.connect("heir") as bus, beside(submitter(bus, world.server.now, ("echo",)).run):
            results = [await world.client.wait(id_, timeout=600) for id_ in ids]

    assert results[-1].outcome == "completed"
    assert {result.outcome for result in results} <= {"completed", "cancelled"}


class Mortal:
    """A connection that is gone after so many operations that change or look up something."""

    def __init__(self, bus: MemoryBus, steps: int) -> None:
        self._bus = bus
        self._steps = steps

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._bus, name)
        if name not in {"publish", "last"}:
            return found

        async def step(*arguments: Any, **options: Any) -> Any:
            self._steps -= 1
            if self._steps < 0:
                self._bus.kill()
            return await found(*arguments, **options)

        return step


END = finished()
LATER = NOW + timedelta(seconds=5)


def joined_task(task_id: str, source: str | None = "task-1") -> TaskSubmitted:
    return replace(submitted(), task_id=task_id, job_id="job-2", joined_to=source)


def messages(effects: Any) -> list[Any]:
    return [effect.message for effect in effects if isinstance(effect, Publish)]


def test_an_end_is_copied_to_those_that_have_joined_it_and_have_not_ended() -> None:
    gone = replace(finished("cancelled", "task-4"), job_id="job-2")
    tasks = [history(joined_task("task-2")), history(joined_task("task-3", None)), history(joined_task("task-4"), gone)]

    [copy] = messages(joining.follow(END, tasks, LATER))

    assert (copy.task_id, copy.job_id, copy.joined, copy.completed_at) == ("task-2", "job-2", "task-1", LATER)


@pytest.mark.parametrize("cause", ["cancelled", "superseded", "deadline-exceeded"])
def test_whoever_asks_who_inherits_is_told_the_same_until_that_is_said(cause: str) -> None:
    end = replace(finished("cancelled"), error=TaskError(cause=cause, message=""))
    second, third = joined_task("task-2"), joined_task("task-3")

    said = messages(joining.follow(end, [history(second), history(third)], LATER))
    moved = replace(third, joined_to="task-2")
    again = messages(joining.follow(end, [history(second), history(third, moved)], LATER))

    assert said[0] == moved
    assert said[-1] == again[-1] == replace(second, joined_to=None)


def test_nobody_inherits_work_that_nobody_wants() -> None:
    end = replace(finished("cancelled"), error=TaskError(cause="cancelled", message=""))
    request = TaskCancelRequested(namespace="default", job_id="job-2", task_id="task-2", command_id="c")

    assert joining.follow(end, [history(joined_task("task-2"), request)], LATER) == ()


def test_only_what_changes_the_result_makes_another_content() -> None:
    def key(**change: Any) -> str:
        return joining.content(TARGET, SNAPSHOT, replace(POLICY, **change))

    same = {"deadline_s": 10.0, "priority": "low", "output": "x", "retry": RetryPolicy(max_attempts=1)}
    other = {"engines": ("a",), "coverage": 1.0, "budget_s": 1.0, "python": "py", "mutants": True, "repeats": 3}

    assert {key(**{name: value}) for name, value in same.items()} == {key()}
    assert len({key(**{name: value}) for name, value in other.items()} | {key()}) == len(other) + 1


@pytest.mark.parametrize(
    ("source", "age", "may"),
    [
        ((), timedelta(minutes=9), True),
        ((), timedelta(minutes=11), False),
        ((submitted(), started()), timedelta(hours=1), True),
        ((submitted(), finished()), timedelta(days=28), True),
        ((submitted(), finished()), timedelta(days=29), False),
        ((submitted(), finished("failed")), timedelta(), False),
        ((submitted(), finished("cancelled")), timedelta(), False),
        ((joined_task("task-1", "task-0"),), timedelta(), False),
    ],
)
def test_a_claim_counts_while_its_task_works_or_its_result_is_kept(source: Any, age: timedelta, may: bool) -> None:
    assert joining.may_join(history(*source), NOW, NOW + age) is may


def test_what_is_being_cancelled_is_not_joined() -> None:
    request = TaskCancelRequested(namespace="default", job_id="job-1", task_id="task-1", command_id="c")

    assert not joining.may_join(history(submitted(), request), NOW, NOW)


async def test_an_older_task_whose_entry_is_looked_at_late_spares_the_newer(world: World) -> None:
    world.engine.hold()
    older, _ = [await ask(world, Terms(supersede=True)) for _ in range(2)]
    place = subjects.taken_event("default", joining.module("shop", "pricing.py"), older)
    entry = await world.bus.last(subjects.EVENTS, place)

    assert entry is not None
    assert await joins(world.bus).handle(envelope.decode(entry.data, ModuleTaken), entry) == ()
