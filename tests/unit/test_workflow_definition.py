"""Definitions of workflows: what is read, and how what is wrong is refused."""

import pytest

from testwright.errors import WorkflowDefinitionError
from testwright.workflow.definition import check, parse, serialised
from testwright_schemas import CollectSuites, NoWork, Plan, RunCommand, StageSpec, SubmitModules

WHOLE = """
name = "release"
on_failure = "cancel"

[stages.collect]
collect = "generate"
timeout = 60
cancel_pending = false
needs = ["tidy"]

[stages.tidy]
command = ["ruff", "format"]
retries = 2
timeout = 30
skip_codes = [5]
repeatable = false

[stages.generate]
generate = ["src"]
policy = { engines = ["echo"], coverage = 75, retry = { max_attempts = 1 } }
optional = true

[stages.ship]
skip = "no server yet"
needs = ["collect"]
"""


def spec(name: str, *needs: str) -> StageSpec:
    return StageSpec(name=name, work=NoWork(), needs=needs)


def test_a_definition_is_read() -> None:
    plan = parse(WHOLE)

    stages = {stage.name: stage for stage in plan.stages}
    assert (plan.name, plan.on_failure) == ("release", "cancel")
    assert stages["tidy"].work == RunCommand(
        argv=("ruff", "format"), retries=2, timeout_s=30, skip_codes=(5,), repeatable=False
    )
    assert stages["collect"].work == CollectSuites(stage="generate", timeout_s=60, cancel_pending=False)
    assert stages["ship"].work == NoWork(reason="no server yet")
    submitted = stages["generate"].work
    assert isinstance(submitted, SubmitModules)
    assert (submitted.paths, submitted.policy.engines, submitted.policy.coverage) == (("src",), ("echo",), 75)
    assert submitted.policy.retry.max_attempts == 1
    assert stages["generate"].optional


def test_stages_come_behind_what_they_need_and_collecting_needs_the_submission() -> None:
    order = [stage.name for stage in parse(WHOLE).stages]

    assert order.index("collect") > max(order.index("generate"), order.index("tidy"))
    assert set(parse(WHOLE).stages[order.index("collect")].needs) == {"generate", "tidy"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("stages = [", "workflow: this is no TOML"),
        pytest.param("a = " + "[" * 3000, "workflow: this is no TOML: brackets are nested too deep", id="brackets"),
        pytest.param(f"{'a.' * 3000}a = 1", "workflow: this is no TOML: tables are nested deeper", id="tables"),
        pytest.param("a = " + "1" * 5000, "workflow: this is no TOML: Exceeds the limit", id="digits"),
        ("name = 'empty'", "stages: there are none"),
        ("stage = {}", "unknown key 'stage': there are name, on_failure, stages"),
        ("[stages]\na = 1", "stages.a: a stage is a table"),
        (
            "[stages.a]\nneeds = []",
            "stages.a: a stage has one of command, call, generate, collect, skip; this one has none",
        ),
        ("[stages.a]\ncommand = ['x']\nskip = 'y'", "this one has command and skip"),
        ("[stages.a]\ncommand = ['x']\ntimeuot = 3", "stages.a: unknown key 'timeuot'"),
        ("[stages.a]\ncommand = 'x y'", "stages.a.command: Expected `array`"),
        ("[stages.a]\ncommand = []", "stages.a.command: Expected"),
        ("[stages.a]\ncommand = [3]", "stages.a.command[0]: Expected `str`"),
        ("[stages.a]\ncommand = ['x']\ntimeout = 0", "stages.a.timeout: Expected"),
        ("[stages.'a b']\ncommand = ['x']", "stages.a b.name: must be letters, digits, '-' and '_'"),
        ("on_failure = 'shrug'\n[stages.a]\ncommand = ['x']", "workflow.on_failure"),
        ("[stages.a]\ncommand = ['x']\nneeds = ['b']", "stages.a.needs: there is no stage 'b'"),
        ("[stages.a]\ncollect = 'b'", "stages.a.needs: there is no stage 'b'"),
        (
            "[stages.a]\ncollect = 'b'\n[stages.b]\ncommand = ['x']",
            "stages.a.collect: stage 'b' submits nothing",
        ),
        (
            "[stages.a]\ncollect = 'g'\n[stages.b]\ncollect = 'g'\n[stages.g]\ngenerate = ['x']",
            "stages.b.collect: stage 'a' collects 'g' already",
        ),
        (
            "[stages.a]\ncommand = ['x']\nsuites_of = 'b'\n[stages.b]\ncollect = 'g'\n[stages.g]\ngenerate = ['x']",
            "stages.a.suites_of: stage 'b' commits no suites on a branch",
        ),
        ("[stages.a]\ncall = 'module'", 'stages.a.call: name a function as "package.module:function"'),
        ("[stages.a]\ncall = ['module:f']", "stages.a.call: name a function"),
        ("[stages.g]\ngenerate = ['x']\n[stages.a]\ncollect = 'g'\nbranch = ''", "stages.a.branch"),
        ("[stages.g]\ngenerate = ['x']\npolicy = {coverge = 1}", "stages.g.policy: unknown key 'coverge'"),
        ("[stages.g]\ngenerate = ['x']\npolicy = {coverage = 101}", "stages.g.policy.coverage"),
        ("[stages.g]\ngenerate = ['x']\npolicy = {retry = {max = 1}}", "stages.g.policy.retry: unknown key 'max'"),
        (
            "[stages.a]\nskip = ''\nneeds = ['b']\n[stages.b]\nskip = ''\nneeds = ['a']",
            "stages: these need each other in a circle: ",
        ),
    ],
)
def test_what_is_wrong_is_refused_with_its_place(text: str, said: str) -> None:
    with pytest.raises(WorkflowDefinitionError) as refused:
        parse(text)

    assert said in str(refused.value)


def test_two_stages_of_one_name_are_refused() -> None:
    with pytest.raises(WorkflowDefinitionError, match=r"stages\.a: there are two of that name"):
        check(Plan(stages=(spec("a"), spec("a"))))


def test_a_plan_made_in_python_is_checked_like_any_other() -> None:
    with pytest.raises(WorkflowDefinitionError, match="on_failure"):
        check(Plan(stages=(spec("a"),), on_failure="shrug"))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  wrong on purpose


def test_a_serialised_plan_runs_one_stage_at_a_time_and_collects_at_once() -> None:
    plan = check(
        Plan(
            stages=(
                spec("specify"),
                StageSpec(name="generate", work=SubmitModules(paths=("src",)), needs=("specify",)),
                spec("tidy", "specify"),
                StageSpec(name="collect", work=CollectSuites(stage="generate"), needs=("tidy",)),
                spec("gates", "collect"),
            )
        )
    )

    chained = serialised(plan)

    names = [stage.name for stage in chained.stages]
    assert names.index("collect") == names.index("generate") + 1
    for before, stage in zip(names, chained.stages[1:], strict=False):
        assert before in stage.needs
    assert check(chained)
