"""Actors of an older version beside those of this one, as they meet while one is replaced by the other."""

import io
import os
import subprocess
import sys
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.nats_server import nats_world
from tests.support.processes import POLICY, Plant, plant, project
from testwright.app import Role

pytestmark = [pytest.mark.nats, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
OLD = "e256403"
"""The commit that stands for the version before; a release takes its place."""


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the value of ``PYTHONPATH`` that has processes run the older version."""
    command = ["git", "archive", OLD, "services", "schemas"]
    archived = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    if archived.returncode:
        pytest.skip(f"the history of this checkout does not have {OLD}: {archived.stderr.decode()}")
    folder = tmp_path_factory.mktemp("old")
    with tarfile.open(fileobj=io.BytesIO(archived.stdout)) as archive:
        archive.extractall(folder, filter="data")
    found = os.pathsep.join(str(folder / name) for name in ("services", "schemas"))
    command = [
        sys.executable,
        "-c",
        "import testwright, testwright_schemas as s; print(testwright.__file__, s.__file__)",
    ]
    asked = subprocess.run(command, env={**os.environ, "PYTHONPATH": found}, capture_output=True, text=True, check=True)
    assert asked.stdout.count(str(folder)) == 2, asked.stdout
    return found


@pytest.fixture
async def site() -> AsyncIterator[Plant]:
    """Run a server with this version's topology on it."""
    async with nats_world() as world, plant(world) as made:
        yield made


@pytest.mark.parametrize("left", [("verifier", "generator"), ("submitter", "collector")], ids="-".join)
async def test_a_task_gets_through_while_some_actors_are_of_the_older_version(
    site: Plant, old: str, left: tuple[Role, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    roles: tuple[Role, ...] = ("submitter", "collector", "verifier", "generator")
    newer: list[Role] = [role for role in roles if role not in left]
    await site.start_all(*newer)
    with monkeypatch.context() as surroundings:
        surroundings.setenv("PYTHONPATH", old)
        older = await site.start_all(*left)

    job = await site.client.submit([project(tmp_path)], POLICY)
    await (await site.stage.call()).deliver()
    result = await site.client.wait(job.tasks[0].id, timeout=120)

    assert result.outcome == "completed", result.error
    for child in older.values():
        child.terminate()
        assert await child.ended() == 0


async def test_work_that_an_older_worker_hands_back_is_done_by_the_newer_one(
    site: Plant, old: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await site.start_all("submitter", "collector", "verifier")
    with monkeypatch.context() as surroundings:
        surroundings.setenv("PYTHONPATH", old)
        older = await site.start("generator", "--grace", "0s")
    job = await site.client.submit([project(tmp_path)], POLICY)
    await site.stage.call()

    older.terminate()
    await older.ended()
    await site.start("generator")
    await (await site.stage.call()).deliver()
    result = await site.client.wait(job.tasks[0].id, timeout=120)

    assert result.outcome == "completed", result.error
