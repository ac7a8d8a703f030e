"""The product against a server in a container, which may be lost and replaced."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.support.containers import ContainedServer, build_image, contained_server, container_engine
from tests.support.processes import POLICY, plant, project

pytestmark = [pytest.mark.container, pytest.mark.xdist_group("contained-server")]


@pytest.fixture(scope="module")
def image() -> Iterator[None]:
    """Have an engine, and the image on it."""
    with container_engine():
        build_image()
        yield


@pytest.fixture
async def server(image: None) -> AsyncIterator[ContainedServer]:
    """Run a server in a container."""
    async with contained_server() as started:
        yield started


async def test_a_task_goes_through_a_server_in_a_container(server: ContainedServer, tmp_path: Path) -> None:
    async with plant(server) as site:
        await site.start_all()

        job = await site.client.submit([project(tmp_path)], POLICY)
        await (await site.stage.call()).deliver()
        ended = await site.client.wait(job.tasks[0].id, timeout=90)

        assert ended.outcome == "completed"
        assert "add(2, 3) == 5" in (await site.client.files(ended))["test_calc.py"].decode()


async def test_nothing_is_lost_when_the_container_is_replaced(server: ContainedServer, tmp_path: Path) -> None:
    async with plant(server) as site:
        await site.start_all("submitter", "collector", "generator")
        running = await site.client.submit([project(tmp_path / "one")], POLICY)
        call = await site.stage.call()
        queued = await site.client.submit([project(tmp_path / "two")], POLICY)

        await server.lose()
        await call.fail("nothing-found", retryable=False)
        await server.start()
        await (await site.stage.call()).fail("nothing-found", retryable=False)

        for task in (*running.tasks, *queued.tasks):
            ended = await site.client.wait(task.id, timeout=90)
            assert (ended.outcome, ended.attempts) == ("failed", 1)
            assert (await site.kinds(task.id)).count("finished") == 1
