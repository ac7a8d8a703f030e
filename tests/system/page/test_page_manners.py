"""The live page in a real browser: what it withstands, whom it serves, and what it never does."""

from datetime import timedelta
from typing import Any, Literal

import pytest
from msgspec.structs import replace
from playwright.async_api import Browser, expect

from tests.support import tasks
from tests.support.browser import PATIENCE_MS, needs_chromium, opened
from tests.support.gateways import TOKEN, Site
from tests.support.pages import IDS, of, say, stored, submitted, visited, waiting
from testwright import clock
from testwright.bus import Bus
from testwright.snapshots import archive
from testwright_schemas import (
    CaseVerdict,
    CollectSuites,
    EventMessage,
    JobSubmitted,
    NoWork,
    Plan,
    RunCommand,
    StageFinished,
    StageSpec,
    StageStarted,
    SubmitModules,
    TaskProgressed,
    WorkflowStarted,
    subjects,
)

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("page"), needs_chromium]

expect.set_options(timeout=PATIENCE_MS)

HOSTILE = '<img src=x onerror="alert(1)">"><script>alert(2)</script>'


async def test_hostile_names_messages_sources_and_logs_are_texts_and_nothing_else(
    browser: Browser, bus: Bus, site: Site
) -> None:
    log = await stored(bus, f"{HOSTILE}.log", HOSTILE.encode())
    source = archive.pack({"calc.py": f"# {HOSTILE}\n".encode()})
    event = submitted(1, HOSTILE)
    snapshot = replace(event.snapshot, digest=await bus.put(subjects.SNAPSHOTS, "default", source))
    target = replace(event.target, path="calc.py")
    case = CaseVerdict(id=HOSTILE, verdict="failing", reason=HOSTILE)
    failed = of(tasks.failed(), event.task_id, log=log)
    await say(
        bus,
        *waiting(HOSTILE, timedelta(hours=1)),
        replace(event, snapshot=snapshot, target=target),
        of(tasks.started(worker=HOSTILE), event.task_id),
        of(TaskProgressed(**IDS, attempt=1, phase="generate", message=HOSTILE), event.task_id),
        of(TaskProgressed(**IDS, attempt=1, phase="verify", worker=HOSTILE), event.task_id),
        replace(failed, failure=replace(failed.failure, cause=HOSTILE, message=HOSTILE)),
        of(tasks.finished("failed"), event.task_id, module=HOSTILE, tests=(case,)),
    )

    async with visited(browser, site) as watched:
        page = watched.page
        await expect(page.locator(".row .module")).to_contain_text(HOSTILE)
        await expect(page.locator(".worker b")).to_have_text([HOSTILE, HOSTILE])
        await page.evaluate("location.hash = '#/waiting'")
        await expect(page.locator(".waiting", has_text=HOSTILE)).to_have_count(3)
        await page.evaluate("location.hash = '#/tasks'")
        await page.locator(".row").click()
        await expect(page.locator("#detail h2")).to_contain_text(HOSTILE)
        await expect(page.locator(".timeline")).to_contain_text(HOSTILE)
        await page.get_by_role("tab", name="Tests").click()
        await expect(page.locator(".tests .id")).to_have_text(HOSTILE)
        await page.get_by_role("tab", name="Source").click()
        await expect(page.locator(".source code")).to_have_text(f"# {HOSTILE}")
        await page.get_by_role("tab", name="Log").click()
        await expect(page.locator(".log")).to_have_text(HOSTILE)
        await page.get_by_role("tab", name="Files").click()
        await expect(page.locator(".files a").first).to_have_text(f"{HOSTILE}.log")
        await page.locator("#search").fill(HOSTILE)
        await expect(page.locator(".count")).to_have_text("1 task")
        assert await page.locator("img[src=x], script:not([src])").count() == 0
        assert watched.complaints == []
        outcome = await page.evaluate(
            "() => { try { document.body.innerHTML = '<b>'; return 'taken'; } catch (error) { return error.name; } }"
        )
        assert outcome == "TypeError"  # the policy refuses markup even to a script of our own
        watched.complaints.clear()


def run() -> list[EventMessage]:
    stages = (
        StageSpec(name="tests", work=SubmitModules(paths=("src",))),
        StageSpec(name="build", work=RunCommand(argv=("make",))),
        StageSpec(name="docs", work=NoWork(), optional=True),
        StageSpec(name="deliver", work=CollectSuites(stage="tests"), needs=("tests", "build")),
    )
    ids: dict[str, Any] = {"namespace": "default", "run_id": "run-1"}
    begun = clock.now() - timedelta(seconds=70)
    later = begun + timedelta(seconds=40)
    return [
        WorkflowStarted(**ids, plan=Plan(stages=stages, name="release"), root="/project", started_at=begun),
        StageStarted(**ids, stage="tests", claim_id="c", started_at=begun),
        StageStarted(**ids, stage="build", claim_id="c", started_at=begun),
        StageFinished(**ids, stage="docs", outcome="skipped", message="nothing to do", completed_at=begun),
        StageFinished(**ids, stage="tests", outcome="completed", started_at=begun, completed_at=later, job_id="job-1"),
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_every_view_is_accessible_in_both_themes(
    browser: Browser, bus: Bus, site: Site, scheme: Literal["light", "dark"]
) -> None:
    kinds = (tasks.started(), tasks.generated(), tasks.failed(), tasks.finished(), tasks.finished("failed"))
    source = await bus.put(
        subjects.SNAPSHOTS, "default", archive.pack({"calc.py": b"def add(a, b):\n    return a + b\n"})
    )
    for number, kind in enumerate((*kinds, tasks.finished("cancelled"), None), start=1):
        event = submitted(number, f"shop.module_{number}")
        target = replace(event.target, path="calc.py")
        await say(bus, replace(event, target=target, snapshot=replace(event.snapshot, digest=source)))
        await say(
            bus,
            *([of(tasks.started(worker=f"worker-{number}"), event.task_id), of(kind, event.task_id)] if kind else []),
        )
    await say(bus, of(tasks.started(tasks.first(2), worker="worker-9"), "task-00001"))
    judged = TaskProgressed(**IDS, attempt=1, phase="verify", worker="judge", message="running the tests")
    await say(bus, of(judged, "task-00002"), *waiting("a reason", timedelta(hours=1)))
    await say(
        bus, JobSubmitted(namespace="default", job_id="job-1", task_ids=("task-1",), created_at=tasks.NOW), *run()
    )

    # What differs from the light one are the colours.
    rules = ("color-contrast",) if scheme == "dark" else ()
    async with visited(browser, site, scheme=scheme) as watched:
        page = watched.page
        await expect(page.locator(".row")).to_have_count(7)
        await expect(page.locator(".worker[data-state=lost]")).to_have_count(1)
        found = await watched.violations(*rules)
        await page.locator(".row", has_text="module_4").click()
        for tab in ("Timeline", "Tests", "Source", "Log", "Files"):
            await page.get_by_role("tab", name=tab).click()
            await expect(page.locator(".panel > *").first).to_be_visible()
            found += await watched.violations(*rules)
        for view, shown in (("Jobs", ".card"), ("Workflow runs", ".stages"), ("Waiting", ".waiting")):
            await page.get_by_role("link", name=view).click()
            await expect(page.locator(shown).first).to_be_visible()
            found += await watched.violations(*rules)
        assert found == []
        await expect(page.locator(".waiting")).to_have_count(4)
        await page.get_by_role("link", name="Workflow runs").click()
        await expect(page.locator(".run")).to_contain_text("Critical path: build")
        if scheme == "light":
            await watched.picture("page-runs")
        await page.get_by_role("link", name="Tasks", exact=True).click()
        await page.locator(".row", has_text="module_4").click()
        await expect(page.locator(".timeline li")).to_have_count(3)
        await watched.picture(f"page-{scheme}")


async def test_ten_thousand_tasks_are_searched_and_walked_through_from_the_keyboard(
    browser: Browser, bus: Bus, site: Site
) -> None:
    await say(bus, *(submitted(number, f"package{number % 100}.module_{number}") for number in range(10_000)))
    await say(bus, of(tasks.finished("failed"), "task-01234"))

    async with visited(browser, site) as watched:
        page = watched.page
        active = page.locator(".row.active .module")
        await expect(page.locator(".count")).to_have_text("10000 tasks")
        assert await page.locator(".row").count() < 60

        await page.keyboard.press("Escape")
        await page.keyboard.press("End")
        await expect(active).to_contain_text("module_0")
        await page.keyboard.press("Home")
        await page.keyboard.press("ArrowDown")
        await expect(active).to_contain_text("module_9998")
        await page.keyboard.press("Enter")
        await expect(page.locator("#detail h2")).to_contain_text("module_9998")
        assert page.url.endswith("#/task/default/task-09998")
        await page.keyboard.press("Escape")
        await expect(page.locator("#detail")).to_be_hidden()
        await page.keyboard.press("/")
        await page.keyboard.type("task-01234")
        await expect(page.locator(".count")).to_have_text("1 of 10000 tasks")
        await page.locator("#search").fill("")
        await page.locator("#module").fill("package7")
        await expect(page.locator(".count")).to_have_text("100 of 10000 tasks")
        await page.locator("#module").fill("")
        await page.locator(".tile[data-state=failed]").click()
        await expect(page.locator(".count")).to_have_text("1 of 10000 tasks")
        link = page.url

        other = await page.context.new_page()
        await other.goto(link)
        await expect(other.locator(".count")).to_have_text("1 of 10000 tasks")
        await other.goto(f"{site.place.url}#/task/task-00042")
        await expect(other.locator("#detail h2")).to_contain_text("module_42")


async def test_a_link_leads_to_a_part_of_a_task_and_back_to_its_job(browser: Browser, bus: Bus, site: Site) -> None:
    again = replace(submitted(2, "shop"), retry_of="task-00001")
    await say(bus, submitted(1, "calc"), again, of(tasks.finished("failed"), "task-00001"))
    async with visited(browser, site, "task/default/task-00002/files") as watched:
        page = watched.page
        await expect(page.get_by_role("tab", name="Files")).to_have_attribute("aria-selected", "true")
        assert await page.title() == "shop queued · testwright"
        await page.get_by_role("tab", name="Tests").click()
        assert page.url.endswith("#/task/default/task-00002/tests")
        await page.get_by_role("link", name="task-00001").click()
        await expect(page.locator("#detail h2")).to_contain_text("calc")
        await expect(page.get_by_role("tab", name="Timeline")).to_have_attribute("aria-selected", "true")
        await page.locator("#detail").get_by_role("link", name=again.job_id).click()
        await expect(page.locator(".count")).to_have_text("2 tasks")
        assert f"text={again.job_id}" in page.url


async def test_a_log_stays_where_it_is_read_and_follows_who_reads_its_end(
    browser: Browser, bus: Bus, site: Site
) -> None:
    async def progress(number: int) -> None:
        told: dict[str, Any] = {**IDS, "task_id": "task-00001", "message": f"step {number}"}
        await say(bus, TaskProgressed(**told, attempt=1, phase="generate", elapsed_s=float(number)))

    await say(bus, submitted(1, "calc"))
    for number in range(60):
        await progress(number)
    async with visited(browser, site, "task/default/task-00001/log") as watched:
        panel = watched.page.locator("#panel")
        rest = "one => one.scrollHeight - one.scrollTop - one.clientHeight"
        await expect(panel.locator(".log")).to_contain_text("step 59")
        await progress(60)
        await expect(panel.locator(".log")).to_contain_text("step 60")
        assert await panel.evaluate(rest) < 5
        await panel.evaluate("one => { one.scrollTop = 40; }")
        await progress(61)
        await expect(panel.locator(".log")).to_contain_text("step 61")
        assert await panel.evaluate("one => one.scrollTop") == 40


async def test_a_telephone_shows_all_of_it(browser: Browser, bus: Bus, site: Site) -> None:
    await say(
        bus, submitted(1, "a.module.with.a.long.name.that.goes.on"), *run(), *waiting("a" * 80, timedelta(hours=1))
    )
    async with visited(browser, site) as watched:
        page = watched.page
        await page.set_viewport_size({"width": 360, "height": 740})
        for place in ("tasks", "task/default/task-00001", "jobs", "runs", "waiting"):
            await page.evaluate(f"location.hash = '#/{place}'")
            await expect(page.locator("#panes")).to_be_visible()
            assert await page.evaluate("document.scrollingElement.scrollWidth") <= 360
        assert await watched.violations() == []


async def test_a_task_is_cancelled_and_done_again_from_the_page(browser: Browser, bus: Bus, site: Site) -> None:
    await say(bus, submitted(1, "calc"), submitted(2, "shop"), of(tasks.finished("failed"), "task-00002"))
    async with visited(browser, site, "task/task-00001") as watched:
        page = watched.page
        filters = [subjects.command_filter(verb, "default") for verb in ("cancel", "retry")]
        async with bus.feed(subjects.COMMANDS, filters) as commands:
            await page.get_by_role("button", name="Cancel", exact=True).click()
            cancel = await anext(commands)
            await page.evaluate("location.hash = '#/task/task-00002'")
            await page.get_by_role("button", name="Retry").click()
            retry = await anext(commands)

    assert b'"task-00001"' in cancel.data
    assert b'"retry_of":"task-00002"' in retry.data


async def test_whoever_has_no_token_is_asked_for_one(browser: Browser, site: Site) -> None:
    async with opened(browser, site.place.url) as watched:
        page = watched.page
        await page.get_by_label("Token").fill("wrong")
        await page.get_by_role("button", name="Open").click()
        await expect(page.locator(".notice")).to_contain_text("token")
        assert await watched.violations() == []
        await page.get_by_label("Token").fill(TOKEN)
        await page.keyboard.press("Enter")
        await expect(page.locator("#link")).to_have_text("live")
        watched.complaints.clear()  # the browser notes each refusal
