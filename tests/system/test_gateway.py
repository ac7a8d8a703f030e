"""The gateway as its callers see it: real HTTP on a real socket, over the whole product in one process."""

import gzip
from collections.abc import AsyncGenerator
from contextlib import aclosing

import anyio
import httpx
import pytest

from tests.support.gateways import TEAM_TOKEN, Site, gateway, stream
from tests.support.world import World, world
from testwright.snapshots import archive
from testwright_schemas import subjects

PROJECT = {
    "calc.py": b"def add(a, b):\n    return a + b\n",
    "shop/__init__.py": b"",
    "shop/cart.py": b"def total(): ...\n",
}
ECHO = {"engines": ["echo"]}


@pytest.fixture
async def everything() -> AsyncGenerator[tuple[World, Site]]:
    async with world() as made, made.server.connect("gateway") as bus, gateway(bus) as site:
        yield made, site


@pytest.fixture
def made(everything: tuple[World, Site]) -> World:
    return everything[0]


@pytest.fixture
def site(everything: tuple[World, Site]) -> Site:
    return everything[1]


async def submit(site: Site, *paths: str) -> list[str]:
    uploaded = await site.http.post("/api/v1/snapshots", content=archive.pack(PROJECT))
    assert uploaded.status_code == 201, uploaded.text
    body = {"snapshot": uploaded.json()["digest"], "paths": paths or ["calc.py"], "policy": ECHO}
    submitted = await site.http.post("/api/v1/jobs", json=body)
    assert submitted.status_code == 202, submitted.text
    return [task["id"] for task in submitted.json()["tasks"]]


async def result(site: Site, task_id: str) -> httpx.Response:
    """Return the result of a task that has just been submitted: its row may not be there yet."""
    async with stream(site.http, f"/api/v1/events?task={task_id}") as frames:
        async for frame in frames:
            if frame.event == "task-finished":
                break
    return await site.http.get(f"/api/v1/tasks/{task_id}/result?wait=20")


def problem(response: httpx.Response) -> tuple[int, str]:
    assert response.headers["content-type"] == "application/problem+json"
    found = response.json()
    assert found["status"] == response.status_code
    assert found["title"]
    return response.status_code, found["type"].rpartition(":")[2]


async def test_whoever_has_no_nats_submits_a_project_and_fetches_its_tests(site: Site) -> None:
    [task_id] = await submit(site)

    found = (await result(site, task_id)).json()
    suite = await site.http.get(f"/api/v1/tasks/{task_id}/artifacts/{found['files'][0]['digest']}")

    assert (found["outcome"], found["module"]) == ("completed", "calc")
    assert suite.text == "def test_it():\n    assert True\n"
    assert suite.headers["content-type"].startswith("text/plain")
    assert "sandbox" in suite.headers["content-security-policy"]
    source = (await site.http.get(f"/api/v1/tasks/{task_id}/source")).json()
    assert source["lines"] == ["def add(a, b):", "    return a + b"]


async def test_a_folder_stands_for_its_modules_and_what_is_left_out_is_said(site: Site) -> None:
    uploaded = await site.http.post("/api/v1/snapshots", content=archive.pack(PROJECT))
    body = {"snapshot": uploaded.json()["digest"], "paths": ["."], "policy": ECHO}

    submitted = (await site.http.post("/api/v1/jobs", json=body)).json()

    assert [task["module"] for task in submitted["tasks"]] == ["calc", "shop.cart"]
    assert list(submitted["skipped"]) == ["shop/__init__.py"]


async def test_tasks_are_listed_newest_first_by_filter_and_page(site: Site) -> None:
    for task_id in await submit(site, "."):
        await result(site, task_id)

    async def modules(query: str) -> list[str]:
        return [row["module"] for row in (await site.http.get(f"/api/v1/tasks?{query}")).json()["tasks"]]

    assert sorted(await modules("")) == ["calc", "shop.cart"]
    assert await modules("module=shop") == ["shop.cart"]
    assert await modules("text=CALC&state=completed") == ["calc"]
    assert await modules("state=failed") == []
    first = (await site.http.get("/api/v1/tasks?limit=1")).json()
    second = (await site.http.get(f"/api/v1/tasks?limit=1&after={first['next']}")).json()
    assert {first["tasks"][0]["module"], second["tasks"][0]["module"]} == {"calc", "shop.cart"}
    assert (first["total"], second["next"]) == (2, None)


async def test_a_task_is_cancelled_and_done_again(made: World, site: Site) -> None:
    made.engine.hold()
    [task_id] = await submit(site)
    await made.engine.has_begun(1)

    assert problem(await site.http.get(f"/api/v1/tasks/{task_id}/result")) == (409, "task-not-ended")
    assert problem(await site.http.post(f"/api/v1/tasks/{task_id}/retry")) == (409, "task-not-ended")
    assert (await site.http.post(f"/api/v1/tasks/{task_id}/cancel", json={"reason": "no"})).status_code == 202
    assert (await result(site, task_id)).json()["outcome"] == "cancelled"
    made.engine.go.set()
    again = (await site.http.post(f"/api/v1/tasks/{task_id}/retry")).json()

    assert (await result(site, again["tasks"][0]["id"])).json()["outcome"] == "completed"


async def test_a_listener_that_was_cut_off_anywhere_goes_on_with_the_very_next_event(site: Site) -> None:
    [task_id] = await submit(site)
    await result(site, task_id)
    path = f"/api/v1/events?task={task_id}"

    async def heard(after: int) -> list[int]:
        found: list[int] = []
        async with stream(site.http, path, after) as frames:
            async for frame in frames:
                found.append(frame.id or 0)
                if frame.event == "task-finished":
                    return found
        raise AssertionError(found)

    everything = await heard(0)

    assert everything == sorted(set(everything))
    for index, cut in enumerate(everything[:-1]):
        assert await heard(cut) == everything[index + 1 :]


async def test_the_board_resumes_with_what_has_changed_and_nothing_else(site: Site) -> None:
    [first] = await submit(site)
    await result(site, first)
    async with stream(site.http, "/api/v1/board") as frames:
        seen = await anext(frames)
    [second] = await submit(site, "shop/cart.py")
    await result(site, second)

    async with stream(site.http, "/api/v1/board", seen.id) as frames:
        resumed = await anext(frames)

    assert ([row["id"] for row in seen.data["tasks"]], seen.data["reset"]) == ([first], True)
    assert ([row["id"] for row in resumed.data["tasks"]], resumed.data["reset"]) == ([second], False)


async def test_a_listener_from_another_stream_is_told_everything_anew(site: Site) -> None:
    async with stream(site.http, "/api/v1/board", 10_000_000) as frames:
        assert (await anext(frames)).data["reset"]


async def test_a_token_opens_its_own_namespace_only(site: Site) -> None:
    [task_id] = await submit(site)
    await result(site, task_id)

    async with site.caller(Authorization=f"Bearer {TEAM_TOKEN}") as team:
        assert (await team.get("/api/v1/tasks")).json()["total"] == 0
        assert problem(await team.get(f"/api/v1/tasks/{task_id}")) == (404, "task-not-found")
        assert problem(await team.get("/api/v1/tasks?namespace=default")) == (403, "namespace-closed")
        assert problem(await team.get("/api/v1/events?namespace=default")) == (403, "namespace-closed")
        stored = (await site.http.post("/api/v1/snapshots", content=archive.pack(PROJECT))).json()["digest"]
        body = {"snapshot": stored, "paths": ["calc.py"], "policy": ECHO}
        assert problem(await team.post("/api/v1/jobs", json=body)) == (404, "content-not-found")
        async with stream(team, "/api/v1/board") as frames:
            assert (await anext(frames)).data["tasks"] == []


async def test_what_is_no_file_of_a_task_is_not_to_be_had_through_it(made: World, site: Site) -> None:
    [task_id] = await submit(site)
    own = (await result(site, task_id)).json()["files"][0]["digest"]
    other = await made.bus.put(subjects.ARTIFACTS, "default", b"a file of somebody else's task")

    assert (await site.http.get(f"/api/v1/tasks/{task_id}/artifacts/{own}")).status_code == 200
    assert problem(await site.http.get(f"/api/v1/tasks/{task_id}/artifacts/{other}")) == (404, "content-not-found")


async def test_the_cookie_of_the_page_acts_for_the_page_only(site: Site) -> None:
    session = await site.http.post("/api/v1/session")
    cookie = session.headers["set-cookie"]
    own = site.place.url.rstrip("/")
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie

    async with site.caller(Cookie=cookie.partition(";")[0]) as page:
        assert (await page.get("/api/v1/tasks")).status_code == 200
        assert problem(await page.post("/api/v1/tasks/t/cancel")) == (403, "foreign-origin")
        evil = {"Origin": "http://evil.example"}
        assert problem(await page.post("/api/v1/tasks/t/cancel", headers=evil)) == (403, "foreign-origin")
        assert problem(await page.get("/api/v1/tasks", headers=evil)) == (403, "foreign-origin")
        assert problem(await page.post("/api/v1/tasks/t/cancel", headers={"Origin": own})) == (404, "task-not-found")


async def test_a_name_that_another_site_points_here_is_not_answered(site: Site) -> None:
    rebound = await site.http.get("/api/v1/tasks", headers={"Host": "evil.example"})

    assert problem(rebound) == (421, "unknown-host")


@pytest.mark.parametrize(
    ("method", "path", "body", "told"),
    [
        ("GET", "/api/v1/nothing", {}, (404, "not-found")),
        ("PUT", "/api/v1/tasks", {}, (405, "method-not-allowed")),
        ("GET", "/api/v1/tasks/none", {}, (404, "task-not-found")),
        ("GET", "/api/v1/tasks/none/result", {}, (404, "task-not-found")),
        ("POST", "/api/v1/jobs/none/cancel", {}, (404, "task-not-found")),
        ("POST", "/api/v1/runs/none/cancel", {}, (404, "run-not-found")),
        ("GET", "/api/v1/events?task=a.b", {}, (404, "task-not-found")),
        ("GET", "/api/v1/tasks?limit=many", {}, (422, "invalid-parameter")),
        ("GET", "/api/v1/tasks?namespace=*", {}, (422, "invalid-parameter")),
        ("POST", "/api/v1/jobs", {"content": b"{"}, (400, "malformed-body")),
        ("POST", "/api/v1/jobs", {"json": {"paths": []}}, (422, "invalid-body")),
        ("POST", "/api/v1/jobs", {"json": {"snapshot": "0" * 64, "paths": ["a.py"]}}, (404, "content-not-found")),
        ("POST", "/api/v1/jobs", {"data": {"a": "b"}}, (415, "json-expected")),
        ("POST", "/api/v1/jobs", {"content": b"[" * 2_000_000}, (413, "body-too-large")),
        ("POST", "/api/v1/snapshots", {"content": b"nothing packed"}, (422, "invalid-snapshot")),
        ("POST", "/api/v1/snapshots", {"content": gzip.compress(b"\0" * 200_000_000)}, (422, "invalid-snapshot")),
    ],
)
async def test_every_error_is_a_problem_that_says_what_is_wrong(
    site: Site, method: str, path: str, body: dict[str, object], told: tuple[int, str]
) -> None:
    if "content" in body:
        body = {"headers": {"Content-Type": "application/json"}, **body}

    assert problem(await site.http.request(method, path, **body)) == told  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  of a table


async def test_nobody_gets_in_without_a_token(site: Site) -> None:
    async with site.caller() as stranger, site.caller(Authorization="Bearer wrong") as liar:
        for path in ("/api/v1/tasks", "/api/v1/board", "/api/v1/nothing"):
            refused = await stranger.get(path)
            assert problem(refused) == (401, "token-missing")
            assert refused.headers["www-authenticate"].startswith("Bearer")
            assert problem(await liar.get(path)) == (401, "token-missing")
        assert (await stranger.get("/")).status_code == 200
        assert (await stranger.get("/openapi.json")).json()["openapi"] == "3.1.0"


async def test_only_so_many_listen_at_a_time(site: Site) -> None:
    async with anyio.create_task_group() as tasks, httpx.AsyncClient(limits=httpx.Limits(), timeout=30) as http:
        http.base_url, http.headers = httpx.URL(site.place.url), site.http.headers

        async def listen(*, task_status: anyio.abc.TaskStatus[None]) -> None:
            async with stream(http, "/api/v1/board") as frames, aclosing(frames):  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]  a generator
                await anext(frames)
                task_status.started()
                await anyio.sleep_forever()

        for _ in range(64):
            await tasks.start(listen)
        refused = await site.http.get("/api/v1/board")

        assert problem(refused) == (503, "too-many-streams")
        assert refused.headers["retry-after"]
        tasks.cancel_scope.cancel()


async def test_an_event_that_nobody_can_read_does_not_stop_the_board(made: World, site: Site) -> None:
    subject = subjects.task_event("default", "task-odd", "submitted")
    await made.bus.publish(subject, b"no event", message_id="odd")

    [task_id] = await submit(site)

    assert (await result(site, task_id)).json()["outcome"] == "completed"


async def test_a_gateway_that_starts_late_shows_what_there_was(made: World, site: Site) -> None:
    [task_id] = await submit(site)
    await result(site, task_id)
    early = (await site.http.get(f"/api/v1/tasks/{task_id}")).json()

    async with made.server.connect("late") as bus, gateway(bus) as late:
        assert (await late.http.get(f"/api/v1/tasks/{task_id}")).json() == early
