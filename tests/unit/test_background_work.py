"""What a caller may rely on while the work goes on elsewhere."""

from pathlib import Path

import anyio
import pytest

from tests.support.world import world
from testwright import OpenHandsTestGenerator
from testwright.background import beside
from testwright.snapshots.archive import read
from testwright.submitter.actor import submitter


@pytest.fixture
def module(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").touch()
    path = tmp_path / "pricing.py"
    path.write_text("def price():\n    return 1\n", encoding="utf-8")
    return path


async def test_what_is_edited_after_the_submission_is_not_what_the_engine_sees(module: Path) -> None:
    async with world(submitting=False) as here:
        task_id = await OpenHandsTestGenerator(here.client, engine="echo").submit_test_generation_task(module)

        await anyio.Path(module).write_text("def price():\n    return 2  # tidied meanwhile\n", encoding="utf-8")
        async with beside(submitter(here.bus, here.server.now, ("echo",)).run):
            await here.client.wait(task_id, 20)

    [snapshot] = here.engine.snapshots
    assert read(snapshot)["pricing.py"] == b"def price():\n    return 1\n"
