"""The deployment as it is written down, built and run by a container engine."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.containers import container_engine
from tests.support.images import build_stack
from tests.support.processes import project
from tests.support.stack import Stack, declared, need_compose, stack
from testwright.client import Client
from testwright_schemas import Policy

pytestmark = [pytest.mark.container, pytest.mark.slow, pytest.mark.timeout(900)]

SERVICES = {"nats", "topology", "submitter", "collector", "workflow", "verifier", "generator", "gateway"}
POLICY = Policy(engines=("echo",), repeats=1, mutants=False, sandbox="required")


@pytest.fixture(scope="module")
def engine() -> Iterator[None]:
    """Have an engine with compose, and the images on it."""
    need_compose()
    with container_engine(networks=True):
        build_stack()
        yield


@pytest.fixture
def deployed(engine: None, tmp_path: Path) -> Iterator[Stack]:
    """Have a stack that nothing is started of yet."""
    with stack(tmp_path) as made:
        yield made


async def test_the_stack_does_a_task_as_hardened_as_it_says_and_leaves_nothing(deployed: Stack, tmp_path: Path) -> None:
    before = time.monotonic()
    deployed.compose("up", "--detach", "--wait")
    sys.stderr.write(f"the stack was ready after {time.monotonic() - before:.1f} s\n")

    async with Client.connect(deployed.url) as client:
        job = await client.submit([project(tmp_path)], POLICY)
        ended = await client.wait(job.tasks[0].id, timeout=120)

    # Whether so little a test is worth keeping is the verifier's business; that it came to a verdict is the stack's.
    assert [each.id for each in ended.tests] == ["test_calc.py::test_module_defines_its_public_names"], ended
    assert (ended.engine, ended.isolation, ended.attempts) == ("echo", "bubblewrap", 1)
    assert ended.report is not None

    async with httpx.AsyncClient(base_url=deployed.gateway) as browser:
        page = await browser.get("/")
        tasks = await browser.get("/api/v1/tasks", headers={"Authorization": f"Bearer {deployed.token}"})
    assert page.status_code == 200
    assert [each["id"] for each in tasks.json()["tasks"]] == [ended.task_id]

    containers = deployed.containers()
    assert set(containers) == SERVICES
    for service, container in containers.items():
        host = container["HostConfig"]
        assert host["ReadonlyRootfs"], service
        assert host["CapDrop"] == ["ALL"], service
        assert "no-new-privileges:true" in host["SecurityOpt"], service
        assert host["Memory"] > 0, service
        assert host["PidsLimit"] > 0, service
        assert container["Config"]["User"] == "10001:10001", service
        assert "testwright:" not in str(container["Config"]["Env"]), f"a password in the environment of {service}"

    deployed.compose("stop")
    assert {service: each["State"]["ExitCode"] for service, each in deployed.containers().items()} == dict.fromkeys(
        SERVICES, 0
    )
    deployed.compose("down", "--volumes")
    assert deployed.left() == []


def test_three_servers_share_one_name_and_no_published_port() -> None:
    """The overlay changes servers and the topology, and nothing else."""
    need_compose()

    alone, three = declared("compose.yaml"), declared("compose.yaml", "compose.cluster.yaml")

    servers = {name: each for name, each in three["services"].items() if name.startswith("nats")}
    assert set(servers) == {"nats", "nats-2", "nats-3"}
    for name, server in servers.items():
        names = {name, *server["networks"]["bus"]["aliases"]}
        assert {"nats", server["environment"]["SERVER_NAME"]} <= names
        assert server["entrypoint"][-1] == "/etc/nats/cluster.conf"
        assert [each["source"] for each in server["volumes"] if each["type"] == "volume"] == [name]
    assert [name for name, server in servers.items() if server.get("ports")] == ["nats"]
    assert three["services"]["topology"]["command"] == ["topology", "apply", "--replicas", "3"]
    changed = {name for name, each in alone["services"].items() if three["services"][name] != each}
    assert changed == {"nats", "topology"}
