"""Submitting, as the server sees it."""

from pathlib import Path

import pytest

from tests.support.nats_server import nats_world
from tests.support.processes import POLICY, project
from tests.support.wiretap import wiretap
from testwright.bus.nats import apply_topology
from testwright.bus.topology import declare
from testwright.client import Client
from testwright_schemas import SubmitJob, envelope, subjects

pytestmark = pytest.mark.nats


async def test_a_submission_is_one_command_that_is_stored_when_it_returns(tmp_path: Path) -> None:
    module = project(tmp_path)
    async with nats_world() as world, wiretap(world.url) as tap:
        await apply_topology(world.url, declare(POLICY.engines))
        async with Client.connect(tap.url) as client:
            tap.forget()

            job = await client.submit([module], POLICY)

            commands = [subject for subject, _ in tap.sent["testwright-client"] if subject.startswith("testwright.")]
            assert len(commands) == 1
            stored = await client.bus.last(subjects.COMMANDS, commands[0])
    assert stored is not None
    assert envelope.decode(stored.data, SubmitJob).job_id == job.id
