"""Secrets are replaced while work goes on, and the old ones are shut out when they are retired."""

from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from tests.support.buses import LOW, told, work
from tests.support.guarded import Guarded, deployment, guarded
from tests.support.processes import topology
from testwright.auth import store
from testwright.auth.deployment import FormName
from testwright.bus.nats import connect
from testwright.errors import BusClosedError, ConnectError
from testwright_schemas import subjects

pytestmark = pytest.mark.nats

ITEMS = 40


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
        with anyio.fail_after(60):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(before.run)
                for number in range(ITEMS // 2):
                    await told(admin, work(f"t{number}"), b"do it")
                await before.begun.wait()
                store.rotate(tmp_path, "generator")
                guard.reload()
                tasks.start_soon(accepted, after)
                for number in range(ITEMS // 2, ITEMS):
                    await told(admin, work(f"t{number}"), b"do it")
                await after.begun.wait()
                store.retire(tmp_path, "generator")
                guard.reload()
                await shut(guard, old)
                await told(admin, work("last"), b"do it")
                while [item async for item in admin.last_per_subject(subjects.WORK, [subjects.WORK_ALL])]:
                    await anyio.lowlevel.checkpoint()
                tasks.cancel_scope.cancel()

        assert {*before.done, *after.done} == {*(work(f"t{number}") for number in range(ITEMS)), work("last")}
        assert work("last") in after.done


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
        digest = await mine.put(subjects.ARTIFACTS, b"secret")

        assert await theirs.last(subjects.EVENTS, subject) is None
        assert await mine.fetch(subjects.ARTIFACTS, digest) == b"secret"
        listed = [stored async for stored in theirs.last_per_subject(f"OBJ_{subjects.ARTIFACTS}", ["$O.>"])]
        assert listed == []
