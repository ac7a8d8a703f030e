"""A rolling upgrade, and the way back: processes of two versions on one server, and every task ends once."""

import json
import os
import sys
from collections.abc import AsyncIterator, Sequence
from functools import partial
from pathlib import Path

import anyio
import pytest

from tests.support.nats_server import nats_world
from tests.support.processes import POLICY, Child, Plant, plant, project
from tests.support.stage import ENGINES, SUITE
from tests.support.versions import LAST, PREVIOUS, sources
from testwright.app import Role
from testwright.background import together
from testwright.client import Client
from testwright.submission import Terms

pytestmark = [pytest.mark.nats, pytest.mark.slow, pytest.mark.timeout(600)]

ORDER: tuple[Role, ...] = ("collector", "submitter", "verifier", "generator")
"""Readers before writers, as docs/upgrading.md says."""

APPLY = ("topology", "apply", *(argument for engine in ENGINES for argument in ("--engine", engine)))

NEW = None
"""This version, where sources are asked for."""


@pytest.fixture
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Return the sources of a version that is upgraded from: the last one, or the one that a test names."""
    name = getattr(request, "param", LAST)
    return sources(PREVIOUS[name], tmp_path / name)


@pytest.fixture
async def site(old: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Plant]:
    """Run a server with the topology of the old version on it, and this version's over that."""
    # As docs/upgrading.md says, for as long as processes of either version run.
    monkeypatch.setenv("TESTWRIGHT_SHARED_CONTENTS", "1")
    async with nats_world() as world:
        path = os.pathsep.join(str(old / root) for root in ("services", "schemas"))
        command = [sys.executable, "-m", "testwright", *APPLY]
        await anyio.run_process(command, env={**os.environ, "NATS_URL": world.url, "PYTHONPATH": path})
        async with plant(world) as made:
            yield made


class Upgrade:
    """Tasks of a client of each version, while processes are replaced.

    Attributes:
        tasks: ids of all that was submitted.
        actors: what runs now, by role.
    """

    def __init__(self, site: Plant, module: Path, old: Path) -> None:
        self.tasks: list[str] = []
        self.actors: dict[Role, Child] = {}
        self._site = site
        self._module = module
        self._old = old

    async def start(self, roles: Sequence[Role], version: Path | None) -> None:
        """Start actors of a version, side by side, in place of those that run, which drain."""

        async def start(role: Role) -> None:
            before = self.actors.get(role)
            self.actors[role] = await self._site.start(role, "--grace", "0.1s", sources=version)
            if before is not None:
                before.terminate()
                assert await before.ended() == 0

        await together([partial(start, role) for role in roles])

    async def replace(self, roles: Sequence[Role], version: Path | None) -> None:
        """Replace actors one by one by those of a version; tasks are under way, and end before the next one is."""
        under_way = await self.submit()
        await self._site.be_patient()  # applies this version's topology under all of them
        for role in roles:
            if role == "generator":
                # What it is at work on goes back to the queue.
                held = await self._site.stage.call()
                await self.start([role], version)
                await held.gone()
            else:
                await self.start([role], version)
            await self.deliver(2)
            await self.end(under_way)
            under_way = await self.submit()
        await self.deliver(2)
        await self.end(under_way)

    async def verb(self, *arguments: str, version: Path | None) -> str:
        """Run a verb of a version to its end, and return what it has printed."""
        child = await self._site.run(*arguments, sources=version)
        said = await child.whole()
        assert await child.ended() == 0, said
        return said

    async def submit(self) -> tuple[str, str]:
        """Submit a task by a client of either version, and return their ids."""
        job = await self._site.client.submit([self._module], POLICY, Terms(join=False))
        options = ("--fresh", "--json", "--repeats", "1", "--no-mutants", "-e", "scripted")
        python = ("--python", POLICY.python or "python3")
        said = json.loads(await self.verb("submit", str(self._module), *options, *python, version=self._old))
        both = job.tasks[0].id, said["tasks"][0]["id"]
        self.tasks += both
        return both

    async def deliver(self, count: int) -> None:
        """Have so many attempts deliver."""
        for _ in range(count):
            await (await self._site.stage.call()).deliver()

    async def end(self, tasks: Sequence[str]) -> None:
        """Wait for tasks, and see them completed."""
        for task in tasks:
            ended = await self._site.client.wait(task, timeout=90)
            assert (ended.outcome, [test.verdict for test in ended.tests]) == ("completed", ["kept"]), ended

    async def part(self, folder: Path) -> None:
        """Keep contents apart from now on: what was stored before is found, and the old version finds nothing new."""
        await self.start(("verifier", "generator"), NEW)
        async with Client.connect(self._site.url) as client:
            job = await client.submit([self._module], POLICY, Terms(join=False))
            self.tasks.append(job.tasks[0].id)
            # Another one than was stored before.
            other = {name: text.replace("add(2, 3) == 5", "add(3, 4) == 7") for name, text in SUITE.items()}
            await (await self._site.stage.call()).deliver(other)
            await self.end(self.tasks)
            for task in self.tasks:
                ended = await client.results(task)
                assert ended is not None
                assert await client.files(ended)
        old = await self._site.run("result", self.tasks[-1], "--output", str(folder), sources=self._old)
        assert "testwright-artifacts" in await old.whole()
        assert await old.ended() == 4

    async def check(self) -> None:
        """See that both versions know of every task, that each has ended once, and that nobody was at a loss."""
        for version in (self._old, NEW):
            # Whoever asks after the end, by the feed and by looking.
            asked = (("list", "--json"), ("dead", "list", "--json"), ("wait", *self.tasks, "--timeout", "60s"))
            listed, dead, _ = await together([partial(self.verb, *each, version=version) for each in asked])
            known = {each["id"]: each["state"] for each in json.loads(listed)}
            assert known == dict.fromkeys(self.tasks, "completed")
            assert json.loads(dead) == []
        for task in self.tasks:
            assert (await self._site.kinds(task)).count("finished") == 1


@pytest.mark.parametrize("old", PREVIOUS, indirect=True)
async def test_processes_are_replaced_one_by_one_back_and_forth_and_every_task_ends_once(
    site: Plant, old: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upgrade = Upgrade(site, project(tmp_path / "a project"), old)
    await upgrade.verb(*APPLY, version=old)
    await upgrade.start(ORDER, NEW)

    await upgrade.replace(ORDER[::-1], old)
    await upgrade.verb(*APPLY, version=old)
    await upgrade.replace(ORDER, NEW)

    await upgrade.check()
    if old.name == LAST:
        monkeypatch.delenv("TESTWRIGHT_SHARED_CONTENTS")
        await upgrade.part(tmp_path / "suites")


async def test_two_versions_share_the_queues(site: Plant, old: Path, tmp_path: Path) -> None:
    upgrade = Upgrade(site, project(tmp_path / "a project"), old)
    for version in (old, NEW):
        await upgrade.start(ORDER, version)
        upgrade.actors.clear()

    tasks = [task for _ in range(2) for task in await upgrade.submit()]
    calls = [await site.stage.call() for _ in range(2)]
    for call in calls:
        await call.deliver()
    await upgrade.deliver(len(tasks) - 2)
    await upgrade.end(tasks)

    assert len({call.pid for call in calls}) == 2
    await upgrade.check()
