"""Each role does its whole work with its own credentials, and is refused everything else at once and by name."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import nats
import pytest
from msgspec.structs import replace

from tests.support.buses import heard, told
from tests.support.gateways import gateway
from tests.support.guarded import ENGINES, Guarded, deployment, guarded
from tests.support.matrix import ROWS, TITLES, ask, kept, refused
from tests.support.processes import project
from tests.support.tasks import to_generate
from testwright import app, settings
from testwright.auth.deployment import FormName
from testwright.bus import Bus
from testwright.bus.nats import apply_topology, connect
from testwright.bus.server import embedded
from testwright.bus.topology import declare
from testwright.client import Client
from testwright.errors import BlobNotFoundError, ConnectError, PermissionDeniedError
from testwright.generator.notes import Notebook
from testwright.submission import Terms
from testwright_schemas import Note, Policy, subjects

pytestmark = [pytest.mark.nats, pytest.mark.xdist_group("roles")]

DOCUMENT = Path(__file__).parents[3] / "docs" / "permissions.md"
POLICY = Policy(engines=ENGINES, repeats=1, mutants=False)
AT_ONCE_S = 2.0
"""Well under the time after which a request without an answer is given up."""

THEIRS = subjects.task_event("other", "t1", "finished")


@pytest.fixture(scope="module")
async def guard(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Guarded]:
    """Run a server that knows every role, and clients of one namespace."""
    folder = tmp_path_factory.mktemp("auth")
    async with guarded(folder, "nkeys", deployment("nkeys"), deployment("nkeys", ["acme"])) as made:
        await made.apply()
        yield made


async def test_the_guide_shows_who_may_do_what_as_the_server_says_it(tmp_path: Path) -> None:
    found = await ask(tmp_path)

    assert kept(DOCUMENT.read_text("utf-8")) == found, "write the output of `python -m tests.support.matrix` there"
    assert "?" not in found


@pytest.mark.slow
@pytest.mark.parametrize("form", ["nkeys", "jwt", "mtls"])
async def test_every_actor_does_its_work_with_its_own_credentials(tmp_path: Path, form: FormName) -> None:
    module = project(tmp_path / "project")
    async with guarded(tmp_path / "auth", form, deployment(form, ["acme"])) as made, AsyncExitStack() as stack:
        await made.apply()
        options = app.Options(engines=ENGINES, system_url=made.url("reclaim"))
        await stack.enter_async_context(app.serving(made.url, app.ROLES, settings.load(), options))
        url = made.url("client-acme")
        client = await stack.enter_async_context(Client.connect(url, namespace="acme"))
        observer = await made.connect("observer-acme")
        feed = await stack.enter_async_context(observer.feed(subjects.EVENTS, [subjects.task_event("acme")], after=0))

        job = await client.submit([module], POLICY)
        ended = await client.wait(job.tasks[0].id, timeout=90)
        seen = await heard(feed, 2)

        assert ended.outcome == "completed", ended.error
        assert await client.files(ended)
        assert [status.state for status in await client.tasks()] == ["completed"]
        assert {subjects.task_of(stored.subject) for stored in seen} == {job.tasks[0].id}


@pytest.mark.slow
async def test_a_client_of_a_namespace_can_do_all_that_clients_do(guard: Guarded, tmp_path: Path) -> None:
    module = project(tmp_path / "project")
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(
            app.serving(guard.url, app.ROLES, settings.load(), app.Options(engines=ENGINES))
        )
        url = guard.url("client-acme")
        client = await stack.enter_async_context(Client.connect(url, namespace="acme"))

        job = await client.submit([module], POLICY)
        first = await client.wait(job.tasks[0].id, timeout=90)
        again = await client.submit([module], POLICY, Terms(join=True))
        joined = await client.wait(again.tasks[0].id, timeout=90)
        retried = await client.retry(first.task_id)
        await client.cancel(retried.tasks[0].id)
        last = await client.wait(retried.tasks[0].id, timeout=90)

        assert (first.outcome, joined.outcome) == ("completed", "completed")
        assert last.outcome in {"cancelled", "completed"}
        assert await client.tasks_of(job.id) == (first.task_id,)
        assert await client.results(first.task_id) == first
        assert {status.id for status in await client.tasks()} >= {first.task_id, joined.task_id, last.task_id}
        async with client.watch(job.id) as events:
            stored, _ = await anext(aiter(events))
            assert subjects.namespace_of(stored.subject) == "acme"
        assert await client.dead_letters() == []


async def test_a_gateway_serves_with_its_own_credentials(guard: Guarded) -> None:
    bus = await guard.connect("gateway")

    async with gateway(bus) as site:
        answer = await site.http.get("/api/v1/tasks")

    assert answer.status_code == 200


Operation = Callable[[Bus], Awaitable[object]]


async def _feed(bus: Bus, *filters: str) -> None:
    async with bus.feed(subjects.EVENTS, filters):
        pass


async def _pull(bus: Bus) -> None:
    async with bus.slot(subjects.WORK, [subjects.verify_consumer("high")]) as slot:
        await slot.next()


async def _list(bus: Bus, *filters: str) -> list[object]:
    return await _list_of(bus, subjects.EVENTS, *filters)


async def _list_of(bus: Bus, stream: str, *filters: str) -> list[object]:
    return [stored async for stored in bus.last_per_subject(stream, filters)]


def _soon() -> datetime:
    return datetime.now(UTC) + timedelta(hours=1)


SETTING, DUE = "testwright.timer.set.acme.t1.deadline-1", "testwright.timer.due.acme.t1.deadline-1"

FORBIDDEN: dict[str, tuple[str, Operation]] = {
    "submit for others": ("client-acme", lambda bus: told(bus, "testwright.command.other.submit", b"{}")),
    "run programs": ("client", lambda bus: told(bus, "testwright.command.acme.run-workflow", b"{}")),
    "say that a task has ended": ("generator", lambda bus: told(bus, THEIRS, b"{}")),
    "queue work": ("generator", lambda bus: told(bus, "testwright.work.verify.echo.high.acme.t1.1", b"{}")),
    "set a timer": ("verifier", lambda bus: bus.schedule(SETTING, b"{}", at=_soon(), target=DUE)),
    "take a timer back": ("generator", lambda bus: bus.unschedule(SETTING)),
    "look up events of others": ("client-acme", lambda bus: bus.last(subjects.EVENTS, THEIRS)),
    "look up any event": ("client-acme", lambda bus: bus.get(subjects.EVENTS, 1)),
    "list events of others": ("client-acme", lambda bus: _list(bus, subjects.task_event("other"))),
    "list events of all": ("observer-acme", lambda bus: _list(bus, subjects.EVENTS_ALL)),
    "list events of two": (
        "client-acme",
        lambda bus: _list(bus, subjects.task_event("acme"), subjects.task_event("other")),
    ),
    "follow events of others": ("client-acme", lambda bus: _feed(bus, subjects.events_of("other"))),
    "follow events of two": (
        "client-acme",
        lambda bus: _feed(bus, subjects.events_of("acme"), subjects.events_of("other")),
    ),
    "take work": ("client", _pull),
    "take work of another role": ("generator", _pull),
    "store sources for others": ("client-acme", lambda bus: bus.put(subjects.SNAPSHOTS, "other", b"x")),
    "fetch sources of others": ("client-acme", lambda bus: bus.fetch(subjects.SNAPSHOTS, "other", "0" * 64)),
    "fetch results of others": ("client-acme", lambda bus: bus.fetch(subjects.ARTIFACTS, "other", "0" * 64)),
    "list sources of all": ("client-acme", lambda bus: _list_of(bus, "OBJ_testwright-snapshots", "$O.>")),
    "store sources": ("observer", lambda bus: bus.put(subjects.SNAPSHOTS, "acme", b"x")),
    "store results": ("client-acme", lambda bus: bus.put(subjects.ARTIFACTS, "acme", b"x")),
    "fetch sources": ("submitter", lambda bus: bus.fetch(subjects.SNAPSHOTS, "acme", "0" * 64)),
    "read notes of attempts": ("verifier", lambda bus: _list_of(bus, subjects.NOTES, subjects.note("acme"))),
    "read notes of its namespace": ("client-acme", lambda bus: _list_of(bus, subjects.NOTES, subjects.note("acme"))),
    "leave a note": ("verifier", lambda bus: told(bus, subjects.note("acme", "t1", "1", "1", "0"), b"{}")),
    "take notes away": ("client", lambda bus: bus.forget(subjects.NOTES, subjects.note("acme"))),
    "change streams": ("submitter", lambda bus: bus.apply(declare(["echo"]))),  # type: ignore[attr-defined]  # of the real one
}


@pytest.mark.parametrize("what", FORBIDDEN)
async def test_what_a_role_may_not_do_is_refused_at_once(guard: Guarded, what: str) -> None:
    title, attempt = FORBIDDEN[what]
    bus = await guard.connect(title)

    with anyio.fail_after(AT_ONCE_S), pytest.raises(PermissionDeniedError, match="permissions do not allow"):
        await attempt(bus)


@pytest.mark.parametrize("title", TITLES)
async def test_every_refusal_comes_at_once_and_names_the_subject(guard: Guarded, title: str) -> None:
    no, _ = await refused(guard, title)
    forbidden = [subject for row in ROWS.values() for subject in row if subject.lower() in no]
    bus = await guard.connect(title)

    assert forbidden
    for subject in forbidden:
        with anyio.fail_after(AT_ONCE_S), pytest.raises(PermissionDeniedError) as caught:
            await told(bus, subject, b"{}")
        assert caught.value.subject == subject


async def test_a_client_of_another_namespace_is_refused_before_it_submits(guard: Guarded) -> None:
    with anyio.fail_after(AT_ONCE_S), pytest.raises(PermissionDeniedError, match="other"):
        async with Client.connect(guard.url("client-acme"), namespace="other"):
            pass


async def test_a_client_sees_its_own_namespace_and_no_other(guard: Guarded) -> None:
    admin = await guard.connect("admin")
    for namespace in ("acme", "other"):
        await told(admin, subjects.task_event(namespace, "seen", "started"), b"{}")
        await told(admin, subjects.job_event(namespace, "seen", "finished"), b"{}")
    bus = await guard.connect("client-acme")
    both = [subjects.task_event("acme", "seen"), subjects.job_event("acme", "seen")]

    listed = [stored.subject async for stored in bus.last_per_subject(subjects.EVENTS, both)]
    async with bus.feed(subjects.EVENTS, both, after=0) as feed:
        followed = [stored.subject for stored in await heard(feed, 2)]
    found = await bus.last(subjects.EVENTS, subjects.task_event("acme", "seen", "started"))

    mine = [subjects.task_event("acme", "seen", "started"), subjects.job_event("acme", "seen", "finished")]
    assert listed == followed == mine
    assert found is not None
    assert await bus.last(subjects.EVENTS, subjects.task_event("acme", "never", "started")) is None


async def test_a_generator_leaves_finds_and_takes_away_notes_of_every_namespace(guard: Guarded) -> None:
    dead, bus = await guard.connect("generator"), await guard.connect("generator")
    admin = await guard.connect("admin")
    for namespace in ("acme", "other"):
        item = replace(to_generate(), namespace=namespace)
        notebook = Notebook(dead, item, keeps=True)
        async with admin.feed(subjects.NOTES, [subjects.note(namespace)]) as feed, notebook.open(1):
            notebook.add(Note(text="paid for"))
            await heard(feed, 1)
        found = Notebook(bus, item, keeps=True)
        async with found.open(2):
            assert [note.text for note in found.before] == ["paid for"]
        await found.discard(left=True)
        async with found.open(3):
            assert found.before == []


async def test_content_that_two_clients_store_at_once_is_stored_by_both(guard: Guarded) -> None:
    buses = [await guard.connect("client-acme") for _ in range(2)]
    digests: list[str] = []

    async with anyio.create_task_group() as tasks:

        async def put(bus: Bus) -> None:
            digests.append(await bus.put(subjects.SNAPSHOTS, "acme", b"the same"))

        for bus in buses * 4:
            tasks.start_soon(put, bus)

    assert len(set(digests)) == 1
    assert await buses[0].fetch(subjects.SNAPSHOTS, "acme", digests[0]) == b"the same"
    with pytest.raises(BlobNotFoundError):
        await buses[0].fetch(subjects.SNAPSHOTS, "acme", "0" * 64)


async def test_a_generator_of_many_engines_signs_in_by_a_token(tmp_path: Path) -> None:
    engines = tuple(f"an-engine-of-ours-{number}" for number in range(20))

    async with guarded(tmp_path, "jwt", replace(deployment("jwt"), engines=engines)) as made:
        await apply_topology(made.url("admin"), declare(engines))
        generator = await made.connect("generator")

        await told(generator, subjects.lane_event("acme", engines[-1]), b"{}")


async def test_nobody_comes_in_without_credentials(guard: Guarded) -> None:
    with anyio.fail_after(AT_ONCE_S), pytest.raises(ConnectError, match="Authorization"):
        async with connect(f"nats://127.0.0.1:{guard.port}", name="stranger"):
            pass


async def test_actors_of_the_embedded_server_have_credentials_of_their_own() -> None:
    async with embedded(None, engines=ENGINES) as server:
        await apply_topology(server.url, declare(ENGINES))
        async with connect(server.url_of("generator"), name="generator") as bus:
            await told(bus, subjects.task_event("default", "t1", "started"), b"{}")
            with anyio.fail_after(AT_ONCE_S), pytest.raises(PermissionDeniedError):
                await told(bus, subjects.task_event("default", "t1", "finished"), b"{}")
            assert await bus.last(subjects.EVENTS, subjects.task_event("default", "t1", "finished")) is None


async def test_actors_of_one_process_share_a_connection_that_may_do_what_they_do_and_no_more() -> None:
    async with embedded(None, engines=ENGINES) as server:
        await apply_topology(server.url, declare(ENGINES))
        url = server.url_of("actors")
        async with app.serving(url, app.ROLES, settings.load(), app.Options(engines=ENGINES)):
            admin = await nats.connect(server.url, name="admin")
            asked = await admin.request("$SYS.REQ.ACCOUNT.PING.CONNZ")
            await admin.close()
            async with connect(url, name="another") as bus:
                for kind in ("started", "verified", "finished"):
                    await told(bus, subjects.task_event("default", "t1", kind), b"{}")
                await bus.schedule(f"{subjects.PREFIX}.timer.set.default.s1.schedule", b"{}", at=_soon(), target=DUE)
                with anyio.fail_after(AT_ONCE_S), pytest.raises(PermissionDeniedError):
                    await bus.apply(declare([*ENGINES, "more"]))

    connections = json.loads(asked.data)["data"]["connections"]
    assert sorted(each["name"] for each in connections) == ["admin", "testwright-actors"]
