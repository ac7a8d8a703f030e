"""The live page in a real browser, against the real system: a server, and a process for each actor and the gateway."""

import json
import os
import signal
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from tests.support.browser import PATIENCE_MS, needs_chromium, opened
from tests.support.processes import POLICY, Child, Plant, local_plant, project
from testwright.gateway.listening import bind
from testwright_schemas import Policy

pytestmark = [pytest.mark.nats, pytest.mark.slow, pytest.mark.xdist_group("page"), needs_chromium]

TOKEN = "a-token"

expect.set_options(timeout=PATIENCE_MS)

MODULE = '''"""Prices."""


def double(price: int) -> int:
    """Return twice the price."""
    if price < 0:
        raise ValueError(price)
    return 2 * price
'''
SUITE = {
    "test_calc.py": "from calc import double\n\n\ndef test_doubles():\n    assert double(2) == 4\n\n\n"
    "def test_is_never_zero():\n    assert double(1) != 0\n"
}


@pytest.fixture(autouse=True)
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have gateways take a token of the test's own, and leave none in the user's folder."""
    monkeypatch.setenv("TESTWRIGHT_GATEWAY_TOKEN", TOKEN)


async def gateway(plant: Plant, port: int) -> tuple[Child, str]:
    child = await plant.run("run", "gateway", "--json", "--listen", f"127.0.0.1:{port}")
    page = json.loads(await child.says('"running"'))["page"]
    return child, f"{page}#token={TOKEN}"


def free_port() -> int:
    with bind("127.0.0.1", 0) as taken:
        port: int = taken.getsockname()[1]
        return port


async def mark(page: Page) -> None:
    """Leave something on the page that a reload would lose."""
    await page.evaluate("window.marked = true")


async def states(page: Page) -> dict[str, str]:
    """Return the state of each module in the list."""
    modules = await page.locator(".row .module").evaluate_all("all => all.map(one => one.firstChild.data)")
    return dict(zip(modules, await page.locator(".row .pill").all_text_contents(), strict=True))


async def test_a_task_appears_progresses_and_completes_on_the_page_with_no_reload(
    browser: Browser, tmp_path: Path
) -> None:
    path = project(tmp_path)
    path.write_text(MODULE, encoding="utf-8")
    async with local_plant() as plant:
        await plant.start_all()
        _, address = await gateway(plant, 0)
        async with opened(browser, address) as watched:
            page = watched.page
            await expect(page.locator("#link")).to_have_text("live")
            await expect(page.locator(".empty")).to_contain_text("No tasks yet")
            await mark(page)

            policy = Policy(engines=POLICY.engines, repeats=1, python=POLICY.python, coverage=10)
            await plant.client.submit([path], policy)
            call = await plant.stage.call()
            await expect(page.locator(".row .pill")).to_have_text("running")
            await expect(page.locator(".worker[data-role=generator][data-state=busy] a")).to_have_text("calc")
            await page.locator(".row").click()
            await expect(page.locator("#detail h2 .pill")).to_have_text("running")
            await call.deliver(SUITE)
            await expect(page.locator("#detail h2 .pill")).to_have_text("completed")

            await expect(page.locator(".timeline li[data-kind=task-finished] b")).to_have_text("completed")
            assert await page.locator(".timeline b").first.text_content() == "submitted"
            for role in ("generator", "verifier"):
                await expect(page.locator(f".worker[data-role={role}]")).to_contain_text("idle")
            await page.get_by_role("tab", name="Tests").click()
            await expect(page.locator(".tests")).to_contain_text("kept")
            await page.get_by_role("tab", name="Source").click()
            await expect(page.locator(".source tr[data-kind=missing]")).to_contain_text("raise ValueError(price)")
            await expect(page.locator(".source tr[data-kind=covered]").last).to_contain_text("return 2 * price")
            await expect(page.locator(".survivor").first).to_contain_text("survives")
            await watched.picture("page-source")
            await page.get_by_role("tab", name="Files").click()
            async with page.context.expect_page() as opening:
                await page.get_by_role("link", name="test_calc.py").click()
            assert "assert double(2) == 4" in await (await opening.value).locator("body").inner_text()
            assert await page.evaluate("window.marked")


async def test_the_page_goes_on_without_gaps_when_the_gateway_comes_back(browser: Browser, tmp_path: Path) -> None:
    async with local_plant() as plant:
        await plant.start_all("submitter", "collector", "generator")
        port = free_port()
        child, address = await gateway(plant, port)
        async with opened(browser, address) as watched:
            page = watched.page
            first = await plant.client.submit([project(tmp_path / "one", "one")], POLICY)
            held = await plant.stage.call()
            await expect(page.locator(".row .pill")).to_have_text("running")
            await page.locator(".row").click()
            await expect(page.locator(".timeline li[data-kind=attempt-started]")).to_have_count(1)
            await mark(page)

            child.kill()
            await expect(page.locator("#link")).to_have_text("reconnecting")
            await held.fail("gave-up", retryable=False)
            await plant.client.wait(first.tasks[0].id, timeout=60)
            second = await plant.client.submit([project(tmp_path / "two", "two")], POLICY)
            await (await plant.stage.call()).fail("gave-up", retryable=False)
            await plant.client.wait(second.tasks[0].id, timeout=60)
            await gateway(plant, port)

            await expect(page.locator("#link")).to_have_text("live")
            await expect(page.locator(".count")).to_have_text("2 tasks")
            await expect(page.locator("#detail h2 .pill")).to_have_text("failed")
            assert await states(page) == {"one": "failed", "two": "failed"}
            # It was told what had changed, not everything anew; and each event came once, in order.
            assert await page.evaluate("document.body.dataset.resets") == "1"
            await expect(page.locator(".timeline li[data-kind=task-finished]")).to_have_count(1)
            kinds = await page.locator(".timeline li").evaluate_all("all => all.map(one => one.dataset.kind)")
            told = [kind for kind in kinds if kind != "task-progressed"]
            assert told == ["task-submitted", "attempt-started", "attempt-failed", "task-finished"]
            assert await page.evaluate("window.marked")


async def test_a_killed_worker_shows_and_so_does_who_took_its_work(browser: Browser, tmp_path: Path) -> None:
    async with local_plant() as plant:
        await plant.start_all("submitter", "collector", "generator")
        await plant.lose_patience()
        _, address = await gateway(plant, 0)
        async with opened(browser, address) as watched:
            page = watched.page
            job = await plant.client.submit([project(tmp_path)], POLICY)
            call = await plant.stage.call()
            await expect(page.locator(".worker[data-state=busy]")).to_have_count(1)
            lost = await page.locator(".worker b").text_content()
            await plant.start("generator")

            os.kill(call.pid, signal.SIGKILL)
            again = await plant.stage.call()

            await expect(page.locator(".worker[data-state=lost]")).to_contain_text(f"{lost} lost")
            await expect(page.locator(".worker[data-state=busy]")).to_have_count(1)
            await page.locator(".row").click()
            await expect(page.locator(".timeline")).to_contain_text(f"{lost} was lost")
            await watched.picture("page-lost-worker")
            await again.fail("gave-up", retryable=False)
            await plant.client.wait(job.tasks[0].id, timeout=60)
            await expect(page.locator("#detail h2 .pill")).to_have_text("failed")
