"""How tasks end other than well, and in which order they are done: each actor a process on a real server."""

import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import anyio
import msgspec
import pytest
from msgspec.structs import replace

from tests.support.processes import POLICY, Plant, all_ended, first, local_plant, project, watched
from testwright.client import Client
from testwright.errors import InvalidSubmissionError
from testwright.snapshots.bundle import bundle
from testwright_schemas import (
    Brief,
    JobRejected,
    MessageDeadLettered,
    RetryPolicy,
    SubmitJob,
    TaskCancelRequested,
    TaskFinished,
    TaskProgressed,
    TaskSpec,
    envelope,
    subjects,
)

pytestmark = pytest.mark.nats

HANGING = "from calc import add\n\n\ndef test_hangs():\n    while add(2, 3) == 5:\n        pass\n"

GONE_S = 2.0
"""Seconds within which nothing is left of work that a cancel was stored for: the promise; it takes milliseconds."""


@pytest.fixture
async def site() -> AsyncIterator[Plant]:
    """Run a server with the product's topology on it."""
    async with local_plant() as made:
        yield made


@pytest.fixture
def module(tmp_path: Path) -> Path:
    """Return the module to be tested."""
    return project(tmp_path / "a project")


async def submitted(site: Plant, module: Path, **policy: object) -> str:
    wanted = replace(POLICY, **policy)
    job = await site.client.submit([module], wanted)
    return job.tasks[0].id


async def result(site: Plant, task_id: str) -> TaskFinished:
    return await site.client.wait(task_id, timeout=90)


def cause(ended: TaskFinished) -> str:
    assert ended.error is not None
    return ended.error.cause


@pytest.mark.skipif(sys.platform != "linux", reason="looks processes up in /proc")
async def test_cancelling_a_running_task_kills_what_its_engine_started(site: Plant, module: Path) -> None:
    await site.start_all("submitter", "collector", "generator")
    task = await submitted(site, module)
    call = await site.stage.call()
    token = f"spin-{uuid4().hex}"
    await call.spin(token)
    with watched(token) as processes:
        assert len(processes) >= 2

        async with site.client.watch() as events:
            await site.client.cancel(task, reason="not needed")
            await first(events, TaskCancelRequested)
            with anyio.fail_after(GONE_S):
                await all_ended(processes)
        ended = await result(site, task)

        assert (ended.outcome, cause(ended)) == ("cancelled", "cancelled")
    other = await submitted(site, module)
    await (await site.stage.call()).fail("nothing-found", retryable=False)
    assert (await result(site, other)).outcome == "failed"


async def test_cancelling_a_task_whose_tests_are_being_judged_stops_them(site: Plant, module: Path) -> None:
    actors = await site.start_all()
    task = await submitted(site, module)
    async with site.client.watch(task) as events:
        await (await site.stage.call()).deliver({"test_calc.py": HANGING})
        while (await first(events, TaskProgressed)).phase != "verify":
            pass
        await site.client.cancel(task)
        await first(events, TaskCancelRequested)
        with anyio.fail_after(GONE_S):
            await actors["verifier"].says("stopped", task)
    ended = await result(site, task)

    assert (ended.outcome, cause(ended)) == ("cancelled", "cancelled")


async def test_cancelling_a_queued_task_keeps_it_from_being_started(site: Plant, module: Path) -> None:
    await site.start_all("submitter", "collector")
    task = await submitted(site, module)

    await site.client.cancel(task)
    ended = await result(site, task)
    generator = await site.start("generator")
    await generator.says("dropped", task)

    assert (ended.outcome, ended.attempts, ended.started_at) == ("cancelled", 0, None)
    assert await site.kinds(task) == ["submitted", "cancel-requested", "finished"]


async def test_the_most_urgent_task_is_done_first(site: Plant, module: Path, tmp_path: Path) -> None:
    actors = await site.start_all("submitter", "collector", "generator")
    await submitted(site, module)
    busy = await site.stage.call()

    low = await submitted(site, project(tmp_path / "low", "less"), priority="low")
    critical = await submitted(site, project(tmp_path / "critical", "urgent"), priority="critical")
    for task in (low, critical):
        await actors["collector"].says("handled", task, "submitted")
    order: list[str] = []
    for call in (busy, None, None):
        held = call or await site.stage.call()
        order.append(held.module)
        await held.fail("nothing-found", retryable=False)

    assert order == ["calc", "urgent", "less"]


async def test_a_failed_try_is_repeated_after_a_while(site: Plant, module: Path) -> None:
    actors = await site.start_all()
    task = await submitted(site, module)

    await (await site.stage.call()).fail("engine-crashed", retryable=True)
    await actors["collector"].says("handled", task, "attempt-failed")
    actors["collector"].kill()  # the server keeps the time
    await site.start("collector")
    await (await site.stage.call()).fail("engine-crashed", retryable=True)
    await (await site.stage.call()).deliver()
    ended = await result(site, task)

    assert (ended.outcome, ended.attempts, ended.engine) == ("completed", 3, "scripted")
    again = ["started", "attempt-failed"]
    assert await site.kinds(task) == ["submitted", *again, *again, "started", "generated", "verified", "finished"]


async def test_what_cannot_be_mended_goes_to_the_next_engine_at_once(site: Plant, module: Path) -> None:
    await site.start_all("submitter", "collector", "generator")
    patient = RetryPolicy(base_s=3600, max_s=3600)
    task = await submitted(site, module, engines=("scripted", "understudy"), retry=patient)

    await (await site.stage.call()).fail("import-failed", retryable=False)
    second = await site.stage.call()
    await second.fail("nothing-found", retryable=False)
    ended = await result(site, task)

    assert second.engine == "understudy"
    assert (ended.outcome, ended.attempts, cause(ended)) == ("failed", 2, "nothing-found")


TWO_WAYS = """\
def sign(number):
    if number < 0:
        return "minus"
    return "plus"
"""


ONE_WAY = "from calc import sign\n\n\ndef test_sign():\n    assert sign(1) == 'plus'\n"
WRONG = "from calc import sign\n\n\ndef test_sign():\n    assert sign(-1) == 'plus'\n"
OTHER_WAY = WRONG.replace("plus", "minus")


async def test_later_rounds_get_what_is_left_to_do_and_take_nothing_away(site: Plant, tmp_path: Path) -> None:
    module = project(tmp_path / "two ways")
    module.write_text(TWO_WAYS, encoding="utf-8")
    await site.start_all()
    task = await submitted(site, module, engines=("scripted", "understudy"), coverage=100.0)

    first_round = await site.stage.call()
    await first_round.deliver({"test_calc.py": ONE_WAY})
    second_round = await site.stage.call()
    await second_round.deliver({"test_calc.py": WRONG})
    next_engine = await site.stage.call()
    await next_engine.deliver({"test_calc.py": OTHER_WAY})
    ended = await result(site, task)

    assert first_round.brief is None
    briefs = [call.brief or Brief() for call in (second_round, next_engine)]
    assert [(brief.missing_lines, brief.missing_branches) for brief in briefs] == 2 * [((3,), ((2, 3),))]
    assert [file.name for brief in briefs for file in brief.accepted] == 2 * ["test_calc.py"]
    assert [case.verdict for case in briefs[1].rejected] == ["suspected-bug"]
    assert [call.engine for call in (second_round, next_engine)] == ["scripted", "understudy"]
    assert (ended.outcome, ended.threshold_met, ended.rounds, ended.attempts) == ("completed", True, 3, 3)
    assert [case.verdict for case in ended.tests] == ["kept", "kept"]
    assert [file.name for file in ended.files] == ["test_calc.py"]
    assert ended.coverage is not None
    assert (ended.coverage.line, ended.coverage.branch) == (100.0, 100.0)


async def test_a_deadline_ends_a_task_and_stops_its_engine(site: Plant, module: Path) -> None:
    await site.start_all("submitter", "collector", "generator")

    task = await submitted(site, module, deadline_s=3)
    call = await site.stage.call()
    ended = await result(site, task)

    assert (ended.outcome, cause(ended)) == ("failed", "deadline-exceeded")
    await call.gone()


async def test_a_work_item_that_cannot_be_read_fails_its_task(site: Plant, module: Path) -> None:
    actors = await site.start_all("submitter", "collector")
    task = await submitted(site, module)
    await actors["collector"].says("handled", task, "submitted")
    subject = subjects.generate_filter("scripted", "critical").replace(">", f"default.{task}")
    await site.client.bus.publish(subject, b"{", message_id=uuid4().hex)

    async with site.client.watch() as events:
        await site.start("generator")
        letter = await first(events, MessageDeadLettered)
    ended = await result(site, task)

    assert (letter.subject, letter.data, letter.task_id) == (subject, b"{", task)
    assert (ended.outcome, cause(ended)) == ("failed", "dead-lettered")


async def test_a_command_that_cannot_be_read_is_kept_as_a_dead_letter(site: Plant, module: Path) -> None:
    subject = subjects.COMMANDS_ALL.replace("*.*", "default.submit")
    async with site.client.watch() as events:
        await site.client.bus.publish(subject, b"not even JSON", message_id=uuid4().hex)
        await site.start_all("submitter", "collector")
        letter = await first(events, MessageDeadLettered)

    assert (letter.subject, letter.data, letter.task_id) == (subject, b"not even JSON", None)
    assert await site.client.dead_letters() == [letter]
    task = await submitted(site, module)
    await site.start("generator")
    await (await site.stage.call()).fail("nothing-found", retryable=False)
    assert (await result(site, task)).outcome == "failed"


async def test_whoever_waits_for_a_refused_task_is_told_why(site: Plant, module: Path) -> None:
    await site.start("submitter")
    task = await submitted(site, module, engines=("scripted", "nonesuch"))

    with pytest.raises(InvalidSubmissionError, match="no engine 'nonesuch' here") as caught:
        await result(site, task)

    assert caught.value.field == "policy.engines[1]"


async def test_a_job_with_one_task_that_is_refused_is_refused_as_a_whole(site: Plant, tmp_path: Path) -> None:
    submitter = await site.start("submitter")
    modules = [project(tmp_path, name) for name in ("one", "two", "three")]
    taken = await submitted(site, modules[0])
    await submitter.says("handled", "command.default.submit")
    ids = iter(["task-one", taken, "task-three", "job-three"])

    async with Client(site.client.bus, new_id=lambda _: next(ids)).following() as client:
        job = await client.submit(modules, POLICY)
        for task in job.tasks:
            with pytest.raises(InvalidSubmissionError) as caught:
                await client.wait(task.id, timeout=60)
            assert caught.value.field == "tasks[1].task_id"

    assert [await site.kinds(task.id) for task in job.tasks] == [[], ["submitted"], []]


async def test_a_submission_of_the_wrong_shape_is_rejected_by_field(site: Plant, module: Path) -> None:
    bundled = await anyio.to_thread.run_sync(bundle, [module])
    task = TaskSpec(task_id="task-raw", target=bundled.targets[0])
    good = envelope.encode(
        SubmitJob(
            namespace="default",
            job_id="job-raw",
            tasks=(task,),
            snapshot=bundled.snapshot,
            policy=POLICY,
            submitted_at=datetime.now(UTC),
        )
    )
    raw = msgspec.json.decode(good)
    raw["policy"]["budget_s"] = -1
    subject = subjects.COMMANDS_ALL.replace("*.*", "default.submit")

    async with site.client.watch() as events:
        await site.client.bus.publish(subject, msgspec.json.encode(raw), message_id=uuid4().hex)
        await site.start("submitter")
        rejected = await first(events, JobRejected)

    assert (rejected.job_id, rejected.field) == ("job-raw", "policy.budget_s")
    assert ">= 1" in rejected.reason
