"""The command line as a user runs it: real processes, a real server, real signals."""

import json
import signal
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import anyio
import pytest

from tests.support.cli import Running, Shell
from tests.support.nats_server import World, nats_world
from testwright.background import together
from testwright_schemas import MessageDeadLettered, envelope, subjects

pytestmark = pytest.mark.nats

PRICING = '''"""Prices."""


def double(price: int) -> int:
    """Return twice the price."""
    return 2 * price
'''

HANGING = '''"""Hangs whoever imports it."""

import threading


def never() -> None:
    """Return."""


threading.Event().wait()
'''


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    shell = Shell(tmp_path)
    shell.write("pyproject.toml", '[project]\nname = "shop"\nversion = "1"\nrequires-python = ">=3.11"\n')
    shell.write("src/shop/__init__.py", "")
    shell.write("src/shop/pricing.py", PRICING)
    return shell


@asynccontextmanager
async def actors(shell: Shell, world: World, *roles: str) -> AsyncGenerator[Shell]:
    """Put a topology on a server, run actors on it, and return a shell that finds it."""
    known = Shell(shell.folder, {"NATS_URL": world.url})
    applied = await known.run("topology", "apply")
    assert applied.code == 0, applied.err
    async with AsyncExitStack() as stack:
        running = [await stack.enter_async_context(known.start("run", role)) for role in roles]
        for role, process in zip(roles, running, strict=True):
            await process.said(f"{role} is running")
        yield known
        for process in running:
            process.interrupt(signal.SIGTERM)
            assert (await process.ended()).code == 0


@asynccontextmanager
async def up(shell: Shell, *options: str) -> AsyncGenerator[Running]:
    """Run ``testwright up`` until the end of the body, then see it rest and leave nothing."""
    async with shell.start("up", *options) as server:
        await server.said("ready: submit with")
        yield server
        server.interrupt(signal.SIGTERM)
        ended = await server.ended()
    assert (ended.code, "Traceback" in ended.err) == (0, False)
    assert shell.left() == []


@pytest.mark.slow
async def test_generate_writes_verified_tests_and_leaves_nothing_running(shell: Shell) -> None:
    ended = await shell.run("generate", "src/shop/pricing.py", "--engine", "echo", "--coverage", "0", "--repeats", "1")

    assert ended.code == 0, ended.err
    [suite] = (shell.project / "tests" / "generated").rglob("test_*.py")
    assert "def test_" in suite.read_text()
    assert str(suite.relative_to(shell.project)) in ended.out
    assert "INFO" not in ended.err
    for phase in ("prepare", "verify", "completed"):
        assert f"shop.pricing  {phase}" in ended.out
    assert shell.left() == []


@pytest.mark.slow
async def test_generate_prints_one_document_and_says_which_module_is_below_its_coverage(shell: Shell) -> None:
    options = ("--engine", "echo", "--coverage", "100", "--repeats", "1", "--no-mutants", "--output", "my suites")

    ended = await shell.run("generate", "src", "--json", *options)

    [task] = ended.json["tasks"]
    assert (ended.code, task["outcome"], task["threshold_met"]) == (1, "completed", False)
    assert Path(task["written"][0]).is_relative_to(shell.project / "my suites")
    assert shell.left() == []


@pytest.mark.slow
async def test_an_interrupt_cancels_what_runs_and_leaves_nothing_running(shell: Shell) -> None:
    shell.write("src/shop/pricing.py", HANGING)

    async with shell.start("generate", "src/shop/pricing.py", "--engine", "echo") as generate:
        await generate.said("checking")
        await shell.runs("nats-server")
        await shell.runs("_runner")
        generate.interrupt()
        ended = await generate.ended()

    assert ended.code == 130
    assert "cancelled" in ended.out
    assert "1 of 1 tasks ended" in ended.err
    assert "Traceback" not in ended.err
    assert shell.left() == []


async def test_a_second_interrupt_does_not_wait_for_anybody(shell: Shell) -> None:
    async with (
        nats_world() as world,
        actors(shell, world) as known,
        known.start("generate", "src/shop/pricing.py", "--engine", "echo") as generate,
    ):
        await generate.said("is submitted: 1 module")
        generate.interrupt()
        await generate.said("cancelling 1 task; interrupt again")
        generate.interrupt()
        ended = await generate.ended()

    assert ended.code == 130
    assert "0 of 1 tasks ended, 0 files written" in ended.err
    assert "Traceback" not in ended.err


async def test_closing_the_terminal_cancels_like_an_interrupt(shell: Shell) -> None:
    async with (
        nats_world() as world,
        actors(shell, world, "submitter", "collector") as known,
        known.start("generate", "src/shop/pricing.py", "--engine", "echo") as generate,
    ):
        await generate.said("is submitted: 1 module")
        generate.interrupt(signal.SIGHUP)
        ended = await generate.ended()

    assert ended.code == 130
    assert "1 of 1 tasks ended, 0 files written" in ended.err


async def test_a_server_without_a_place_for_its_data_says_so_in_one_line(shell: Shell) -> None:
    in_the_way = shell.write("data", "a file")

    ended = await Shell(shell.folder, {"TESTWRIGHT_DATA": str(in_the_way)}).run("up")

    assert (ended.code, ended.out, "Traceback" in ended.err) == (3, "", False)
    assert ended.err.startswith("testwright: ")
    assert f"cannot keep its data below {in_the_way}" in ended.err


async def test_an_output_that_cannot_be_written_to_is_refused_before_anything_starts(shell: Shell) -> None:
    in_the_way = shell.write("suites", "a file")

    ended = await shell.run("generate", "src", "--engine", "echo", "--output", str(in_the_way))

    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith(f"testwright: suites cannot be written to {in_the_way}")


@pytest.mark.slow
async def test_whoever_submits_finds_the_server_that_is_up_and_may_come_back_for_the_result(shell: Shell) -> None:
    async with up(shell, "--concurrency", "2"):
        submitted = (await shell.run("submit", "src", "--engine", "echo", "--repeats", "1", "--json")).json
        [task] = submitted["tasks"]
        assert task["module"] == "shop.pricing"

        watched = await shell.run("watch", submitted["job"], "--json")
        events = [json.loads(line) for line in watched.out.splitlines()]
        told = [event["type"] for event in events]
        assert told[0] == "job-submitted"
        assert {"task-submitted", "attempt-started", "suite-generated", "suite-verified"} < set(told)
        assert told[-1] == "job-finished"

        result = await shell.run("result", task["id"], "--output", "here", "--json")
        assert (result.code, result.json["outcome"]) == (0, "completed")
        assert [Path(name).parts[-4:-2] for name in result.json["written"]] == [("my project", "here")]
        evidence = ("--report", "evidence/report.html", "--bundle", "evidence/bundle.tar.gz")
        assert (await shell.run("result", task["id"], "--output", "here", *evidence)).code == 0

        seen, status, completed, failed, ended = await together(
            [
                partial(shell.run, "watch", task["id"]),
                partial(shell.run, "status", submitted["job"], "--json"),
                partial(shell.run, "list", "--state", "completed"),
                partial(shell.run, "list", "--state", "failed", "--json"),
                partial(shell.run, "wait", submitted["job"], "--json"),
            ]
        )
        assert "task-finished" in seen.out
        assert [(each["id"], each["state"]) for each in status.json] == [(task["id"], "completed")]
        assert task["id"] in completed.out
        assert failed.json == []
        assert [each["task_id"] for each in ended.json] == [task["id"]]

        again = (await shell.run("retry", task["id"], "--json")).json
        assert again["job"] != submitted["job"]
        assert (await shell.run("cancel", again["job"], "--json")).json == {"requested": [again["tasks"][0]["id"]]}
        assert (await shell.run("wait", again["job"], "--timeout", "1m")).code == 0

    assert task["id"] in (shell.project / "evidence" / "report.html").read_text()
    verified = await shell.run("verify", "evidence/bundle.tar.gz", "--json")
    assert (verified.code, verified.json["differences"]) == (0, [])
    assert verified.json["tests"] == verified.json["expected_tests"] > 0


@pytest.mark.slow
async def test_a_second_signal_stops_a_server_that_is_up_at_once(shell: Shell) -> None:
    shell.write("src/shop/pricing.py", HANGING)

    async with shell.start("up", "--grace", "1h") as server:
        await server.said("ready: submit with")
        await shell.run("submit", "src/shop/pricing.py", "--engine", "echo")
        await shell.runs("_runner")
        server.interrupt()
        await server.said("draining")
        server.interrupt()
        ended = await server.ended()

    assert (ended.code, "Traceback" in ended.err) == (130, False)
    assert shell.left() == []


async def test_a_server_that_is_up_says_how_to_look_into_it_and_is_the_only_one(shell: Shell) -> None:
    async with up(shell) as server:
        line = await server.said("nats sub")
        url = line.split("'")[1]
        assert (await Shell(shell.folder, {"NATS_URL": url}).run("list", "--json")).json == []
        assert (await server.said("server ")).endswith(url.rpartition("@")[2])

        second = await shell.run("up")
        assert second.code == 2
        assert "runs already" in second.err
        assert url.rpartition("@")[0] not in second.err


async def test_a_server_that_was_killed_is_not_mistaken_for_one_that_is_up(shell: Shell) -> None:
    async with shell.start("up") as server:
        await server.said("ready: submit with")
        server.interrupt(signal.SIGKILL)
        await server.ended()

    assert (await shell.run("list")).code == 3
    async with up(shell):
        assert (await shell.run("list")).code == 0


async def test_a_task_that_nobody_knows_is_not_found(shell: Shell) -> None:
    async with nats_world() as world, actors(shell, world, "submitter") as known:
        verbs = ("status", "result", "watch", "cancel", "retry")
        *ended, waited, sent = await together(
            [
                *(partial(known.run, verb, "task-unknown") for verb in (*verbs, "wait")),
                partial(known.run, "dead", "retry", "letter-unknown"),
            ]
        )

    says = "testwright: no task 'task-unknown': check the id with `testwright list` [TW120]\n"
    assert [(verb, each.code, each.err) for verb, each in zip(verbs, ended, strict=True)] == [
        (verb, 4, says) for verb in verbs
    ]
    assert (waited.code, sent.code) == (4, 4)


async def test_a_task_that_has_not_ended_times_out_and_goes_on(shell: Shell) -> None:
    async with nats_world() as world, actors(shell, world, "submitter") as known:
        submitted = (await known.run("submit", "src/shop/pricing.py", "--json")).json
        [task] = submitted["tasks"]

        waited = await known.run("wait", submitted["job"], "--timeout", "100ms")
        assert (waited.code, waited.out) == (5, "")
        assert "has not ended after 0.1 s" in waited.err
        assert (await known.run("result", task["id"], "--wait", "--timeout", "100ms")).code == 5
        assert (await known.run("result", task["id"])).code == 5
        [status] = (await known.run("status", task["id"], "--json")).json
        assert (status["state"], status["module"]) == ("queued", "shop.pricing")


async def test_a_submission_that_the_service_refuses_names_the_field(shell: Shell) -> None:
    async with nats_world() as world, actors(shell, world, "submitter") as known:
        ended = await known.run("generate", "src/shop/pricing.py", "--engine", "echo", "--engine", "nope")
        submitted = (await known.run("submit", "src/shop/pricing.py", "--engine", "nope", "--json")).json
        waited = await known.run("wait", submitted["job"])

    assert ended.code == 2
    assert "policy.engines[1]: no engine 'nope' here" in ended.err
    assert (waited.code, "policy.engines[0]" in waited.err) == (2, True)


async def test_a_limit_that_is_no_number_is_not_set(shell: Shell) -> None:
    async with nats_world() as world, actors(shell, world) as known:
        ended = await known.run("limits", "set", "--places", "4", "--max-cost", "nan")

        assert (ended.code, "max_cost_usd" in ended.err) == (2, True)
        assert (await known.run("limits", "show", "--json")).json == []


async def test_watch_shows_what_happens_until_it_is_interrupted(shell: Shell) -> None:
    async with (
        nats_world() as world,
        actors(shell, world, "submitter") as known,
        known.start("watch", "--json") as watch,
    ):
        await watch.said("watching")
        await known.run("submit", "src/shop/pricing.py", "--engine", "nope")
        rejected = json.loads(await watch.said("job-rejected"))
        watch.interrupt()
        ended = await watch.ended()

    assert (rejected["type"], rejected["field"]) == ("job-rejected", "policy.engines[0]")
    assert (ended.code, "Traceback" in ended.err) == (130, False)


async def test_verbs_that_wait_and_actors_say_that_their_server_is_away_and_that_it_is_back(shell: Shell) -> None:
    async with (
        nats_world() as world,
        actors(shell, world) as known,
        known.start("watch") as watch,
        known.start("run", "submitter") as actor,
    ):
        await watch.said("watching")
        await actor.said("submitter is running")
        await world.restart()
        for one in (watch, actor):
            await one.said("disconnected: waiting for a server")
            await one.said("connected: a server is there again")


async def test_an_engine_that_is_not_installed_is_refused_before_anything_starts(shell: Shell) -> None:
    ended = await shell.run("generate", "src/shop/pricing.py", "--engine", "nope")

    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("testwright: policy.engines[0]: no engine 'nope' here: there are echo")


async def test_a_dead_letter_is_listed_and_sent_again(shell: Shell) -> None:
    async with nats_world() as world, actors(shell, world, "submitter") as known:
        bus = await world.connect("vandal")
        async with bus.feed(subjects.EVENTS, [subjects.dead_event()]) as buried:
            await bus.publish(f"{subjects.PREFIX}.command.default.submit", b"{", message_id="vandalism")
            with anyio.fail_after(10):
                await anext(buried)

            [letter] = (await known.run("dead", "list", "--json")).json
            resent = await known.run("dead", "retry", letter["letter_id"])
            with anyio.fail_after(10):
                told = [envelope.decode((await anext(buried)).data, MessageDeadLettered) for _ in range(2)]
            left, every = [(await known.run("dead", "list", *also, "--json")).json for also in ([], ["--all"])]

    sent, again = sorted(told, key=lambda one: one.resent_at is None)
    assert letter["consumer"] == "submitter"
    assert (resent.code, letter["letter_id"] in resent.out) == (0, True)
    # It was queued and handled once more, and can be read no better than before.
    assert (again.subject, again.data, again.deliveries) == (letter["subject"], b"{", 1)
    assert again.sequence > letter["sequence"]
    assert [one["letter_id"] for one in left] == [again.letter_id]
    assert {one["letter_id"] for one in every} == {sent.letter_id, letter["letter_id"], again.letter_id}


async def test_a_server_that_is_named_and_down_is_an_error_everywhere(shell: Shell) -> None:
    nowhere = "nats://me:secret@127.0.0.1:9"
    verbs = (["list"], ["generate", "src"])
    ended = await together([partial(shell.run, *verb, "--server", nowhere) for verb in verbs])

    assert [each.code for each in ended] == [3, 3]
    assert "secret" not in "".join(each.err + each.out for each in ended)
