"""The guide's pipeline: which stages it has, and what they come to."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.support.repository import configure, git, make, state
from tests.support.world import World, world
from testwright import SpecToProduction, run_workflow
from testwright.errors import BranchError, WorkflowDefinitionError
from testwright.workflow.core import Followed
from testwright.workflow.definition import branches, on_branch
from testwright.workflow.pipeline import COLLECTION, COVERAGE, MEASURED, config, plan
from testwright_schemas import (
    CallFunction,
    NoWork,
    Plan,
    RunCommand,
    StageFinished,
    StageSpec,
    StageStarted,
    SubmitModules,
)

GENERATING: dict[str, Any] = {"enable_openhands_test_generation": True, "modules": ("pricing.py",), "engine": "echo"}
TRUE = ("true",)
QUIET: dict[str, Any] = {"testing": TRUE, "secrets": TRUE}


def stages(**given: Any) -> dict[str, StageSpec]:
    return {spec.name: spec for spec in plan(config({}, given)).stages}


def test_tests_are_generated_beside_testing_and_refactoring_and_gated_afterwards() -> None:
    found = stages(**GENERATING)

    assert found["openhands_submission"].needs == found["testing"].needs == ("specification",)
    assert found["refactoring_lint"].needs == ("testing",)
    assert set(found[COLLECTION].needs) > {"refactoring_format", "refactoring_types", "refactoring_secrets"}
    assert found["gates_tests"].needs == (COLLECTION,)
    assert found["production"].needs == ("staging",)


def test_the_guides_keys_are_taken() -> None:
    found = stages(**GENERATING, coverage_threshold=91, timeout_seconds=7, policy={"repeats": 2})

    work = found["openhands_submission"].work
    assert isinstance(work, SubmitModules)
    assert (work.policy.engines, work.policy.coverage, work.policy.repeats) == (("echo",), 91, 2)
    assert isinstance(found["testing"].work, RunCommand)
    assert found["testing"].work.timeout_s == 7


def test_generation_is_off_unless_it_is_asked_for() -> None:
    assert not {"openhands_submission", COLLECTION} & stages().keys()


def test_a_deployment_is_not_repeated_and_what_has_no_command_is_skipped() -> None:
    found = stages(production=("deploy",))

    assert isinstance(found["production"].work, RunCommand)
    assert not found["production"].work.repeatable
    assert isinstance(found["staging"].work, NoWork)


def test_tools_that_the_project_configures_are_used_and_others_are_not() -> None:
    bare = config({}, {})
    ruff = config({"tool": {"ruff": {}, "pyright": {}}}, {})

    assert (bare.lint, bare.format, bare.types) == (None, None, None)
    assert (ruff.lint, ruff.types) == (("ruff", "check", "--fix", "."), ("pyright",))


def test_what_is_given_comes_before_what_the_project_says() -> None:
    own = {"tool": {"testwright": {"workflow": {"coverage_threshold": 70, "timeout_seconds": 10}}, "mypy": {}}}

    found = config(own, {"coverage_threshold": 95, "types": ()})

    assert (found.coverage_threshold, found.timeout_seconds, found.types) == (95, 10, ())


def test_the_guides_keys_may_stand_in_the_tools_own_table() -> None:
    own = {"testwright": {"coverage_threshold": 70, "timeout_seconds": 9, "workflow": {"timeout_seconds": 10}, "x": {}}}

    found = config({"tool": own}, {})

    assert (found.coverage_threshold, found.timeout_seconds) == (70, 10)
    with pytest.raises(WorkflowDefinitionError, match="unknown field `timeout_second`"):
        config({"tool": {"testwright": {"timeout_second": 1}}}, {})


def test_coverage_is_told_before_the_generation_and_is_a_gate_after_it() -> None:
    found = config({"tool": {"coverage": {}}}, GENERATING)

    specs = {spec.name: spec for spec in plan(found).stages}

    assert specs["testing"].work == RunCommand(argv=MEASURED, timeout_s=300, skip_codes=(5,))
    assert specs["testing_coverage"].work == RunCommand(argv=(*COVERAGE, "--fail-under=0"), timeout_s=300)
    assert specs["gates_coverage"].work == RunCommand(argv=COVERAGE, timeout_s=300)
    assert set(specs["staging"].needs) == {"gates_tests", "gates_coverage", "gates_lint"}
    own = stages(coverage=("measure",))
    assert isinstance(own["testing_coverage"].work, NoWork)
    assert own["gates_coverage"].work == RunCommand(argv=("measure",), timeout_s=300)
    given = config({"tool": {"coverage": {}}}, {"testing": ("true",)})
    assert given.coverage is None


def test_gates_look_at_the_branch_where_the_tests_are() -> None:
    found = stages(**GENERATING, branch="generated", coverage=COVERAGE, gates=("ruff", "check"), sandboxed=True)

    tests, lint = found["gates_tests"].work, found["gates_lint"].work
    assert isinstance(tests, RunCommand)
    assert isinstance(lint, RunCommand)
    assert (tests.suites_of, lint.suites_of) == (COLLECTION, COLLECTION)
    assert tests.argv == ("sh", "-c", "python -m pytest -q && python -m coverage report")
    assert (tests.sandboxed, lint.sandboxed) == (True, False)
    assert isinstance(found["gates_coverage"].work, NoWork)
    assert branches(plan(config({}, {**GENERATING, "branch": "generated"}))) == ("generated",)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"covrage_threshold": 1}, "unknown field `covrage_threshold`"),
        ({"timeout_seconds": "soon"}, r"tool\.testwright\.workflow\.timeout_seconds: Expected `float`"),
        ({"enable_openhands_test_generation": True}, "modules: name the files or folders"),
        ({**GENERATING, "policy": {"repeat": 1}}, "policy: unknown key 'repeat'"),
        ({**GENERATING, "coverage_threshold": 101}, "policy.coverage"),
        ({"timeout_seconds": 0}, "timeout_s"),
    ],
)
def test_a_wrong_configuration_is_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(WorkflowDefinitionError, match=said):
        plan(config({}, given))


@pytest.fixture
async def here() -> AsyncIterator[World]:
    async with world() as made:
        yield made


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "pricing.py").write_text("def price():\n    return 1\n", encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text("[tool.testwright.workflow]\ntimeout_seconds = 20\n", encoding="utf-8")
    return tmp_path


async def run(pipeline: SpecToProduction, **options: Any) -> Any:
    with anyio.fail_after(30):
        return await pipeline.run(**options)


async def test_the_result_has_what_the_guide_asks_for(here: World, root: Path) -> None:
    wanted = {**GENERATING, **QUIET, "staging": TRUE, "output": "made"}

    result = await run(SpecToProduction(wanted, root=root, client=here.client))

    collected = result.stage_results["openhands_test_generation"]
    assert result.success
    assert collected["outcome"] == "completed"
    assert collected["modules"][0]["files"] == ["made/test_pricing.py"]
    assert (root / "made" / "test_pricing.py").is_file()
    assert list(result.openhands_task_ids) == collected["task_ids"]
    assert set(result.tasks.values()) == {"delivered"}
    assert result.parallel_execution_savings_ms >= 0
    outcomes = {name: stage["outcome"] for name, stage in result.stage_results.items()}
    assert outcomes["staging"] == "completed"
    assert outcomes["production"] == outcomes["specification"] == "skipped"


async def test_refactoring_is_over_before_the_generated_tests_are_there(here: World, root: Path) -> None:
    here.engine.hold()
    events: list[Followed] = []

    def heard(event: Followed) -> None:
        events.append(event)
        if isinstance(event, StageStarted) and event.stage == COLLECTION:
            here.engine.go.set()

    result = await run(SpecToProduction({**GENERATING, **QUIET}, root=root, client=here.client), heard=heard)

    ended = [event.stage for event in events if isinstance(event, StageFinished)]
    assert result.success
    assert ended.index("refactoring_secrets") < ended.index(COLLECTION) < ended.index("gates_tests")


async def test_blocking_collects_before_anything_else(here: World, root: Path) -> None:
    result = await run(SpecToProduction({**GENERATING, **QUIET}, root=root, client=here.client), blocking=True)

    order = list(result.stages)
    assert order.index(COLLECTION) == order.index("openhands_submission") + 1
    assert result.success


async def test_a_generation_that_fails_is_said_and_stops_no_release(here: World, root: Path) -> None:
    here.engine.broken.add("pricing")

    result = await run(SpecToProduction({**GENERATING, **QUIET, "staging": TRUE}, root=root, client=here.client))

    assert result.stage_results[COLLECTION]["outcome"] == "failed"
    assert "pricing cannot be imported" in result.stage_results[COLLECTION]["modules"][0]["message"]
    assert result.stage_results["staging"]["outcome"] == "completed"
    assert (result.end.outcome, result.end.message) == ("completed", f"{COLLECTION} (optional)")


async def test_tests_on_a_branch_leave_the_working_tree_alone_and_pass_the_gates_there(
    here: World, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(monkeypatch, root.parent / "gitconfig")
    (root / "pyproject.toml").write_text("[tool.testwright]\nbranch = 'generated'\n", encoding="utf-8")
    make(root)
    before = state(root)
    wanted = {**GENERATING, **QUIET, "output": "made", "gates": ("cat", "made/test_pricing.py")}

    result = await run(SpecToProduction(wanted, root=root, client=here.client))

    assert result.success
    assert state(root) == before
    assert "def test_it" in result.stages["gates_lint"].output
    assert result.stages[COLLECTION].commit == git(root, "rev-parse", "generated")
    assert result.stages["production"].outcome == "skipped"


async def test_a_branch_that_cannot_be_committed_on_is_refused_before_anything_begins(here: World, root: Path) -> None:
    wanted = {**GENERATING, **QUIET, "branch": "generated"}

    with pytest.raises(BranchError, match="git init"):
        await run(SpecToProduction(wanted, root=root, client=here.client))

    assert here.engine.began == []


def test_any_plan_can_be_put_on_a_branch() -> None:
    moved = on_branch(plan(config({}, GENERATING)), "generated")

    assert branches(moved) == ("generated",)


async def test_a_gate_that_fails_stops_the_release(here: World, root: Path) -> None:
    wanted = {"testing": ("sh", "-c", "test ! -e tested && touch tested"), "secrets": TRUE, "staging": TRUE}

    result = await run(SpecToProduction(wanted, root=root, client=here.client))

    assert not result.success
    assert result.stage_results["testing"]["outcome"] == "completed"
    assert result.stage_results["gates_tests"]["outcome"] == "failed"
    assert result.stage_results["staging"]["outcome"] == "cancelled"


async def test_a_pyproject_that_is_no_toml_is_refused(here: World, root: Path) -> None:
    (root / "pyproject.toml").write_text("[", encoding="utf-8")

    with pytest.raises(WorkflowDefinitionError, match=r"pyproject\.toml: it cannot be read"):
        await run(SpecToProduction(root=root, client=here.client))


async def test_a_plan_made_in_python_calls_functions(here: World, root: Path) -> None:
    announce = StageSpec(name="announce", work=CallFunction(name="announce"), needs=("lint",))
    lint = StageSpec(name="lint", work=RunCommand(argv=TRUE))

    async def announced() -> str:
        return "announced"

    with anyio.fail_after(30):
        result = await run_workflow(
            Plan(stages=(announce, lint)), root=root, client=here.client, functions={"announce": announced}
        )

    assert list(result.stages) == ["lint", "announce"]
    assert result.stages["announce"].message == "announced"


async def test_a_wrong_plan_is_refused_before_it_begins(here: World, root: Path) -> None:
    with pytest.raises(WorkflowDefinitionError, match="circle"):
        await run_workflow(Plan(stages=(StageSpec(name="a", work=NoWork(), needs=("a",)),)), client=here.client)
