"""A run as it is seen while it goes on: every stage at once, and the tasks of those that submit."""

import io
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from rich.console import Console

from tests.support.runs import Runner, shell
from tests.support.world import World, world
from testwright.cli.stages import shown
from testwright.cli.workflow import describe
from testwright.workflow.core import Followed
from testwright.workflow.driver import begin, drive
from testwright_schemas import CollectSuites, Policy, StageFinished, StageSpec, SubmitModules, WorkflowFinished


@pytest.fixture
async def here() -> AsyncIterator[World]:
    async with world() as made:
        yield made


@pytest.fixture
def run(here: World, tmp_path: Path) -> Runner:
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "pricing.py").write_text("def price():\n    return 1\n", encoding="utf-8")
    generate = StageSpec(
        name="generate", work=SubmitModules(paths=("pricing.py",), policy=Policy(engines=("echo",), output="made"))
    )
    collect = StageSpec(name="collect", work=CollectSuites(stage="generate"), needs=("lint",))
    return Runner(here, tmp_path, generate, shell("lint", "echo 3 files left unchanged"), collect)


async def test_a_terminal_shows_all_stages_and_the_tasks_that_they_have_submitted(here: World, run: Runner) -> None:
    screen = Console(file=io.StringIO(), force_terminal=True, width=120)

    async with shown(here.client, screen, describe) as heard:
        await begin(here.bus, run.tools(), run.command())
        await drive(here.bus, run.tools(), "default", "run-1", heard)

    assert isinstance(screen.file, io.StringIO)
    said = screen.file.getvalue()
    first = said.partition("0 of 3 done")[0]
    assert all(name in first for name in ("generate", "lint", "collect"))
    assert "queued" in first
    assert "3 files left unchanged" in said
    assert "  pricing" in said
    assert "1 delivered" in said


async def test_elsewhere_each_event_is_a_line(here: World, run: Runner, capsys: pytest.CaptureFixture[str]) -> None:
    told: list[Followed] = []

    async with shown(here.client, Console(file=io.StringIO()), describe) as heard:

        def both(event: Followed) -> None:
            told.append(event)
            heard(event)

        await begin(here.bus, run.tools(), run.command())
        await drive(here.bus, run.tools(), "default", "run-1", both)

    said = capsys.readouterr().err.splitlines()
    assert isinstance(told[-1], WorkflowFinished)
    assert said[-1] == "run-1 completed"
    assert len([line for line in said if " completed" in line]) == 1 + sum(
        isinstance(event, StageFinished) for event in told
    )
