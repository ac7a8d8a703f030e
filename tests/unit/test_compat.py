"""The guide's class, row by row, and each of its failures the other way round."""

import inspect
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

import anyio
import pytest

import testwright
from tests.support.world import SUITE, World, world
from testwright import OpenHandsStage, OpenHandsStageResult, OpenHandsTestGenerator, Policy
from testwright.delivery import is_untouched
from testwright_schemas import TaskSubmitted, envelope, subjects


@pytest.fixture
async def here() -> AsyncIterator[World]:
    async with world() as made:
        yield made


@pytest.fixture
def module(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").touch()
    path = tmp_path / "pricing.py"
    path.write_text("def price():\n    return 1\n", encoding="utf-8")
    return path


def openhands(here: World) -> OpenHandsTestGenerator:
    return OpenHandsTestGenerator(here.client, engine="echo")


async def submitted(here: World, task_id: str) -> TaskSubmitted:
    stored = await here.bus.last(subjects.EVENTS, subjects.task_event("default", task_id, "submitted"))
    assert stored is not None
    return envelope.decode(stored.data, TaskSubmitted)


def test_names_and_defaults_are_those_of_the_guide() -> None:
    signatures = {
        # Python 3.13 gives the class of paths by the module that it is written in.
        name: str(inspect.signature(getattr(OpenHandsTestGenerator, name))).replace("pathlib._local", "pathlib")
        for name in ("submit_test_generation_task", "get_test_generation_results", "get_task_status")
    }

    assert (
        "output_path: str | pathlib.Path | None = None, coverage_threshold: float = 80) -> str"
        in (signatures["submit_test_generation_task"])
    )
    assert "timeout: float | None = None, poll_interval: float = 2.0" in signatures["get_test_generation_results"]
    assert signatures["get_task_status"].startswith("(self, task_id: str)")
    assert inspect.signature(OpenHandsTestGenerator).parameters["engine"].default == "openhands"


def test_public_names_are_loaded_when_they_are_asked_for() -> None:
    assert {"Client", "OpenHandsStage", "OpenHandsTestGenerator", "Policy"} <= set(dir(testwright))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = testwright.nothing


async def test_submitting_returns_while_the_work_goes_on(here: World, module: Path) -> None:
    here.engine.hold()

    task_id = await openhands(here).submit_test_generation_task(str(module))
    await here.engine.has_begun(1)

    assert (await openhands(here).get_task_status(task_id))["status"] == "running"
    here.engine.go.set()


async def test_what_is_asked_of_the_task_is_kept_with_it(here: World, module: Path, tmp_path: Path) -> None:
    task_id = await openhands(here).submit_test_generation_task(module, tmp_path / "out", coverage_threshold=91)
    await here.client.wait(task_id)

    policy = (await submitted(here, task_id)).policy
    assert (policy.engines, policy.coverage, policy.priority) == (("echo",), 91, "high")
    assert policy.output == str(tmp_path / "out")


async def test_results_hold_the_verified_tests(here: World, module: Path) -> None:
    task_id = await openhands(here).submit_test_generation_task(module)

    told = await openhands(here).get_test_generation_results(task_id)

    assert told.keys() == {"success", "task_id", "result"}
    assert (told["success"], told["task_id"]) == (True, task_id)
    result = told["result"]
    assert (result["outcome"], result["threshold_met"], result["coverage"]["line"]) == ("completed", True, 90.0)
    assert result["suite"] == {"test_pricing.py": SUITE.decode()}
    assert result["delivered"] == []
    assert {"module", "tests", "usage", "attempts", "engine", "created_at", "completed_at"} <= result.keys()


async def test_a_suite_below_the_threshold_says_so(here: World, module: Path) -> None:
    here.engine.coverage = 50.0

    told = await openhands(here).generate_tests(module)

    assert (told["success"], told["result"]["threshold_met"]) == (True, False)


@pytest.mark.parametrize(("asked", "written"), [("tests/made", "tests/made/test_pricing.py"), ("t/test_p.py",) * 2])
async def test_verified_tests_are_written_where_they_were_asked_for(
    here: World, module: Path, tmp_path: Path, asked: str, written: str
) -> None:
    told = await openhands(here).generate_tests(module, tmp_path / asked)

    assert told["result"]["delivered"] == [str(tmp_path / written)]
    content = (tmp_path / written).read_bytes()
    assert content.startswith(SUITE)
    assert is_untouched(content)


async def test_a_relative_output_path_is_meant_from_where_it_was_submitted(
    here: World, module: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    task_id = await openhands(here).submit_test_generation_task(module.name, "made")
    monkeypatch.chdir("/")

    told = await openhands(here).get_test_generation_results(task_id)

    assert told["result"]["delivered"] == [str(tmp_path / "made" / "test_pricing.py")]


async def test_a_failed_task_is_no_success_and_writes_nothing(here: World, module: Path, tmp_path: Path) -> None:
    here.engine.broken.add("pricing")

    told = await openhands(here).generate_tests(module, tmp_path / "out")

    assert told.keys() == {"success", "task_id", "error"}
    assert told["success"] is False
    assert told["error"] == "import-failed: pricing cannot be imported"
    assert not (tmp_path / "out").exists()


async def test_status_has_times_and_the_error(here: World, module: Path) -> None:
    here.engine.broken.add("pricing")
    task_id = await openhands(here).submit_test_generation_task(module)
    await openhands(here).get_test_generation_results(task_id)

    status = await openhands(here).get_task_status(task_id)

    assert list(status) == ["task_id", "status", "created_at", "started_at", "completed_at", "error"]
    assert (status["task_id"], status["status"]) == (task_id, "failed")
    times = [datetime.fromisoformat(status[name]) for name in ("created_at", "started_at", "completed_at")]
    assert times == sorted(times)
    assert "import-failed" in status["error"]


async def test_a_task_that_nobody_has_taken_yet_is_queued_for_whoever_submitted_it(module: Path) -> None:
    async with world(submitting=False) as here:
        generator = openhands(here)
        task_id = await generator.submit_test_generation_task(module)

        status = await generator.get_task_status(task_id)
        with pytest.raises(TimeoutError, match="it goes on"):
            await generator.get_test_generation_results(task_id, timeout=0)

    assert (status["status"], status["error"]) == ("queued", None)


async def test_status_of_an_unknown_task_is_not_found(here: World) -> None:
    assert await openhands(here).get_task_status("task-x") == {"status": "not_found", "task_id": "task-x"}


async def test_results_of_an_unknown_task_are_a_runtime_error(here: World) -> None:
    with pytest.raises(RuntimeError, match="task 'task-x' not found"):
        await openhands(here).get_test_generation_results("task-x", timeout=0)


async def test_a_timeout_leaves_the_task_running_and_another_process_fetches_it(here: World, module: Path) -> None:
    here.engine.hold()
    task_id = await openhands(here).submit_test_generation_task(module, module.parent / "out")
    await here.engine.has_begun(1)
    with pytest.raises(TimeoutError, match="it goes on"):
        await openhands(here).get_test_generation_results(task_id, timeout=0)
    here.engine.go.set()

    async with here.another_client() as client:
        elsewhere = await OpenHandsTestGenerator(client).get_test_generation_results(task_id)
        again = await OpenHandsTestGenerator(client).get_test_generation_results(task_id, timeout=0)

    assert elsewhere == again
    assert elsewhere["result"]["delivered"] == [str(module.parent / "out" / "test_pricing.py")]


async def test_a_timeout_may_cancel_the_task(here: World, module: Path) -> None:
    here.engine.hold()
    task_id = await openhands(here).submit_test_generation_task(module)
    await here.engine.has_begun(1)

    with pytest.raises(TimeoutError, match="its end was asked for"):
        await openhands(here).get_test_generation_results(task_id, timeout=0, cancel_on_timeout=True)

    told = await openhands(here).get_test_generation_results(task_id)
    assert told["error"] == "cancelled: not done within the time its caller gave it"


@pytest.mark.parametrize("interval", [2.0, 0.1])
async def test_a_poll_interval_is_taken_and_said_to_be_unused(here: World, module: Path, interval: float) -> None:
    task_id = await openhands(here).submit_test_generation_task(module)

    with pytest.warns(DeprecationWarning, match="nothing polls"):
        told = await openhands(here).get_test_generation_results(task_id, poll_interval=interval)

    assert told["success"]


@pytest.mark.parametrize(
    ("name", "threshold", "reason"),
    [("nowhere.py", 80, "does not exist"), (".", 80, "one module at a time"), ("pricing.py", 101, "coverage")],
)
async def test_what_cannot_be_submitted_is_a_runtime_error(
    here: World, module: Path, name: str, threshold: int, reason: str
) -> None:
    (module.parent / "rates.py").write_text("def rate():\n    return 2\n", encoding="utf-8")

    with pytest.raises(RuntimeError, match=reason):
        await openhands(here).submit_test_generation_task(module.parent / name, coverage_threshold=threshold)


async def test_without_a_server_the_error_says_how_to_get_one(
    module: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TESTWRIGHT_DATA", str(tmp_path))
    monkeypatch.delenv("NATS_URL", raising=False)

    with pytest.raises(RuntimeError, match="testwright up"):
        await OpenHandsTestGenerator(engine="echo").submit_test_generation_task(module)


UNUSABLE = """
from testwright.engines import EngineStatus

class NoKey:
    name = "nokey"
    def status(self):
        return EngineStatus(available=False, detail="no key of a model", remedy="set NOKEY_API_KEY")
"""


async def test_an_engine_without_a_key_is_refused_at_once_and_nothing_stands_in(
    here: World, module: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = tmp_path / "installed"
    (installed / "nokey-1.dist-info").mkdir(parents=True)
    (installed / "nokey-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: nokey\nVersion: 1\n")
    (installed / "nokey-1.dist-info" / "entry_points.txt").write_text("[testwright.engines]\nnokey = nokey:NoKey\n")
    (installed / "nokey.py").write_text(UNUSABLE)
    monkeypatch.syspath_prepend(installed)

    with pytest.raises(RuntimeError, match="nokey cannot run here: no key of a model; set NOKEY_API_KEY"):
        await OpenHandsTestGenerator(here.client, "nokey").submit_test_generation_task(module)

    assert await here.client.tasks() == []


async def test_an_engine_that_the_server_does_not_have_is_an_error_and_not_a_wait(here: World, module: Path) -> None:
    generator = OpenHandsTestGenerator(here.client, "unheard-of", check_engine=False)
    task_id = await generator.submit_test_generation_task(module)

    with pytest.raises(RuntimeError, match="no engine 'unheard-of' here"):
        await generator.get_test_generation_results(task_id)

    status = await generator.get_task_status(task_id)
    assert status["status"] == "failed"
    assert "no engine 'unheard-of' here" in status["error"]


async def test_the_rest_of_the_policy_is_the_callers(here: World, module: Path) -> None:
    generator = OpenHandsTestGenerator(here.client, "echo", policy=Policy(priority="low", repeats=2))

    task_id = await generator.submit_test_generation_task(module)
    await generator.get_test_generation_results(task_id)

    policy = (await submitted(here, task_id)).policy
    assert (policy.priority, policy.repeats, policy.engines) == ("low", 2, ("echo",))


@pytest.fixture
def project(module: Path) -> Path:
    for name in ("rates", "tax"):
        (module.parent / f"{name}.py").write_text(f"def {name}():\n    return 1\n", encoding="utf-8")
    return module.parent


async def test_a_stage_submits_and_collects_later(here: World, project: Path) -> None:
    here.engine.hold()
    stage = OpenHandsStage([project], generator=openhands(here), output_path=project / "out")

    begun = await stage.execute_async()
    assert begun.pending == tuple(stage.get_task_ids())
    assert not begun.success
    await here.engine.has_begun(3)
    here.engine.go.set()
    done = await stage.collect()

    assert done.success
    assert len(done.succeeded) == 3
    assert {path.name for path in (project / "out").iterdir()} == {"test_pricing.py", "test_rates.py", "test_tax.py"}


async def test_another_stage_object_collects_what_an_earlier_one_submitted(here: World, project: Path) -> None:
    stage = OpenHandsStage([project], generator=openhands(here))
    await stage.execute_async()

    async with here.another_client() as client:
        later = OpenHandsStage(task_ids=stage.get_task_ids(), generator=OpenHandsTestGenerator(client))
        done = await later.collect()

    assert done.success
    assert done.task_ids == tuple(stage.get_task_ids())


async def test_collecting_nothing_is_an_error_and_never_a_success(here: World) -> None:
    with pytest.raises(RuntimeError, match="nothing was submitted"):
        await OpenHandsStage(generator=openhands(here)).collect()


async def test_a_stage_is_submitted_once(here: World, project: Path) -> None:
    stage = OpenHandsStage([project], generator=openhands(here))
    await stage.execute_async()

    with pytest.raises(RuntimeError, match="has tasks already"):
        await stage.execute_async()


async def test_one_failed_module_leaves_the_others_their_tests(here: World, project: Path) -> None:
    here.engine.broken.add("rates")
    stage = OpenHandsStage([project], generator=openhands(here), output_path=project / "out")
    await stage.execute_async()

    done = await stage.collect()

    assert (done.success, len(done.succeeded), done.pending) == (False, 2, ())
    assert {path.name for path in (project / "out").iterdir()} == {"test_pricing.py", "test_tax.py"}


async def test_collecting_in_time_or_not_is_one_time_for_all(here: World, project: Path) -> None:
    here.engine.hold()
    stage = OpenHandsStage([project], generator=openhands(here))
    await stage.execute_async()
    await here.engine.has_begun(3)

    with anyio.fail_after(5):
        done = await stage.collect(timeout=0, cancel_on_timeout=True)
        ended = await stage.collect()

    assert (done.results, done.pending) == ({}, tuple(stage.get_task_ids()))
    assert {result["error"].partition(":")[0] for result in ended.results.values()} == {"cancelled"}


async def test_a_stage_of_which_nobody_wants_the_end_is_cancelled_as_a_whole(here: World, project: Path) -> None:
    here.engine.hold()
    stage = OpenHandsStage([project], generator=openhands(here))
    await stage.execute_async()
    await here.engine.has_begun(3)

    await stage.cancel("a sibling failed")

    ended = await stage.collect()
    assert {result["error"] for result in ended.results.values()} == {"cancelled: a sibling failed"}


def test_an_empty_stage_is_no_success() -> None:
    assert not OpenHandsStageResult(()).success
