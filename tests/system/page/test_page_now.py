"""The live page in a real browser: what it shows of who works and of what waits, and how it comes to know."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace
from playwright.async_api import Browser, Route, expect

from tests.support import tasks
from tests.support.browser import PATIENCE_MS, needs_chromium, opened
from tests.support.gateways import TOKEN, Site
from tests.support.pages import IDS, of, say, submitted, visited, waiting
from testwright import clock
from testwright.bus import Bus
from testwright_schemas import LanePaused, TaskProgressed

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("page"), needs_chromium]

expect.set_options(timeout=PATIENCE_MS)


async def test_a_worker_of_several_namespaces_is_one_worker(browser: Browser, bus: Bus, site: Site) -> None:
    for namespace in ("default", "team"):
        event = submitted(1, f"of_{namespace}")
        start = of(tasks.started(worker="both"), event.task_id)
        await say(bus, *(replace(each, namespace=namespace) for each in (event, start)))
    async with visited(browser, site) as watched:
        await expect(watched.page.locator(".worker")).to_have_count(1)
        await expect(watched.page.locator(".worker a")).to_have_text(["of_default", "of_team"])
        await expect(watched.page.locator(".workers h2")).to_have_text("1 worker")


async def test_a_verifier_is_a_worker_with_what_it_judges_and_is_lost_where_another_one_took_over(
    browser: Browser, bus: Bus, site: Site
) -> None:
    async def judging(worker: str, for_s: float) -> None:
        told = TaskProgressed(**IDS, attempt=1, phase="verify", worker=worker, elapsed_s=for_s)
        await say(bus, of(told, "task-00001"))

    await say(bus, submitted(1, "calc"), of(tasks.started(), "task-00001"), of(tasks.generated(), "task-00001"))
    async with visited(browser, site) as watched:
        verifier = watched.page.locator(".worker[data-role=verifier]")
        await expect(verifier).to_have_count(0)
        await judging("judge-1", 40.0)
        await expect(verifier).to_have_text("verifier judge-1 calc")
        await judging("judge-2", 1.0)
        await judging("judge-1", 41.0)
        lost = watched.page.locator(".worker[data-state=lost]")
        await expect(lost).to_contain_text("verifier judge-1 lost at")
        await expect(lost).to_contain_text("its work went to judge-2")
        await expect(watched.page.locator(".worker[data-role=verifier][data-state=busy]")).to_contain_text("judge-2")
        await say(bus, of(tasks.verified(), "task-00001"))
        await expect(verifier.last).to_have_text("verifier judge-2 idle")


async def test_the_page_asks_once_and_is_told_the_rest(browser: Browser, bus: Bus, site: Site) -> None:
    await say(bus, submitted(1, "calc"))
    async with visited(browser, site) as watched:
        page = watched.page
        await page.locator(".row").click()
        await expect(page.locator(".timeline li")).to_have_count(1)
        asked = len(watched.requests)

        for number in range(20):
            message: dict[str, Any] = {
                **IDS,
                "task_id": "task-00001",
                "message": f"step {number}",
                "elapsed_s": float(number),
            }
            await say(bus, TaskProgressed(**message, attempt=1, phase="generate"))
            await expect(page.locator(".timeline li")).to_have_count(number + 2)

        await page.evaluate("location.hash = '#/waiting'")
        await expect(page.get_by_text("Every engine may begin.")).to_be_visible()
        await say(bus, *waiting("a reason", timedelta(hours=1)), of(tasks.started(), "task-00001"))
        await expect(page.locator("#waits")).to_contain_text("openhands rests until")
        await expect(page.locator(".waiting")).to_contain_text(["a reason", "every 60 s", "verify-normal"])
        await say(bus, of(tasks.failed(), "task-00001"))
        await expect(page.locator("#waits")).to_contain_text("1 try to come1 schedule1 dead letter")
        await expect(page.locator(".waiting", has_text="again at")).to_contain_text("calc")
        shorter = clock.now() + timedelta(seconds=1)
        await say(bus, LanePaused(namespace="default", lane="openhands", until=shorter, reason="a reason"))
        await expect(page.get_by_text("Every engine may begin.")).to_be_visible()  # the lane is open again
        await expect(page.locator("#waits")).not_to_contain_text("rests until")

        # Browsers fetch the icon when they like.
        assert [address for address in watched.requests[asked:] if not address.endswith("/icon.svg")] == []
        assert all(address.startswith(site.place.url) for address in watched.requests)
        assert await page.evaluate("document.cookie") == ""
        assert TOKEN not in page.url


@dataclass
class Mishap:
    """What happens to the first request of a kind: it is lost, or refused with a status."""

    path: str
    method: str = "GET"
    status: int | None = None

    async def befall(self, route: Route) -> None:
        """Do it to a request."""
        if route.request.method != self.method:
            await route.fallback()
        elif self.status is None:
            await route.abort("connectionreset")
        else:
            await route.fulfill(status=self.status, body="{}", headers={"Retry-After": "1"})


MISHAPS = {
    "a module of the page": Mishap("**/static/story.js"),
    "the request to sign in": Mishap("**/api/v1/session", "POST"),
    "the request to sign in, as one too many": Mishap("**/api/v1/session", "POST", 429),
    "the question who is signed in": Mishap("**/api/v1/session"),
    "the stream": Mishap("**/api/v1/board"),
    "the stream, as one too many": Mishap("**/api/v1/board", status=503),
}


@pytest.mark.parametrize("mishap", MISHAPS.values(), ids=MISHAPS)
async def test_whatever_is_lost_at_the_beginning_the_page_comes_again(
    browser: Browser, bus: Bus, site: Site, mishap: Mishap
) -> None:
    await say(bus, submitted(1, "calc"))
    async with opened(browser, "about:blank") as watched:
        page = watched.page
        # The question who is signed in comes after the sign-in has taken one of these times.
        times = 2 if mishap.path.endswith("session") and mishap.method == "GET" else 1
        await page.route(mishap.path, mishap.befall, times=times)
        await page.goto(f"{site.place.url}#token={TOKEN}")

        await expect(page.locator("#link")).to_have_text("live")
        await expect(page.locator(".row .module")).to_contain_text("calc")
        assert TOKEN not in page.url
        watched.complaints.clear()  # the browser notes each refusal


async def test_a_tab_behind_others_has_no_pictures_and_knows_what_happens_all_the_same(
    browser: Browser, bus: Bus, site: Site
) -> None:
    async with opened(browser, "about:blank") as watched:
        await watched.page.add_init_script("window.requestAnimationFrame = () => 0")
        await watched.page.goto(f"{site.place.url}#token={TOKEN}")
        await expect(watched.page.locator("#link")).to_have_text("live")
        await say(bus, submitted(1, "calc"), of(tasks.started(), "task-00001"))
        await expect(watched.page).to_have_title("1 at work · testwright")
