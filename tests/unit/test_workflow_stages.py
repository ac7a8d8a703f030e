"""What single stages do: functions by name, the sandbox, suites on a branch, deadlines that outlive a process."""

import sys
import threading
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import anyio
import pytest

from tests.support.repository import configure, git, make, state
from tests.support.runs import Runner, calling, shell
from tests.support.world import SUITE, World, world
from testwright.workflow.definition import parse
from testwright.workflow.driver import drive
from testwright.workflow.runs import known, result
from testwright_schemas import CollectSuites, Policy, RunCommand, StageSpec, SubmitModules, subjects

FUNCTIONS = """
import os


def announce():
    return f"announced in {os.path.basename(os.getcwd())}"


async def asynchronous():
    return "awaited"


def broken():
    raise LookupError("no such release")
"""


@pytest.fixture
async def here() -> AsyncIterator[World]:
    async with world() as made:
        yield made


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "pyproject.toml").touch()
    for name in ("pricing", "rates"):
        (folder / f"{name}.py").write_text(f"def {name}():\n    return 1\n", encoding="utf-8")
    return folder


def generating() -> StageSpec:
    return StageSpec(name="generate", work=SubmitModules(paths=("pricing.py", "rates.py"), policy=POLICY))


POLICY = Policy(engines=("echo",), output="made")
ON_A_BRANCH = StageSpec(name="collect", work=CollectSuites(stage="generate", branch="generated"), optional=True)


async def test_a_definition_names_functions_which_run_in_a_process_of_their_own(here: World, root: Path) -> None:
    (root / "release.py").write_text(FUNCTIONS, encoding="utf-8")
    names = ("announce", "asynchronous", "broken")
    plan = parse("".join(f"[stages.{name}]\ncall = 'release:{name}'\n" for name in names))
    run = Runner(here, root, *plan.stages)

    await run()

    ends = await run.ends()
    assert (ends["announce"].outcome, ends["announce"].message) == ("completed", "announced in shop")
    assert ends["asynchronous"].message == "awaited"
    assert (ends["broken"].outcome, ends["broken"].message) == (
        "failed",
        "python has ended with 1: LookupError: no such release",
    )


async def test_a_stage_says_what_its_program_said_last(here: World, root: Path) -> None:
    run = Runner(here, root, shell("tests", "echo first; echo '== 3 passed, 1 failed in 2 s =='; echo; exit 1"))

    await run()

    assert (await run.ends())["tests"].message == "sh has ended with 1: 3 passed, 1 failed in 2 s"


async def test_a_sandboxed_stage_works_in_its_folder_and_is_out_of_time_like_any_other(here: World, root: Path) -> None:
    argv = (sys.executable, "-c", "open('made', 'w'); print('said')")
    inside = StageSpec(name="inside", work=RunCommand(argv=argv, sandboxed=True))
    slow = StageSpec(name="slow", work=RunCommand(argv=("sleep", "1000"), timeout_s=0.5, sandboxed=True))
    missing = StageSpec(name="missing", work=RunCommand(argv=("no-such-program",), sandboxed=True))
    run = Runner(here, root, inside, slow, missing)

    await run()

    ends = await run.ends()
    assert (ends["inside"].outcome, ends["inside"].message, (root / "made").is_file()) == ("completed", "said", True)
    assert (ends["slow"].outcome, ends["slow"].message) == ("failed", "not done within 0.5 s")
    assert "no such program" in ends["missing"].message


async def test_a_function_that_blocks_holds_up_no_other_stage(here: World, root: Path) -> None:
    opened = threading.Event()

    def blocking() -> str:
        return "opened" if opened.wait(10) else "nobody came"

    async def opening() -> None:
        opened.set()

    run = Runner(here, root, calling("blocking"), calling("opening"))

    await run({"blocking": blocking, "opening": opening})

    assert (await run.ends())["blocking"].message == "opened"


async def test_suites_are_committed_on_a_branch_and_gates_see_them_there(
    here: World, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(monkeypatch, root.parent / "gitconfig")
    make(root)
    (root / "rates.py").write_text("def rates():\n    return 2  # not committed yet\n")
    before = state(root)
    gate = StageSpec(
        name="gate", work=RunCommand(argv=("sh", "-c", "cat rates.py made/test_pricing.py"), suites_of="collect")
    )
    run = Runner(here, root, generating(), ON_A_BRANCH, gate)
    here.engine.broken.add("rates")

    await run()

    ends = await run.ends()
    collected = ends["collect"]
    assert state(root) == before
    assert collected.outcome == "partial"
    assert collected.commit == git(root, "rev-parse", "generated")
    assert [module.files for module in collected.modules] == [("made/test_pricing.py",), ()]
    assert "not committed yet" in ends["gate"].output
    assert SUITE.decode() in ends["gate"].output
    said = git(root, "log", "-1", "--format=%B", "generated")
    assert said.startswith("Add generated tests for pricing\n")
    assert "rates: import-failed: rates cannot be imported" in said
    assert "Testwright-Run: run-1" in said
    assert all(f"Testwright-Task: {task}" in said for task in collected.task_ids)


async def test_a_branch_that_cannot_be_committed_on_fails_the_collection_and_says_why(here: World, root: Path) -> None:
    run = Runner(here, root, generating(), ON_A_BRANCH)

    await run()

    collected = (await run.ends())["collect"]
    assert (collected.outcome, collected.commit) == ("failed", None)
    assert "make one with `git init`" in collected.message


async def test_the_time_of_a_collection_goes_on_while_nobody_drives_the_run(here: World, root: Path) -> None:
    here.engine.hold()
    collect = StageSpec(name="collect", work=CollectSuites(stage="generate", timeout_s=600))
    run = Runner(here, root, generating(), collect)
    async with run.process() as (_, kill):
        await here.engine.has_begun(2)
        wanted = [subjects.workflow_event("default", "run-1", "stage-started.collect")]
        async with here.bus.feed(subjects.EVENTS, wanted, after=0) as feed:
            async for _ in feed:
                break
        await kill()
    later = replace(run.tools(), clock=lambda: here.server.now() + timedelta(hours=1))

    with anyio.fail_after(20):
        await drive(here.bus, later, "default", "run-1")

    assert (await run.ends())["collect"].message == "2 pending"


async def test_nothing_is_withdrawn_of_a_stage_that_had_nothing_to_submit(here: World, root: Path) -> None:
    run = Runner(here, root, StageSpec(name="generate", work=SubmitModules(paths=("nowhere",))))

    end = await run()

    assert (end.outcome, end.withdrawn) == ("failed", ())
    assert "nowhere does not exist" in (await run.ends())["generate"].message


async def test_the_end_of_a_run_names_the_jobs_that_were_withdrawn(here: World, root: Path) -> None:
    here.engine.hold()
    run = Runner(here, root, generating(), calling("wait"), shell("fail", "exit 1", "wait"))

    async def begun() -> None:
        await here.engine.has_begun(2)

    end = await run({"wait": begun})

    generated = (await run.ends())["generate"]
    assert end.outcome == "failed"
    assert end.withdrawn == (generated.job_id,)
    for task in generated.task_ids:
        assert (await here.client.wait(task, 10)).outcome == "cancelled"
    told = result(await known(here.bus, "default", "run-1"), end)
    assert told.tasks == dict.fromkeys(generated.task_ids, "cancelled")


@pytest.mark.parametrize(("cancelled", "fate"), [(True, "cancelled"), (False, "left running")])
async def test_a_run_says_what_became_of_each_task(here: World, root: Path, *, cancelled: bool, fate: str) -> None:
    here.engine.hold()
    work = CollectSuites(stage="generate", timeout_s=0.2, cancel_pending=cancelled)
    run = Runner(here, root, generating(), StageSpec(name="collect", work=work, optional=True))

    end = await run()

    assert set(result(await known(here.bus, "default", "run-1"), end).tasks.values()) == {fate}


async def test_a_run_says_which_tasks_nobody_has_collected(here: World, root: Path) -> None:
    run = Runner(here, root, generating())

    end = await run()

    assert set(result(await known(here.bus, "default", "run-1"), end).tasks.values()) == {"not collected"}
