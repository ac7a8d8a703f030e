"""The whole product as processes of their own on a real server: killed, frozen, stopped, and nothing lost."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.nats_server import World, nats_world
from tests.support.processes import POLICY, Plant, first, plant, project
from testwright.bus import Stored
from testwright_schemas import EventMessage, Policy, TaskFinished, TaskProgressed

pytestmark = pytest.mark.nats


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """Run a server."""
    async with nats_world() as server:
        yield server


@pytest.fixture
async def site(world: World) -> AsyncIterator[Plant]:
    """Return the server with the product's topology on it."""
    async with plant(world) as made:
        yield made


@pytest.fixture
def module(tmp_path: Path) -> Path:
    """Return the module to be tested."""
    return project(tmp_path / "a project")


async def submitted(site: Plant, module: Path, policy: Policy = POLICY) -> str:
    job = await site.client.submit([module], policy)
    return job.tasks[0].id


async def result(site: Plant, task_id: str) -> TaskFinished:
    return await site.client.wait(task_id, timeout=90)


async def test_a_task_goes_through(site: Plant, module: Path) -> None:
    await site.start_all()

    task = await submitted(site, module)
    call = await site.stage.call()
    assert (call.engine, call.module) == ("scripted", "calc")
    await call.deliver()
    ended = await result(site, task)

    assert (ended.outcome, ended.attempts, ended.engine) == ("completed", 1, "scripted")
    assert [test.verdict for test in ended.tests] == ["kept"]
    assert "add(2, 3) == 5" in (await site.client.files(ended))["test_calc.py"].decode()
    assert await site.kinds(task) == ["submitted", "started", "generated", "verified", "finished"]


async def test_a_command_survives_the_submitter_that_took_it(site: Plant, module: Path) -> None:
    actors = await site.start_all()
    actors["submitter"].freeze()  # the server hands the command to one who will never answer
    task = await submitted(site, module)
    actors["submitter"].kill()

    await site.start("submitter")
    await site.lose_patience()
    await (await site.stage.call()).deliver()

    assert (await result(site, task)).outcome == "completed"
    assert await site.kinds(task) == ["submitted", "started", "generated", "verified", "finished"]


async def test_an_event_survives_the_collector_that_took_it(site: Plant, module: Path) -> None:
    actors = await site.start_all()
    task = await submitted(site, module)
    call = await site.stage.call()
    actors["collector"].freeze()
    await call.deliver()
    await actors["generator"].says("handled", task)
    actors["collector"].kill()

    await site.start("collector")
    await site.lose_patience()

    assert (await result(site, task)).outcome == "completed"
    assert await site.kinds(task) == ["submitted", "started", "generated", "verified", "finished"]


async def test_an_attempt_survives_its_generator(site: Plant, module: Path) -> None:
    actors = await site.start_all()
    task = await submitted(site, module)
    await site.stage.call()
    actors["generator"].kill()

    other = await site.start("generator")
    await site.lose_patience()
    again = await site.stage.call()
    await site.be_patient()
    await again.deliver()
    ended = await result(site, task)

    assert (ended.outcome, ended.attempts) == ("completed", 2)
    await other.says("handled", task, "delivery=2")
    assert await site.kinds(task) == ["submitted", "started", "started", "generated", "verified", "finished"]


async def test_a_candidate_survives_its_verifier(site: Plant, module: Path) -> None:
    actors = await site.start_all()
    task = await submitted(site, module)
    async with site.client.watch(task) as events:
        await (await site.stage.call()).deliver()
        await judging(events)
        actors["verifier"].kill()

        other = await site.start("verifier")
        await site.lose_patience()
        await judging(events)
        await site.be_patient()
    ended = await result(site, task)

    assert (ended.outcome, ended.attempts) == ("completed", 1)
    await other.says("handled", task, "delivery=2")
    assert await site.kinds(task) == ["submitted", "started", "generated", "verified", "finished"]


async def test_a_worker_that_comes_back_too_late_changes_nothing(site: Plant, module: Path) -> None:
    actors = await site.start_all("submitter", "collector", "generator")
    task = await submitted(site, module)
    late = await site.stage.call()
    actors["generator"].freeze()

    await site.start("generator")
    await site.lose_patience()
    again = await site.stage.call()
    await site.be_patient()
    await late.deliver()
    actors["generator"].thaw()
    await actors["generator"].says("superseded", task)
    await again.fail("nothing-found", retryable=False)
    ended = await result(site, task)

    assert (ended.outcome, ended.attempts) == ("failed", 2)
    assert ended.error is not None
    assert ended.error.cause == "nothing-found"
    assert await site.kinds(task) == ["submitted", "started", "started", "attempt-failed", "finished"]


async def test_a_task_survives_the_server(world: World, site: Plant, module: Path) -> None:
    await site.start_all()
    task = await submitted(site, module)
    call = await site.stage.call()

    await world.kill()
    await call.deliver()
    await world.start()

    assert (await result(site, task)).outcome == "completed"
    assert (await site.kinds(task)).count("finished") == 1


async def test_sigterm_lets_a_busy_generator_finish(site: Plant, module: Path) -> None:
    actors = await site.start_all()
    task = await submitted(site, module)
    call = await site.stage.call()

    actors["generator"].terminate()
    await actors["generator"].says("draining")
    await call.deliver()

    assert await actors["generator"].ended() == 0
    ended = await result(site, task)
    assert (ended.outcome, ended.attempts) == ("completed", 1)


async def test_work_that_outlasts_the_grace_is_handed_to_another_at_once(site: Plant, module: Path) -> None:
    await site.start_all("submitter", "collector")
    leaving = await site.start("generator", "--grace", "1ms")
    task = await submitted(site, module)
    call = await site.stage.call()

    await site.start("generator")
    leaving.terminate()
    await call.gone()
    again = await site.stage.call()
    assert await leaving.ended() == 0
    await again.fail("nothing-found", retryable=False)

    assert (await result(site, task)).attempts == 2
    assert await site.kinds(task) == ["submitted", "started", "started", "attempt-failed", "finished"]


async def test_idle_actors_stop_at_once(site: Plant) -> None:
    actors = await site.start_all()

    for actor in actors.values():
        actor.terminate()

    assert [await actor.ended() for actor in actors.values()] == [0, 0, 0, 0]


async def test_two_processes_wait_for_one_task_and_others_read_it_later(site: Plant, module: Path) -> None:
    await site.start_all()
    task = await submitted(site, module)
    call = await site.stage.call()

    waiting = [await site.run("wait", task, "--json") for _ in range(2)]
    await call.deliver()
    await result(site, task)
    later = [await site.run("wait", task, "--json") for _ in range(2)]

    answers: list[object] = []
    for process in (*waiting, *later):
        assert await process.ended() == 0
        answers.append(json.loads(await process.whole()))
    assert all(answer == answers[0] for answer in answers)
    assert [one["outcome"] for one in json.loads(waiting[0].output)] == ["completed"]


async def judging(events: AsyncIterator[tuple[Stored, EventMessage]]) -> None:
    """Return when a verifier says what it is doing."""
    while (await first(events, TaskProgressed)).phase != "verify":
        pass
