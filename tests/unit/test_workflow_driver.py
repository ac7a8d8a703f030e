"""Runs, from their beginning to their end, on the memory bus: side by side, killed, taken over, cancelled."""

from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from tests.support.runs import Gate, Runner, calling, shell
from tests.support.world import SUITE, World, world
from testwright.actor import SupersededError
from testwright.background import beside
from testwright.errors import RunNotFoundError
from testwright.voice import Voice
from testwright.workflow.actor import workflow
from testwright.workflow.driver import drive
from testwright_schemas import (
    CancelWorkflow,
    CollectSuites,
    Policy,
    Publish,
    RunCommand,
    StageSpec,
    SubmitModules,
    WorkflowFinished,
    envelope,
    subjects,
)


@pytest.fixture
async def here() -> AsyncIterator[World]:
    async with world() as made:
        yield made


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").touch()
    for name in ("pricing", "rates"):
        (tmp_path / f"{name}.py").write_text(f"def {name}():\n    return 1\n", encoding="utf-8")
    return tmp_path


def generating(*needs: str, paths: tuple[str, ...] = ("pricing.py", "rates.py")) -> StageSpec:
    work = SubmitModules(paths=paths, policy=Policy(engines=("echo",), output="made"))
    return StageSpec(name="generate", work=work, needs=needs)


def collecting(*needs: str, timeout_s: float = 30.0, cancel_pending: bool = True) -> StageSpec:
    work = CollectSuites(stage="generate", timeout_s=timeout_s, cancel_pending=cancel_pending)
    return StageSpec(name="collect", work=work, needs=needs)


async def test_commands_run_in_the_folder_and_their_output_is_kept(here: World, root: Path) -> None:
    run = Runner(here, root, shell("a", "echo said; echo warned >&2; touch made"), shell("b", "cat made", "a"))

    end = await run()

    ends = await run.ends()
    assert end.outcome == "completed"
    assert (ends["a"].outcome, ends["a"].exit_code, ends["a"].output) == ("completed", 0, "said\nwarned\n")
    assert ends["a"].log is not None
    assert await here.bus.fetch(subjects.ARTIFACTS, "default", ends["a"].log.digest) == b"said\nwarned\n"
    assert end.timing.critical_path == ("a", "b")


async def test_stages_that_may_overlap_do(here: World, root: Path) -> None:
    first, second = Gate(), Gate()
    run = Runner(here, root, calling("first"), calling("second"))

    async with anyio.create_task_group() as tg:
        tg.start_soon(run, {"first": first, "second": second})
        with anyio.fail_after(10):
            await first.began.wait()
            await second.began.wait()
        first.open.set()
        second.open.set()


async def test_other_stages_run_while_tests_are_generated(here: World, root: Path) -> None:
    here.engine.hold()

    async def tidy() -> str:
        await here.engine.has_begun(2)
        here.engine.go.set()
        return "tidied while two engines were at work"

    run = Runner(here, root, generating(), calling("tidy"), collecting("tidy"))

    end = await run({"tidy": tidy})

    ends = await run.ends()
    assert end.outcome == "completed"
    assert ends["tidy"].message == "tidied while two engines were at work"
    assert [(module.module, module.fate, module.files) for module in ends["collect"].modules] == [
        ("pricing", "delivered", ("made/test_pricing.py",)),
        ("rates", "delivered", ("made/test_rates.py",)),
    ]
    assert (root / "made" / "test_pricing.py").read_bytes().startswith(SUITE)
    assert ends["collect"].task_ids == ends["generate"].task_ids


async def test_a_command_is_tried_again_and_then_has_failed(here: World, root: Path) -> None:
    run = Runner(
        here, root, shell("third", "echo x >> n; test $(wc -l < n) = 3", retries=2), shell("never", "exit 7", retries=1)
    )

    end = await run()

    ends = await run.ends()
    assert (ends["third"].outcome, ends["third"].tries) == ("completed", 3)
    assert (ends["never"].outcome, ends["never"].tries, ends["never"].exit_code) == ("failed", 2, 7)
    assert (end.outcome, end.message) == ("failed", "never")


async def test_a_command_that_takes_too_long_is_ended_with_all_it_started(here: World, root: Path) -> None:
    run = Runner(here, root, shell("slow", "sleep 1000 & echo begun; sleep 1000", timeout_s=0.5))

    await run()

    end = (await run.ends())["slow"]
    assert (end.outcome, end.exit_code, end.message) == ("failed", None, "not done within 0.5 s")


async def test_what_a_command_leaves_behind_does_not_hold_up_the_run(here: World, root: Path) -> None:
    run = Runner(here, root, shell("daemon", "sleep 1000 & echo done"))

    await run()

    assert (await run.ends())["daemon"].output == "done\n"


@pytest.mark.parametrize(
    ("script", "outcome"), [("exit 5", "skipped"), ("exit 4", "failed")], ids=["nothing to do", "failed"]
)
async def test_an_exit_code_may_mean_that_there_was_nothing_to_do(
    here: World, root: Path, script: str, outcome: str
) -> None:
    run = Runner(here, root, shell("tests", script, skip_codes=(5,)))

    await run()

    assert (await run.ends())["tests"].outcome == outcome


async def test_a_program_that_is_not_there_fails_its_stage(here: World, root: Path) -> None:
    run = Runner(here, root, StageSpec(name="a", work=RunCommand(argv=("no-such-program",))))

    await run()

    end = (await run.ends())["a"]
    assert (end.outcome, end.message) == ("failed", "no-such-program cannot be run: No such file or directory")


async def test_a_function_that_raises_fails_its_stage(here: World, root: Path) -> None:
    def broken() -> None:
        raise KeyError("nobody foresaw this")

    run = Runner(here, root, calling("broken"), calling("missing"))

    await run({"broken": broken})

    ends = await run.ends()
    assert (ends["broken"].outcome, ends["broken"].message) == ("failed", "KeyError: 'nobody foresaw this'")
    assert "is not in this program" in ends["missing"].message


async def test_a_killed_process_is_replaced_and_what_has_ended_is_not_repeated(here: World, root: Path) -> None:
    gate = Gate()
    here.engine.hold()
    run = Runner(
        here, root, shell("once", "echo x >> n"), generating("once"), calling("gate", "once"), collecting("gate")
    )
    async with run.process({"gate": gate}) as (_, kill):
        await gate.began.wait()
        await here.engine.has_begun(2)
        await kill()
    here.engine.go.set()
    gate.open.set()

    end = await run.go_on({"gate": gate})

    ends = await run.ends()
    assert end.outcome == "completed"
    assert (root / "n").read_text() == "x\n"
    assert gate.calls == 2
    assert len(here.engine.began) == 2
    assert {module.fate for module in ends["collect"].modules} == {"delivered"}


async def test_a_submission_that_was_not_told_of_is_taken_over(here: World, root: Path) -> None:
    here.engine.hold()
    run = Runner(here, root, generating(paths=(".",)), collecting())
    async with run.process() as (bus, kill):
        async with here.bus.feed(subjects.EVENTS, [subjects.job_event(kind="submitted")], after=0) as jobs:
            await anext(jobs)
        bus.partition()
        await kill()
    (root / "more.py").write_text("def more():\n    return 1\n", encoding="utf-8")
    here.engine.go.set()

    end = await run.go_on()

    assert end.outcome == "completed"
    assert len((await run.ends())["generate"].task_ids) == len(await here.client.tasks()) == 2


async def test_whoever_is_superseded_stops(here: World, root: Path) -> None:
    gate = Gate()
    run = Runner(here, root, calling("gate"))
    stopped = anyio.Event()

    async def older() -> None:
        with pytest.raises(SupersededError):
            await run({"gate": gate})
        stopped.set()

    async with anyio.create_task_group() as tg:
        tg.start_soon(older)
        await gate.began.wait()
        async with run.process({"gate": gate}):
            with anyio.fail_after(10):
                await stopped.wait()


async def test_a_run_that_never_began_cannot_be_driven(here: World, root: Path) -> None:
    with pytest.raises(RunNotFoundError, match="run-9"):
        await drive(here.bus, Runner(here, root, calling("a")).tools(), "default", "run-9")


async def test_a_run_that_has_ended_is_not_run_again(here: World, root: Path) -> None:
    run = Runner(here, root, shell("once", "echo x >> n"))

    assert await run() == await run.go_on()
    assert (root / "n").read_text() == "x\n"


async def test_a_failing_stage_leaves_no_task_behind(here: World, root: Path) -> None:
    here.engine.hold()

    async def fail() -> None:
        await here.engine.has_begun(2)
        raise ValueError("no")

    run = Runner(here, root, generating(), calling("fail"), collecting("fail"))

    end = await run({"fail": fail})

    assert end.outcome == "failed"
    for task in (await run.ends())["generate"].task_ids:
        assert (await here.client.wait(task, 10)).outcome == "cancelled"


async def test_a_deadline_leaves_what_is_there_and_cancels_the_rest(here: World, root: Path) -> None:
    here.engine.broken.add("rates")
    run = Runner(here, root, generating(), collecting())
    await run()

    collected = (await run.ends())["collect"]
    assert (collected.outcome, collected.message) == ("partial", "1 delivered, 1 failed")

    here.engine.hold()
    collect = StageSpec(name="collect", work=collecting(timeout_s=0.2).work, optional=True)
    late = Runner(here, root, generating(), collect, run_id="run-2")
    end = await late()

    collected = (await late.ends())["collect"]
    assert (end.outcome, collected.outcome, collected.message) == ("completed", "failed", "2 pending")
    for task in collected.task_ids:
        assert (await here.client.wait(task, 10)).outcome == "cancelled"


async def test_pending_tasks_may_go_on_after_the_deadline(here: World, root: Path) -> None:
    here.engine.hold()
    collect = StageSpec(name="collect", work=collecting(timeout_s=0.2, cancel_pending=False).work, optional=True)
    run = Runner(here, root, generating(), collect)

    assert (await run()).outcome == "completed"

    here.engine.go.set()
    for task in (await run.ends())["collect"].task_ids:
        assert (await here.client.wait(task, 10)).outcome == "completed"


async def test_a_refused_submission_is_said_where_it_is_collected(here: World, root: Path) -> None:
    generate = StageSpec(name="generate", work=SubmitModules(paths=("pricing.py",), policy=Policy(engines=("nope",))))
    run = Runner(here, root, generate, collecting())

    await run()

    assert "no engine 'nope' here" in (await run.ends())["collect"].message


async def test_nothing_is_submitted_where_there_is_no_module(here: World, root: Path) -> None:
    run = Runner(here, root, generating(paths=("nowhere.py",)), collecting())

    await run()

    ends = await run.ends()
    assert "does not exist" in ends["generate"].message
    assert ends["collect"].outcome == "cancelled"


async def test_tests_of_unchanged_files_are_not_judged_again(here: World, root: Path) -> None:
    run = Runner(here, root, generating(), collecting())

    await run()

    assert run.judge.items == []


@pytest.mark.parametrize("verdict", ["kept", "redundant"])
async def test_tests_that_still_pass_on_changed_files_are_delivered(here: World, root: Path, verdict: str) -> None:
    run = Runner(here, root, generating(), shell("tidy", "echo >> pricing.py", "generate"), collecting("tidy"))
    run.judge.second = verdict  # type: ignore[assignment]  # pyright: ignore[reportAttributeAccessIssue]  a verdict

    await run()

    collected = (await run.ends())["collect"]
    assert collected.outcome == "completed"
    assert len(run.judge.items) == 2
    assert {path.name for path in (root / "made").iterdir()} == {"test_pricing.py", "test_rates.py"}


async def test_tests_that_do_not_pass_on_changed_files_are_reported_and_not_delivered(here: World, root: Path) -> None:
    run = Runner(here, root, generating(), shell("tidy", "echo >> pricing.py", "generate"), collecting("tidy"))
    run.judge.second = "failing"

    await run()

    collected = (await run.ends())["collect"]
    assert collected.outcome == "partial"
    assert {module.fate for module in collected.modules} == {"stale"}
    assert "these do not pass: test_b (failing)" in collected.modules[0].message
    assert {path.name for path in (root / "made").iterdir()} == {"test_kept.py"}


async def test_tests_of_a_module_that_is_gone_are_not_delivered(here: World, root: Path) -> None:
    run = Runner(here, root, generating(), shell("tidy", "rm pricing.py", "generate"), collecting("tidy"))

    await run()

    fates = {module.module: (module.fate, module.message) for module in (await run.ends())["collect"].modules}
    assert fates["pricing"][0] == "stale"
    assert "the module is gone" in fates["pricing"][1]
    assert fates["rates"][0] == "delivered"


async def test_a_run_that_is_asked_for_is_driven_by_an_actor_and_may_be_cancelled(here: World, root: Path) -> None:
    gate = Gate()
    run = Runner(here, root, calling("gate"), shell("never", "touch never", "gate"))
    actor = workflow(here.bus, run.tools({"gate": gate}))
    client = Voice(here.bus, "client", here.server.now)
    over = subjects.workflow_event("default", "run-1", "finished")

    async with beside(actor.run), here.bus.feed(subjects.EVENTS, [over], after=0) as ends:
        await client.say(Publish(message=run.command()), {})
        await gate.began.wait()
        cancel = CancelWorkflow(namespace="default", run_id="run-1", command_id="cancel-1", reason="enough")
        await client.say(Publish(message=cancel), {})
        with anyio.fail_after(10):
            end = envelope.decode((await anext(ends)).data, WorkflowFinished)

    assert (end.outcome, end.message) == ("cancelled", "enough")
    assert (await run.ends())["gate"].outcome == "cancelled"
    assert not (root / "never").exists()


async def test_another_actor_goes_on_with_the_run_of_one_that_is_stopped(here: World, root: Path) -> None:
    gate = Gate()
    run = Runner(here, root, shell("once", "echo x >> n"), calling("gate", "once"))
    client = Voice(here.bus, "client", here.server.now)
    over = subjects.workflow_event("default", "run-1", "finished")
    first = workflow(here.bus, run.tools({"gate": gate}))

    async with here.bus.feed(subjects.EVENTS, [over], after=0) as ends:
        async with beside(first.run):
            await client.say(Publish(message=run.command()), {})
            await gate.began.wait()
            await first.rest(0)
        gate.open.set()
        async with beside(workflow(here.bus, run.tools({"gate": gate})).run):
            with anyio.fail_after(10):
                end = envelope.decode((await anext(ends)).data, WorkflowFinished)

    assert end.outcome == "completed"
    assert ((root / "n").read_text(), gate.calls) == ("x\n", 2)
