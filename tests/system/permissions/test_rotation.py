"""Secrets are replaced while work goes on, and the old ones are shut out when they are retired."""

import os
import shutil
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
from anyio.abc import TaskGroup, TaskStatus
from msgspec.structs import replace

from tests.support.buses import LOW, told, work
from tests.support.guarded import ENGINES, Guarded, deployment, guarded
from tests.support.processes import project, topology
from testwright import app, settings
from testwright.auth import store
from testwright.auth.deployment import FormName
from testwright.bus import Bus
from testwright.bus.nats import connect
from testwright.client import Client
from testwright.errors import BlobNotFoundError, BusClosedError, BusError, ConnectError
from testwright_schemas import Policy, subjects

pytestmark = pytest.mark.nats

ITEMS = 10
POLICY = Policy(engines=ENGINES, repeats=1, mutants=False)


class Worker:
    """Takes work until its connection is shut.

    Attributes:
        done: what it has done, at least once.
        begun: set when there is something.
    """

    def __init__(self, guard: Guarded, credentials: Path) -> None:
        self._url = guard.url_with(credentials)
        self.done: list[str] = []
        self.begun = anyio.Event()

    async def run(self) -> None:
        try:
            async with connect(self._url, name="worker") as bus, bus.slot(subjects.WORK, [LOW]) as slot:
                while True:
                    delivery = await slot.next()
                    self.done.append(delivery.message.subject)
                    await delivery.ack()
                    self.begun.set()
        except BusClosedError:
            return


@pytest.mark.parametrize("form", ["nkeys", "jwt"])
async def test_a_secret_is_replaced_without_losing_work(tmp_path: Path, form: FormName) -> None:
    async with guarded(tmp_path, form) as guard:
        admin = await guard.connect("admin")
        await admin.apply(topology(ack_wait_s=1.0))  # what was under way when somebody is shut out comes again soon
        made = store.load(tmp_path)
        assert made is not None
        user = made.user("generator")
        assert user is not None
        old = tmp_path / "old"
        old.write_text(store.place(tmp_path, made, user).read_text())

        before, after = Worker(guard, old), Worker(guard, store.place(tmp_path, made, user))
        items = [work(f"t{number}") for number in range(ITEMS)]
        with anyio.fail_after(60):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(before.run)
                for item in items:
                    await told(admin, item, b"do it")
                await before.begun.wait()
                store.rotate(tmp_path, "generator")
                guard.reload()
                tasks.start_soon(accepted, after)
                # The first one may take many before the second one is let in.
                while not after.begun.is_set():
                    items.append(work(f"t{len(items)}"))
                    await told(admin, items[-1], b"do it")
                store.retire(tmp_path, "generator")
                guard.reload()
                await shut(guard, old)
                await told(admin, work("last"), b"do it")
                while [left async for left in admin.last_per_subject(subjects.WORK, [subjects.WORK_ALL])]:
                    await anyio.lowlevel.checkpoint()
                tasks.cancel_scope.cancel()

        assert {*before.done, *after.done} == {*items, work("last")}
        assert work("last") in after.done


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_every_role_gets_a_new_secret_while_tasks_go_on_and_each_task_ends_once(tmp_path: Path) -> None:
    module = project(tmp_path / "project")
    async with guarded(tmp_path / "auth", "nkeys") as guard:
        await guard.apply()
        async with Client.connect(guard.url("client")) as client, anyio.create_task_group() as running:
            tasks = await replaced(guard, client, running, module)
            ended = [await client.wait(task, timeout=90) for task in tasks]
            running.cancel_scope.cancel()
            assert [each.outcome for each in ended] == ["completed"] * len(tasks)
            admin = await guard.connect("admin")
            assert await ends(admin) == sorted(tasks)


async def ends(bus: Bus) -> list[str]:
    """Return whose end was told, as often as it was."""
    mark = subjects.task_event("mark", "last", "finished")
    await told(bus, mark, b"{}")
    found: list[str] = []
    async with bus.feed(subjects.EVENTS, [subjects.task_event(kind="finished")], after=0) as feed:
        async for stored in feed:
            if stored.subject == mark:
                break
            found.append(str(subjects.task_of(stored.subject)))
    return sorted(found)


async def replaced(guard: Guarded, client: Client, running: TaskGroup, module: Path) -> list[str]:
    """Replace the secret and the process of every role, with tasks under way; return the tasks."""
    posts = {role: Post(guard, role) for role in app.ROLES}
    for post in posts.values():
        await running.start(post.run)
    tasks: list[str] = []
    for role in app.ROLES:
        old = guard.folder / f"{role}.old"
        shutil.copy(guard.folder / "credentials" / f"{role}.nk", old)
        tasks.append((await client.submit([module], POLICY)).tasks[0].id)
        store.rotate(guard.folder, role)
        guard.reload()
        await admitted(guard.url(role))
        successor = Post(guard, role)
        await running.start(successor.run)
        await posts[role].drain()
        posts[role] = successor
        store.retire(guard.folder, role)
        guard.reload()
        await shut(guard, old)
    return tasks


class Post:
    """An actor in a task of its own, with the secret that its role has when it starts."""

    def __init__(self, guard: Guarded, role: app.Role) -> None:
        self._url = guard.url(role)
        self._roles: tuple[app.Role, ...] = (role,)
        self._leave = anyio.Event()
        self._left = anyio.Event()

    async def run(self, *, task_status: TaskStatus[None]) -> None:
        options = app.Options(engines=ENGINES)
        async with app.serving(self._url, self._roles, settings.load(), options):
            task_status.started()
            await self._leave.wait()
        self._left.set()

    async def drain(self) -> None:
        self._leave.set()
        await self._left.wait()


async def admitted(url: str) -> None:
    """Return when the server has read what is accepted now."""
    while True:
        try:
            async with connect(url, name="early"):
                return
        except ConnectError:
            await anyio.lowlevel.checkpoint()


async def accepted(worker: Worker) -> None:
    """Run a worker as soon as the server has read its configuration again."""
    while not worker.begun.is_set():
        try:
            await worker.run()
        except ConnectError:
            await anyio.lowlevel.checkpoint()


async def shut(guard: Guarded, credentials: Path) -> None:
    """Return when the server does not accept credentials any more."""
    while True:
        try:
            async with connect(guard.url_with(credentials), name="late"):
                await anyio.lowlevel.checkpoint()
        except ConnectError:
            return


async def test_doing_it_again_brings_rights_up_to_date_and_changes_no_secret(tmp_path: Path) -> None:
    async with guarded(tmp_path, "jwt") as guard:
        await guard.apply()
        path = tmp_path / "credentials" / "generator.creds"
        seed = path.read_text().partition("SEED-----")[2]

        store.init(tmp_path, deployment("jwt", ["acme"]))
        guard.reload()

        assert path.read_text().partition("SEED-----")[2] == seed
        async with connect(guard.url("client-acme"), name="new") as bus:
            await told(bus, "testwright.command.acme.submit", b"{}")


@pytest.mark.parametrize("form", ["nkeys", "jwt"])
async def test_tenants_with_accounts_of_their_own_know_nothing_of_each_other(tmp_path: Path, form: FormName) -> None:
    async with guarded(tmp_path, form, deployment(form, accounts=["acme", "beta"])) as guard:
        for account in ("acme", "beta"):
            await guard.apply(f"{account}.admin")
        mine, theirs = await guard.connect("acme.admin"), await guard.connect("beta.admin")
        subject = subjects.task_event("default", "t1", "finished")

        await told(mine, subject, b"done")
        digest = await mine.put(subjects.ARTIFACTS, "default", b"secret")

        assert await theirs.last(subjects.EVENTS, subject) is None
        assert await mine.fetch(subjects.ARTIFACTS, "default", digest) == b"secret"
        listed = [stored async for stored in theirs.last_per_subject(f"OBJ_{subjects.ARTIFACTS}", ["$O.>"])]
        assert listed == []
        with pytest.raises(BlobNotFoundError):
            await theirs.fetch(subjects.ARTIFACTS, "default", digest)


@pytest.mark.parametrize("form", ["nkeys", "jwt"])
async def test_a_tenant_that_has_used_up_its_disk_leaves_others_theirs(tmp_path: Path, form: FormName) -> None:
    wish = replace(deployment(form, accounts=["acme", "beta"]), storage=3 << 20)
    async with guarded(tmp_path, form, wish) as guard:
        for account in ("acme", "beta"):
            await guard.apply(f"{account}.admin")
        full, other = await guard.connect("acme.admin"), await guard.connect("beta.admin")

        with pytest.raises(BusError, match="exceeded"):
            await full.put(subjects.ARTIFACTS, "default", os.urandom(4 << 20))

        assert await other.put(subjects.ARTIFACTS, "default", os.urandom(2 << 20))
