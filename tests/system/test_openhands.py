"""The OpenHands engine with the real SDK in the real sandbox; only the model is scripted."""

import json
import os
import shlex
import sys
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import anyio
import pytest
from typer.testing import CliRunner

from tests.support.assignments import Reports, assignment
from tests.support.sandboxes import BUBBLEWRAP_WORKS
from tests.support.scripted_llm import (
    KEY,
    Fails,
    Hangs,
    ScriptedModel,
    Step,
    create,
    finish,
    run,
    scripted,
)
from testwright.app import Options
from testwright.cli.root import app
from testwright.cli.service import complete
from testwright.client import Client
from testwright.engines import Assignment
from testwright.engines.openhands import OpenHandsEngine
from testwright.engines.openhands.lanes import Closures
from testwright.errors import EngineError
from testwright.sandbox.local import LocalSandbox
from testwright_schemas import Brief, Policy
from testwright_schemas.suite import Artifact

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

SHOP = '''\
def price(pieces: int, member: bool = False) -> int:
    """Return cents."""
    if pieces < 1:
        raise ValueError("nothing bought")
    return pieces * (90 if member else 100)
'''

TESTS = '''\
"""Prices."""

import pytest

from shop import price


def test_members_pay_less():
    """Members pay 90 cents a piece."""
    assert price(3, member=True) == 270


def test_others_pay_full_price():
    """Others pay a dollar a piece."""
    assert (price(1), price(2)) == (100, 200)


@pytest.mark.parametrize("pieces", [0, -1])
def test_nothing_has_no_price(pieces):
    """At least one piece must be bought."""
    with pytest.raises(ValueError, match="nothing bought"):
        price(pieces)
'''

PATH = "tests/generated/test_shop.py"


@pytest.fixture(autouse=True)
def settings_of_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("TESTWRIGHT_LLM_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("TESTWRIGHT_LLM_MODEL", "scripted")
    monkeypatch.setenv("TESTWRIGHT_LLM_API_KEY", KEY)
    monkeypatch.setenv("TESTWRIGHT_LLM_INPUT_PRICE", "1")
    monkeypatch.setenv("TESTWRIGHT_LLM_OUTPUT_PRICE", "4")


@asynccontextmanager
async def model(*steps: Step) -> AsyncGenerator[ScriptedModel]:
    """Run a model that the engine finds by its settings."""
    with pytest.MonkeyPatch.context() as environment:
        async with scripted(*steps) as running:
            environment.setenv("TESTWRIGHT_LLM_BASE_URL", running.url)
            yield running


def shop(folder: Path, *, budget_s: float = 60.0) -> Assignment:
    work = assignment(folder, {"shop.py": SHOP, "tests/test_till.py": "def test_till():\n    assert 1\n"}, "shop")
    return replace(work, policy=Policy(budget_s=budget_s, timeout_s=300))


def engine() -> OpenHandsEngine:
    """Return an engine that no other test has closed a model for."""
    return OpenHandsEngine(Closures())


async def failure(work: Assignment) -> EngineError:
    with pytest.raises(EngineError) as caught:
        await engine().generate(work, Reports())
    return caught.value


def told(model: ScriptedModel) -> str:
    """Return everything that the agent's tools answered."""
    messages = model.calls[-1]["messages"]
    return "\n".join(str(one["content"]) for one in messages if one["role"] == "tool")


async def test_what_the_agent_wrote_and_ran_is_delivered_with_what_it_took_and_can_be_replayed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TESTWRIGHT_LLM_RECORD", str(tmp_path / "record"))
    steps = (run("mkdir -p tests/generated"), create(PATH, TESTS), run(f"python -m pytest -q {PATH}"), finish())
    reports = Reports()

    async with model(*steps) as scripted_model:
        candidate = await engine().generate(shop(tmp_path), reports)
    monkeypatch.delenv("TESTWRIGHT_LLM_RECORD")
    monkeypatch.delenv("TESTWRIGHT_LLM_API_KEY")
    monkeypatch.setenv("TESTWRIGHT_LLM_REPLAY", str(tmp_path / "record"))
    # The second run shows at once that the engine works where there is no bubblewrap, and says so.
    elsewhere = replace(shop(tmp_path / "again"), sandbox=LocalSandbox(allow_bubblewrap=False))
    again = await engine().generate(elsewhere, Reports())

    assert (again.files, again.usage.input_tokens) == (candidate.files, candidate.usage.input_tokens)
    assert again.isolation == "process-group"

    assert candidate.files == {"test_shop.py": TESTS.encode()}
    assert "4 passed" in told(scripted_model)
    assert (candidate.usage.model, candidate.usage.input_tokens, candidate.usage.output_tokens) == (
        "scripted",
        4000,
        400,
    )
    assert candidate.usage.cost_usd == pytest.approx(0.0056)
    assert candidate.isolation == LocalSandbox().isolation
    assert f"step 2: file_editor create {PATH} (2.2k tokens, $0.003)" in reports.messages
    assert reports.tests == [3]
    assert "tests/test_till.py begins" in str(scripted_model.calls[0]["messages"])


async def test_in_a_later_round_a_claim_of_success_without_a_file_is_a_failure_that_says_what_it_took(
    tmp_path: Path,
) -> None:
    done = Artifact(name="test_shop.py", digest="0" * 64, size=1)
    work = replace(shop(tmp_path), brief=Brief(line=60, missing_lines=(3, 4), accepted=(done,)))

    async with model(finish("I wrote 12 tests, and all of them pass.")) as scripted_model:
        error = await failure(work)

    assert (error.cause, error.retryable) == ("nothing-generated", False)
    assert error.usage
    assert error.usage.input_tokens == 1000
    assert error.usage.cost_usd == pytest.approx(0.0014)
    asked = str(scripted_model.calls[0]["messages"])
    assert "no accepted test runs: 3-4" in asked
    assert "tests/generated/test_shop_2.py" in asked


@pytest.mark.skipif(not BUBBLEWRAP_WORKS, reason="without bubblewrap nothing is hidden from the agent")
async def test_the_agent_finds_no_key_no_network_and_no_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TESTWRIGHT_LLM_API_KEY_FILE", str(tmp_path / "key"))
    (tmp_path / "key").write_text(KEY)
    victim = tmp_path / "victim"
    looking = run(
        f"cat /proc/*/environ /proc/*/cmdline {tmp_path}/key 2>/dev/null | tr '\\0' '\\n'; env;"
        f" echo touched > {victim}; echo touched > {shlex.quote(sys.executable)}; ls {tmp_path}"
    )
    linking = run(f"ln -s {tmp_path}/key tests/test_stolen.py; ln -s /etc/passwd tests/test_passwd.py")
    async with model(run("mkdir -p tests/generated"), create(PATH, TESTS), looking, linking) as scripted_model:
        calling = run(f"curl -sS -m 5 {scripted_model.url}/models")
        scripted_model.steps = (*scripted_model.steps, calling, finish())
        candidate = await engine().generate(shop(tmp_path / "work"), Reports())

    seen = told(scripted_model)
    assert "PATH=" in seen
    assert "Read-only file system" in seen or "No such file or directory" in seen
    assert "completed with exit code 7" in seen  # curl's for "failed to connect"
    assert KEY not in seen
    assert KEY not in candidate.log.decode()
    assert not victim.exists()
    assert sorted(candidate.files) == ["test_shop.py"]


async def test_too_many_requests_end_the_attempt_with_when_to_come_back_and_the_next_does_not_ask_before(
    tmp_path: Path,
) -> None:
    same = OpenHandsEngine(Closures())
    async with model(run("echo one"), Fails(429, headers=[("retry-after", "90")])) as scripted_model:
        with pytest.raises(EngineError, match="in 90 s") as first:
            await same.generate(shop(tmp_path / "first"), Reports())
        with pytest.raises(EngineError) as second:
            await same.generate(shop(tmp_path / "second"), Reports())

    assert (first.value.cause, first.value.retryable) == ("rate-limited", True)
    assert first.value.retry_after_s == pytest.approx(90, abs=30)
    assert first.value.usage
    assert first.value.usage.input_tokens == 1000
    assert (second.value.cause, second.value.usage) == ("rate-limited", None)
    assert len(scripted_model.calls) == 2


async def test_a_cancelled_attempt_leaves_no_process_and_no_call(tmp_path: Path) -> None:
    async with model(run("sleep 1000 & echo started"), Hangs()) as scripted_model:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(engine().generate, shop(tmp_path), Reports())
            await scripted_model.hung.wait()
            assert list(processes(tmp_path))
            tasks.cancel_scope.cancel()
        with anyio.fail_after(30):
            await scripted_model.left.wait()

    assert list(processes(tmp_path)) == []


async def test_at_the_iteration_limit_what_is_there_is_delivered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TESTWRIGHT_LLM_MAX_ITERATIONS", "2")

    async with model(create("tests/test_early.py", TESTS), run("echo one"), run("echo two")) as asked:
        candidate = await engine().generate(shop(tmp_path), Reports())

    assert list(candidate.files) == ["test_early.py"]
    assert len(asked.calls) == 2


async def test_at_the_time_limit_a_hanging_model_is_interrupted_and_what_is_there_is_delivered(tmp_path: Path) -> None:
    async with model(create("tests/test_early.py", TESTS), Hangs()):
        candidate = await engine().generate(shop(tmp_path, budget_s=12), Reports())

    assert list(candidate.files) == ["test_early.py"]
    assert b'"interrupted": true' in candidate.log


@pytest.mark.nats
async def test_an_agents_tests_go_through_verification_to_a_completed_task(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(SHOP)
    (tmp_path / "pyproject.toml").write_text("")
    useless = """\
import os

from shop import price


def test_nothing():
    pass


def test_failing():
    assert price(1) == 1


def test_flaky():
    assert price(1) == 100
    assert os.environ["PYTHONHASHSEED"] == "0"
"""
    policy = Policy(engines=("openhands",), repeats=2)
    async with (
        model(create("test_shop.py", TESTS), create("test_useless.py", useless), finish()),
        complete(None, Options(concurrency=1)) as url,
        Client.connect(url) as client,
    ):
        job = await client.submit([tmp_path / "shop.py"], policy)
        ended = await client.wait(job.tasks[0].id, timeout=300)

    assert (ended.outcome, ended.error) == ("completed", None)
    assert ended.coverage
    assert ended.coverage.line == 100
    assert ended.threshold_met
    assert ended.mutation.score == 100
    verdicts = {test.id.rpartition("::")[2]: test.verdict for test in ended.tests}
    assert [verdicts[f"test_{name}"] for name in ("nothing", "failing", "flaky")] == [
        "vacuous",
        "suspected-bug",
        "flaky",
    ]
    assert list(verdicts.values()).count("kept") >= 3
    assert (ended.usage.model, ended.usage.input_tokens) == ("scripted", 3000)


def test_its_environment_can_be_built_ahead_of_time() -> None:
    installed = CliRunner().invoke(app, ["engines", "install", "openhands", "--json"])
    needless = CliRunner().invoke(app, ["engines", "install", "echo"])

    assert (installed.exit_code, needless.exit_code) == (0, 0)
    assert (Path(json.loads(installed.stdout)["folder"]) / "bin" / "python").exists()
    assert "needs nothing" in needless.stdout


def processes(folder: Path) -> Iterator[int]:
    """Yield the processes that work below a folder."""
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and Path(entry, "cwd").readlink().is_relative_to(folder):
                yield int(entry.name)
        except OSError:
            continue
