"""The guide's class on a real server, with every part a process of its own: nothing is kept in anybody's memory."""

import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from tests.support.processes import POLICY, Plant, local_plant, project
from testwright import OpenHandsStage, OpenHandsTestGenerator

pytestmark = [pytest.mark.nats, pytest.mark.slow]

FETCH = """
import asyncio, json, sys
from testwright import OpenHandsTestGenerator
async def main():
    print(json.dumps(await OpenHandsTestGenerator().get_test_generation_results(sys.argv[1], timeout=60)))
asyncio.run(main())
"""
SUBMIT = """
import asyncio, os, signal, sys
from testwright import OpenHandsTestGenerator, Policy
async def main():
    policy = Policy(repeats=1, mutants=False, python=sys.executable)
    generator = OpenHandsTestGenerator(engine="scripted", policy=policy, check_engine=False)
    print(await generator.submit_test_generation_task(sys.argv[1], sys.argv[2]), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(main())
"""


@pytest.fixture
async def plant() -> AsyncIterator[Plant]:
    async with local_plant() as made:
        yield made


def generator(plant: Plant) -> OpenHandsTestGenerator:
    return OpenHandsTestGenerator(plant.client, "scripted", policy=POLICY, check_engine=False)


async def script(plant: Plant, source: str, *arguments: str, status: int = 0) -> str:
    with anyio.fail_after(60):
        command = [sys.executable, "-c", source, *arguments]
        done = await anyio.run_process(command, env={**os.environ, "NATS_URL": plant.url}, stderr=None, check=False)
    assert done.returncode == status
    return done.stdout.decode().strip()


async def test_one_process_submits_and_is_killed_another_fetches_and_a_third_can_again(
    plant: Plant, tmp_path: Path
) -> None:
    module = project(tmp_path / "calc")

    # Nobody has even seen it when its client is gone.
    task_id = await script(plant, SUBMIT, str(module), str(tmp_path / "out"), status=-signal.SIGKILL)
    await plant.start_all()
    await (await plant.stage.call()).deliver()
    first = json.loads(await script(plant, FETCH, task_id))
    second = json.loads(await script(plant, FETCH, task_id))

    assert first == second
    assert first["success"]
    assert first["result"]["delivered"] == [str(tmp_path / "out" / "test_calc.py")]
    assert "assert add(2, 3) == 5" in (tmp_path / "out" / "test_calc.py").read_text()


async def test_a_module_without_a_usable_test_is_no_success(plant: Plant, tmp_path: Path) -> None:
    await plant.start_all()
    task_id = await generator(plant).submit_test_generation_task(project(tmp_path / "calc"), tmp_path / "out")

    await (await plant.stage.call()).deliver({"test_calc.py": "def test_nothing():\n    pass\n"})
    told = await generator(plant).get_test_generation_results(task_id)

    assert not told["success"]
    assert told["error"].startswith("nothing-kept: ")
    assert not (tmp_path / "out").exists()


async def test_a_timeout_that_cancels_ends_what_the_engine_had_started(plant: Plant, tmp_path: Path) -> None:
    await plant.start_all()
    task_id = await generator(plant).submit_test_generation_task(project(tmp_path / "calc"))
    call = await plant.stage.call()
    await call.spin("burning-for-nobody")

    with pytest.raises(TimeoutError, match="its end was asked for"):
        await generator(plant).get_test_generation_results(task_id, timeout=0.1, cancel_on_timeout=True)

    await call.gone()
    assert (await generator(plant).get_task_status(task_id))["status"] == "cancelled"


async def test_a_task_whose_worker_was_killed_is_done_by_the_next(plant: Plant, tmp_path: Path) -> None:
    processes = await plant.start_all()
    task_id = await generator(plant).submit_test_generation_task(project(tmp_path / "calc"))
    os.kill((await plant.stage.call()).pid, signal.SIGKILL)
    await processes["generator"].ended()

    await plant.start("generator")
    await plant.lose_patience()
    again = await plant.stage.call()
    await plant.be_patient()
    await again.deliver()

    assert (await generator(plant).get_test_generation_results(task_id))["success"]


async def test_tasks_of_modules_of_one_name_keep_apart(plant: Plant, tmp_path: Path) -> None:
    await plant.start_all()
    root = tmp_path / "shop"
    for package in ("a", "b"):
        project(root / package)
        (root / package / "__init__.py").touch()
    (root / "pyproject.toml").touch()
    stage = OpenHandsStage([root], generator=generator(plant), output_path=tmp_path / "out")

    await stage.execute_async()
    for _ in stage.get_task_ids():
        call = await plant.stage.call()
        test = f"from {call.module} import add\n\n\ndef test_adds():\n    assert add(2, 3) == 5\n"
        await call.deliver({"test_calc.py": test})
    done = await stage.collect(timeout=60)

    assert done.success
    delivered = [path for result in done.results.values() for path in result["result"]["delivered"]]
    assert len(set(delivered)) == 2
