"""Nobody asks "done yet?": counted on the wire while a client waits for a task that takes ten seconds."""

from pathlib import Path

import anyio
import pytest

from tests.support.nats_server import nats_world
from tests.support.processes import POLICY, plant, project
from tests.support.wiretap import wiretap
from testwright.client import Client
from testwright.held import BEAT_S
from testwright_schemas import TaskFinished

pytestmark = [pytest.mark.nats, pytest.mark.slow]

SIGN_OF_LIFE = b"+WPI"
CLIENT, WORKER = "testwright-client", "testwright-generator"


async def test_a_client_that_waits_sends_nothing_and_its_worker_only_signs_of_life(tmp_path: Path) -> None:
    ended: list[TaskFinished] = []

    async def wait(client: Client, task_id: str) -> None:
        ended.append(await client.wait(task_id))

    async with nats_world() as world, plant(world) as site, wiretap(world.url) as tap:
        site.url = tap.url
        await site.start_all("submitter", "collector", "generator")
        async with Client.connect(tap.url) as client:
            job = await client.submit([project(tmp_path)], POLICY)
            call = await site.stage.call()
            async with anyio.create_task_group() as tasks:
                for _ in range(100):
                    tasks.start_soon(wait, client, job.tasks[0].id)
                await anyio.wait_all_tasks_blocked()
                assert tap.sent[CLIENT]  # the tap does hear this client: it has submitted
                tap.forget()

                with anyio.fail_after(3 * BEAT_S):
                    await tap.hears(WORKER, SIGN_OF_LIFE)

                assert not ended
                assert [payload for _, payload in tap.sent[WORKER]] == [SIGN_OF_LIFE]
                await call.fail("nothing-found", retryable=False)
            assert tap.sent[CLIENT] == []

    assert [one.outcome for one in ended] == ["failed"] * 100
