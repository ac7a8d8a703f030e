"""Agents on a real agent server, with a scripted model: pushed events, limits, and an end that ends them there too."""

import os
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from tests.support import agent_server as servers
from tests.support.agent_server import Server, agent_server
from tests.support.assignments import Reports, assignment
from tests.support.scripted_llm import KEY, Fails, Hangs, Says, Sends, Step, create, finish, run, scripted
from testwright.engines import Assignment
from testwright.engines.openhands import OpenHandsEngine
from testwright.engines.openhands.lanes import Closures
from testwright.errors import EngineError
from testwright_schemas import Policy

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400), pytest.mark.xdist_group("agent-server")]

SHOP = "def price(pieces: int) -> int:\n    return pieces * 100\n"
TESTS = "from shop import price\n\n\ndef test_price():\n    assert price(3) == 300\n"
OVERFLOW = "context_length_exceeded"
PATH = "tests/generated/test_shop.py"


@pytest.fixture(scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Server]:
    """Yield a server that all tests share."""
    async with agent_server(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch, server: Server) -> None:
    for name in [name for name in os.environ if name.startswith(("TESTWRIGHT_LLM_", "TESTWRIGHT_OPENHANDS_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("TESTWRIGHT_OPENHANDS_URL", server.url)
    monkeypatch.setenv("TESTWRIGHT_OPENHANDS_API_KEY", servers.KEY)
    monkeypatch.setenv("TESTWRIGHT_LLM_MODEL", "scripted")
    monkeypatch.setenv("TESTWRIGHT_LLM_API_KEY", KEY)
    monkeypatch.setenv("TESTWRIGHT_LLM_INPUT_PRICE", "1")
    monkeypatch.setenv("TESTWRIGHT_LLM_OUTPUT_PRICE", "4")


def engine() -> OpenHandsEngine:
    return OpenHandsEngine(Closures())


def shop(folder: Path, *, budget_s: float = 60.0) -> Assignment:
    work = assignment(folder, {"shop.py": SHOP, "tests/test_till.py": "def test_till():\n    assert 1\n"}, "shop")
    return replace(work, policy=Policy(budget_s=budget_s, timeout_s=300))


async def failure(work: Assignment) -> EngineError:
    with pytest.raises(EngineError) as caught:
        await engine().generate(work, Reports())
    return caught.value


def left_behind(server: Server) -> list[str]:
    """Return the folders of attempts that are still on the server."""
    return [path.name for path in server.folder.glob("testwright-*")]


async def test_what_an_agent_wrote_there_is_brought_back_with_what_it_took(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reports = Reports()
    steps = (run("mkdir -p tests/generated; cat shop.py"), create(PATH, TESTS), finish())
    async with scripted(*steps) as model:
        monkeypatch.setenv("TESTWRIGHT_LLM_BASE_URL", model.url)
        candidate = await engine().generate(shop(tmp_path), reports)

    assert candidate.files == {"test_shop.py": TESTS.encode()}
    assert (candidate.usage.model, candidate.usage.input_tokens, candidate.usage.output_tokens) == (
        "scripted",
        3000,
        300,
    )
    assert candidate.usage.cost_usd == pytest.approx(0.0042)
    assert any(line.startswith(f"step 2: file_editor create {PATH}") for line in reports.messages)
    assert "return pieces * 100" in str(model.calls[-1]["messages"])
    assert "PYTHONPATH=. python -m pytest" in str(model.calls[0]["messages"])
    assert left_behind(server) == []


async def test_a_claim_of_success_there_is_a_failure_with_what_it_took_and_the_key_stays_here(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TESTWRIGHT_OPENHANDS_RELAY_HOST", "127.0.0.1")
    # A pattern that does not match itself, as events tell it.
    looking = run(f"env; grep -rlE '{KEY[:-1]}[{KEY[-1]}]' {server.folder} && echo found the key")
    async with scripted(looking, finish("I wrote 12 tests.")) as model:
        monkeypatch.setenv("TESTWRIGHT_LLM_BASE_URL", model.url)
        error = await failure(shop(tmp_path))

    assert (error.cause, error.retryable) == ("nothing-generated", False)
    assert error.usage
    assert error.usage.input_tokens == 2000
    assert error.usage.cost_usd == pytest.approx(0.0028)
    told = [str(one["content"]) for one in model.calls[-1]["messages"] if one["role"] == "tool"]
    assert "PATH=" in str(told)
    assert "found the key\n" not in str(told)


async def test_cancelling_an_attempt_stops_the_agent_there(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with scripted(run("sleep 1000 & echo started"), Hangs()) as model:
        monkeypatch.setenv("TESTWRIGHT_LLM_BASE_URL", model.url)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(engine().generate, shop(tmp_path), Reports())
            await model.hung.wait()
            tasks.cancel_scope.cancel()
        with anyio.fail_after(30):
            await model.left.wait()

    assert left_behind(server) == []
    assert list((server.folder / "conversations").glob("*/events")) == []


async def test_at_the_time_limit_the_agent_is_interrupted_there_and_what_is_there_is_delivered(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with scripted(create("tests/test_shop.py", TESTS), Hangs()) as model:
        monkeypatch.setenv("TESTWRIGHT_LLM_BASE_URL", model.url)
        candidate = await engine().generate(shop(tmp_path, budget_s=6), Reports())

    assert list(candidate.files) == ["test_shop.py"]
    assert b"paused" in candidate.log
    assert left_behind(server) == []


async def test_at_the_cost_limit_the_agent_is_interrupted_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TESTWRIGHT_LLM_MAX_COST", "0.002")
    async with scripted(run("echo one"), run("echo two"), Hangs()) as model:
        monkeypatch.setenv("TESTWRIGHT_LLM_BASE_URL", model.url)
        error = await failure(shop(tmp_path))

    assert (error.cause, error.retryable) == ("cost-limit", False)
    assert error.usage
    assert error.usage.cost_usd == pytest.approx(0.0028)


@pytest.mark.parametrize(
    ("step", "cause", "retry_after_s"),
    [
        (Fails(401, f"wrong key {KEY}"), "bad-credentials", None),
        (Fails(429), "rate-limited", 20.0),
    ],
)
async def test_what_the_model_answers_there_is_told_apart(
    step: Fails, cause: str, retry_after_s: float | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with scripted(step) as model:
        monkeypatch.setenv("TESTWRIGHT_LLM_BASE_URL", model.url)
        error = await failure(shop(tmp_path))

    assert error.cause == cause
    assert error.retry_after_s == (None if retry_after_s is None else pytest.approx(retry_after_s))
    assert KEY not in str(error) + error.log.decode()


@pytest.mark.parametrize(
    ("steps", "cause"),
    [
        ([Fails(400, "This model's maximum context length is 10 tokens.", code=OVERFLOW)], "context-overflow"),
        ([Says(ends="content_filter", text="I cannot help with that.")], "model-refused"),
        ([Sends(b"<html>maintenance</html>")], "model-unavailable"),
        ([run("echo the same again")], "agent-stuck"),
        ([run("echo one"), run("echo two"), run("echo three"), run("echo four")], "iteration-limit"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_what_ends_an_agent_that_is_relayed_is_told_apart(
    steps: list[Step], cause: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TESTWRIGHT_OPENHANDS_RELAY_HOST", "127.0.0.1")
    monkeypatch.setenv("TESTWRIGHT_LLM_MAX_ITERATIONS", "3" if cause == "iteration-limit" else "20")
    async with scripted(*steps) as model:
        monkeypatch.setenv("TESTWRIGHT_LLM_BASE_URL", model.url)
        error = await failure(shop(tmp_path))

    assert error.cause == cause


async def test_a_wrong_key_of_the_server_and_a_server_that_is_not_there_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TESTWRIGHT_OPENHANDS_API_KEY", "wrong")
    refused = await failure(shop(tmp_path / "refused"))
    monkeypatch.setenv("TESTWRIGHT_OPENHANDS_URL", "http://127.0.0.1:9")
    absent = await failure(shop(tmp_path / "absent"))

    assert (refused.cause, refused.retryable) == ("bad-credentials", False)
    assert (absent.cause, absent.retryable) == ("agent-server-unreachable", True)
