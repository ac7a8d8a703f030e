"""A generator is killed in the middle of an agent's attempt: the next one does not pay for what that had paid for."""

import os
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from tests.support.processes import Child, Plant, first, local_plant
from tests.support.scripted_llm import KEY, Hangs, ScriptedModel, Step, create, finish, run, scripted
from testwright_schemas import (
    AttemptStarted,
    Policy,
    RetryPolicy,
    SuiteGenerated,
    TaskFinished,
    TaskProgressed,
    subjects,
)

pytestmark = [pytest.mark.slow, pytest.mark.nats, pytest.mark.timeout(400)]

SHOP = '''\
def price(pieces: int) -> int:
    """Return cents."""
    return pieces * 100
'''

TESTS = """\
from shop import price


def test_a_piece_costs_a_dollar():
    assert price(3) == 300
"""

PATH = "tests/generated/test_shop.py"
WORKING = (run("mkdir -p tests/generated; date; ls -l"), create(PATH, TESTS), run(f"python -m pytest -q {PATH}"))
"""Three steps, of which two print something else each time."""

POLICY = Policy(
    engines=("openhands",),
    repeats=1,
    mutants=False,
    python=sys.executable,
    budget_s=300,
    retry=RetryPolicy(base_s=0.1, jitter=0.0),
)


@asynccontextmanager
async def model(*steps: Step) -> AsyncGenerator[ScriptedModel]:
    """Run a model that processes started meanwhile find by their settings."""
    with pytest.MonkeyPatch.context() as environment:
        for name in [name for name in os.environ if name.startswith("TESTWRIGHT_LLM_")]:
            environment.delenv(name)
        async with scripted(*steps) as running:
            environment.setenv("TESTWRIGHT_LLM_BASE_URL", running.url)
            environment.setenv("TESTWRIGHT_LLM_MODEL", "scripted")
            environment.setenv("TESTWRIGHT_LLM_API_KEY", KEY)
            environment.setenv("TESTWRIGHT_LLM_INPUT_PRICE", "1")
            environment.setenv("TESTWRIGHT_LLM_OUTPUT_PRICE", "4")
            yield running


async def begun(site: Plant, folder: Path, policy: Policy) -> str:
    """Submit a module, and return its task."""
    await anyio.Path(folder).mkdir()
    await anyio.Path(folder, "pyproject.toml").write_text("")
    await anyio.Path(folder, "shop.py").write_text(SHOP)
    return (await site.client.submit([folder / "shop.py"], policy)).tasks[0].id


async def notes(site: Plant) -> list[bytes]:
    """Return what is kept of attempts under way."""
    return [stored.data async for stored in site.client.bus.last_per_subject(subjects.NOTES, [subjects.note()])]


async def said(site: Plant, task: str) -> tuple[SuiteGenerated, list[str]]:
    """Return what a finished task's last attempt has delivered, and all lines of progress."""
    delivered: list[SuiteGenerated] = []
    lines: list[str] = []
    async with site.client.watch(task) as events:
        async for _, event in events:
            match event:
                case SuiteGenerated():
                    delivered.append(event)
                case TaskProgressed():
                    lines.append(event.message)
                case TaskFinished():
                    break
                case _:
                    pass
    return delivered[-1], lines


async def replaced(site: Plant, worker: Child, asked: ScriptedModel, task: str) -> TaskFinished:
    """Kill the worker while the model hangs, start another one, and return the end of the task."""
    with anyio.fail_after(120):
        await asked.hung.wait()
    worker.kill()
    await asked.left.wait()
    async with site.client.watch(task) as events:
        await first(events, AttemptStarted)
        await site.start("generator")
        await site.lose_patience()
        await first(events, AttemptStarted)
        await site.be_patient()
    return await site.client.wait(task, timeout=150)


async def test_what_an_attempt_had_paid_for_when_its_worker_was_killed_is_not_paid_for_again(tmp_path: Path) -> None:
    async with model(*WORKING, Hangs(), finish()) as asked, local_plant() as site:
        actors = await site.start_all()
        task = await begun(site, tmp_path / "shop", POLICY)
        ended = await replaced(site, actors["generator"], asked, task)
        generated, told = await said(site, task)
        left = await notes(site)

    assert (ended.outcome, ended.error, ended.attempts) == ("completed", None, 2)
    # Each step once, and the one that was never answered once more.
    assert len(asked.calls) == len(WORKING) + 2
    assert (generated.usage.input_tokens, generated.usage.output_tokens) == (1000, 100)
    assert (ended.usage.input_tokens, ended.usage.output_tokens) == (4000, 400)
    assert ended.usage.cost_usd == pytest.approx(0.0056)
    assert any("3 calls not paid again" in message for message in told)
    assert left == []
