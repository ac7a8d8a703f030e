"""Three servers that keep each message three times: a leader is killed under load, or most of them are gone."""

import anyio
import pytest
from msgspec.structs import replace

from benchmarks._echo import POLICY, bundle
from tests.support.cluster import Cluster, cluster
from tests.support.served import ended, serving
from tests.support.world import Engine
from testwright.bus.nats import apply_topology, connect
from testwright.bus.topology import declare
from testwright.client import Client
from testwright.errors import PublishTimeoutError
from testwright_schemas import subjects

pytestmark = [pytest.mark.nats, pytest.mark.slow, pytest.mark.timeout(400)]

TOPOLOGY = replace(declare(["echo"]), replicas=3)
TASKS = 60
PATIENCE_S = 180.0


class Users:
    """Submit tasks one after the other and wait for all of them."""

    def __init__(self, client: Client) -> None:
        self.ids: list[str] = []
        self.told: list[str] = []
        self._client = client
        self._news = anyio.Condition()

    async def submit(self, count: int) -> None:
        async with anyio.create_task_group() as waiters:
            for _ in range(count):
                self.ids.append((await self._client.submit_bundle(bundle(), POLICY)).tasks[0].id)
                waiters.start_soon(self._wait, self.ids[-1])

    async def have_been_told(self, count: int) -> None:
        async with self._news:
            while len(self.told) < count:
                await self._news.wait()

    async def _wait(self, task_id: str) -> None:
        self.told.append((await self._client.wait(task_id)).task_id)
        async with self._news:
            self._news.notify_all()


async def lose_the_leader(three: Cluster, users: Users) -> None:
    await users.have_been_told(TASKS // 4)
    leader = three.servers[await three.leader_of(subjects.EVENTS)]
    await leader.kill()
    await users.have_been_told(TASKS // 2)
    await leader.start()


async def test_a_leader_that_is_killed_under_load_costs_no_task_and_none_ends_twice() -> None:
    engine = Engine()
    engine.go.set()
    async with cluster() as three:
        await apply_topology(three.url, TOPOLOGY)
        async with (
            serving(three.url, engine),
            connect(three.url, name="client", publish_timeout_s=PATIENCE_S) as bus,
            Client(bus).following() as client,
        ):
            users = Users(client)
            with anyio.fail_after(PATIENCE_S):
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(users.submit, TASKS)
                    tasks.start_soon(lose_the_leader, three, users)
            assert sorted(users.told) == sorted(users.ids)
            assert await ended(bus) == sorted(users.ids)


async def test_without_a_quorum_nothing_is_confirmed_and_all_goes_on_when_one_is_back() -> None:
    engine = Engine()
    event = subjects.task_event("default", "t1", "finished")
    async with cluster() as three:
        await apply_topology(three.url, TOPOLOGY)
        async with (
            serving(three.url, engine),
            connect(three.url, name="client", publish_timeout_s=PATIENCE_S) as bus,
            connect(three.url, name="impatient", publish_timeout_s=1.0) as impatient,
            Client(bus).following() as client,
        ):
            users, two = Users(client), list(three.servers.values())[1:]
            with anyio.fail_after(PATIENCE_S):
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(users.submit, 2)
                    await engine.has_begun(1)  # the other one is queued
                    for server in two:
                        await server.kill()
                    engine.go.set()
                    with pytest.raises(PublishTimeoutError):
                        await impatient.publish(event, b"lost", message_id="1")
                    tasks.start_soon(users.submit, 5)
                    await anyio.wait_all_tasks_blocked()
                    assert users.told == []
                    await two[0].start()
                await two[1].start()
            assert sorted(users.told) == sorted(users.ids)
            assert set(await ended(bus)) >= set(users.ids)
