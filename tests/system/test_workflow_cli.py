"""Workflows as a user runs them: real processes, a real server, killed and interrupted."""

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli import Shell
from tests.support.repository import configure, git, make, state

pytestmark = [pytest.mark.nats, pytest.mark.slow]

STAGES = f"""
name = "release"

[stages.once]
command = ["sh", "-c", "echo x >> once"]

[stages.generate]
generate = ["pricing.py"]
policy = {{ engines = ["echo"], repeats = 1, mutants = false, python = "{sys.executable}", output = "made" }}

[stages.held]
command = ["sh", "-c", "touch begun; cat gate"]
needs = ["once"]

[stages.collect]
collect = "generate"
needs = ["held"]
"""


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    made = Shell(tmp_path)
    made.write("pyproject.toml", "")
    made.write("pricing.py", "def price():\n    return 1\n")
    made.write("release.toml", STAGES)
    return made


def outcomes(document: Any) -> dict[str, str]:
    return {name: stage["outcome"] for name, stage in document["stage_results"].items()}


async def test_a_workflow_runs_where_no_server_does_and_reports(shell: Shell) -> None:
    shell.write("gate", "")

    ended = await shell.run("workflow", "run", "release.toml", "--json")

    assert ended.code == 0, ended.err
    assert outcomes(ended.json) == dict.fromkeys(("once", "generate", "held", "collect"), "completed")
    assert ended.json["timing"]["critical_path"][-1] == "collect"
    assert ended.json["tasks"] == dict.fromkeys(ended.json["openhands_task_ids"], "delivered")
    assert (shell.project / "made" / "test_pricing.py").is_file()
    assert shell.left() == []


async def test_the_guides_pipeline_commits_on_a_branch_and_holds_its_gates_there(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(monkeypatch, shell.folder / "gitconfig")
    make(shell.project)
    before = state(shell.project)
    given = {
        "enable_openhands_test_generation": "true",
        "modules": '["pricing.py"]',
        "engine": "echo",
        "coverage_threshold": "0",
        "output": "made",
        "policy": f'{{ repeats = 1, mutants = false, python = "{sys.executable}" }}',
        "gates": '["cat", "made/test_pricing.py"]',
        "testing": f'["{sys.executable}", "-m", "pytest", "-q", "-p", "no:cacheprovider"]',
    }
    options = [part for key, value in given.items() for part in ("--set", f"{key}={value}")]

    ended = await shell.run("workflow", "run", "spec-to-production", "--branch", "generated", "--json", *options)

    assert ended.code == 0, ended.err
    stages = ended.json["stage_results"]
    assert (stages["testing"]["outcome"], stages["production"]["outcome"]) == ("skipped", "skipped")
    assert "1 passed" in stages["gates_tests"]["message"]
    assert "def test_" in stages["gates_lint"]["output"]
    assert stages["openhands_test_generation"]["commit"] == git(shell.project, "rev-parse", "generated")
    assert state(shell.project) == before
    assert shell.left() == []


async def test_a_killed_run_goes_on_elsewhere_and_repeats_nothing_that_has_ended(shell: Shell) -> None:
    os.mkfifo(shell.project / "gate")
    async with shell.start("up", "--json") as up:
        await up.said('"url"')
        async with shell.start("workflow", "run", "release.toml") as first:
            run_id = (await first.said(" begins")).split()[0]
            await first.said("held begins")
            first.interrupt(signal.SIGKILL)
            await first.ended()
        (shell.project / "gate").unlink()
        shell.write("gate", "")

        ended = await shell.run("workflow", "resume", run_id, "--json")

        assert ended.code == 0, ended.err
        assert (shell.project / "once").read_text() == "x\n"
        assert outcomes(ended.json)["collect"] == "completed"
        told = await shell.run("workflow", "status", run_id, "--json")
        assert (told.json["state"], told.json["stages"]["held"]) == ("completed", "completed")
        watched = await shell.run("workflow", "watch", run_id, "--json")
        kinds = [json.loads(line)["type"] for line in watched.out.splitlines()]
        assert (kinds[0], kinds[-1]) == ("workflow-started", "workflow-finished")
        assert kinds.count("workflow-claimed") == 2


async def test_an_interrupt_cancels_the_run_and_what_it_submitted(shell: Shell) -> None:
    os.mkfifo(shell.project / "gate")
    async with shell.start("workflow", "run", "release.toml", "--json") as running:
        await running.said("held begins")
        # Before it is in a session of its own, a program dies of the same signal, and its stage has failed.
        await shell.runs("cat gate")
        running.interrupt()
        ended = await running.ended()

    assert ended.code == 130
    assert ended.json["outcome"] == "cancelled"
    assert outcomes(ended.json)["held"] == "cancelled"
    assert shell.left() == []


async def test_a_run_that_is_left_to_the_server_is_done_and_can_be_cancelled(shell: Shell) -> None:
    os.mkfifo(shell.project / "gate")
    async with shell.start("up", "--json") as up:
        await up.said('"url"')
        run_id = (await shell.run("workflow", "run", "release.toml", "--detach", "--json")).json["run"]
        async with shell.start("workflow", "watch", run_id) as watching:
            await watching.said("held begins")
            asked = await shell.run("workflow", "cancel", run_id, "--reason", "enough", "--json")
            ended = await watching.ended()

        assert asked.json == {"requested": [run_id]}
        assert f"{run_id} cancelled: enough" in ended.out


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["workflow", "run", "nowhere.toml"], 2, "nowhere.toml: it cannot be read"),
        (["workflow", "run", "circle.toml"], 2, "need each other in a circle"),
        (["workflow", "run", "release.toml", "--branch", "new"], 2, "make one with `git init`"),
        (["workflow", "run", "spec-to-production", "--set", "covrage=1"], 2, "unknown field `covrage`"),
        (["workflow", "run", "release.toml", "--detach"], 3, "testwright up"),
    ],
    ids=["missing", "circle", "no repository", "no key", "no server"],
)
async def test_what_cannot_be_run_is_refused_in_one_line(
    shell: Shell, arguments: list[str], code: int, said: str
) -> None:
    shell.write("circle.toml", "[stages.a]\nskip = ''\nneeds = ['a']\n")

    refused = await shell.run(*arguments)

    assert refused.code == code
    assert said in refused.err
    assert refused.err.count("\n") == 1


async def test_an_unknown_run_is_not_found(shell: Shell) -> None:
    async with shell.start("up", "--json") as up:
        await up.said('"url"')
        for verb in ("status", "watch", "cancel", "resume"):
            assert (await shell.run("workflow", verb, "run-9")).code == 4
