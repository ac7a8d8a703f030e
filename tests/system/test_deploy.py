"""The deployment as it is written down, built and run by a container engine."""

import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import httpx
import pytest

from tests.support.containers import container_engine
from tests.support.images import build_prometheus, build_stack
from tests.support.processes import project
from tests.support.stack import Stack, declared, need_compose, stack
from testwright.bus.nats import apply_topology, connect
from testwright.bus.topology import declare
from testwright.client import Client
from testwright.errors import ConnectError, PermissionDeniedError
from testwright_schemas import Policy, TaskFinished

pytestmark = [
    pytest.mark.container,
    pytest.mark.slow,
    pytest.mark.timeout(900),
    # Images are built once, and one stack bears all of it.
    pytest.mark.xdist_group("deployed-stack"),
]

SERVICES = {"nats", "topology", "submitter", "collector", "workflow", "verifier", "generator", "gateway"}
ACTORS = SERVICES - {"nats", "topology"}
METRICS = ("compose.metrics.yaml",)
PATIENCE_S = 120.0
POLICY = Policy(engines=("echo",), repeats=1, mutants=False, sandbox="required")


@pytest.fixture(scope="module")
def engine() -> Iterator[None]:
    """Have an engine with compose, and the images on it."""
    need_compose()
    with container_engine(networks=True):
        build_stack()
        yield


@pytest.fixture(scope="module")
def deployed(engine: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Have a stack that is ready."""
    with stack(tmp_path_factory.mktemp("deployed")) as made:
        before = time.monotonic()
        made.compose("up", "--detach", "--wait")
        sys.stderr.write(f"the stack was ready after {time.monotonic() - before:.1f} s\n")
        yield made


SECRETS = {
    **{actor: {"/run/secrets/credentials": f"{actor}.nk"} for actor in ACTORS - {"collector", "gateway"}},
    "collector": {"/run/secrets/credentials": "collector.nk", "/run/secrets/reclaim": "reclaim.nk"},
    "gateway": {"/run/secrets/credentials": "gateway.nk", "/run/secrets/tokens": "gateway-tokens"},
    "topology": {"/run/secrets/credentials": "admin.nk"},
    "nats": {"/etc/nats/known": "server"},
}
"""What each sees of the folder of secrets, and nobody may write."""


def secrets(container: dict[str, Any]) -> dict[str, str]:
    """Return which secrets a container sees, by where; what it could write there counts as seen, too."""
    mounts = [each for each in container["Mounts"] if each["Type"] == "bind"]
    return {
        each["Destination"]: Path(each["Source"]).name for each in mounts if "/secrets/" in each["Source"] or each["RW"]
    }


async def done(stack: Stack, folder: Path) -> TaskFinished:
    """Return the end of a task that a client on this machine submits."""
    async with Client.connect(stack.url()) as client:
        job = await client.submit([project(folder)], POLICY)
        return await client.wait(job.tasks[0].id, timeout=PATIENCE_S)


async def test_the_stack_does_a_task_as_hardened_as_it_says(deployed: Stack, tmp_path: Path) -> None:
    ended = await done(deployed, tmp_path / "project")

    # Whether so little a test is worth keeping is the verifier's business; that it came to a verdict is the stack's.
    assert [each.id for each in ended.tests] == ["test_calc.py::test_module_defines_its_public_names"], ended
    assert (ended.engine, ended.isolation, ended.attempts) == ("echo", "bubblewrap", 1)
    assert ended.report is not None

    async with httpx.AsyncClient(base_url=deployed.gateway) as browser:
        page = await browser.get("/")
        tasks = await browser.get("/api/v1/tasks", headers={"Authorization": f"Bearer {deployed.token}"})
    assert page.status_code == 200
    assert ended.task_id in {each["id"] for each in tasks.json()["tasks"]}

    containers = {service: each for service, each in deployed.containers().items() if service != "prometheus"}
    assert set(containers) == SERVICES
    for service, container in containers.items():
        host = container["HostConfig"]
        assert host["ReadonlyRootfs"], service
        assert host["CapDrop"] == ["ALL"], service
        assert "no-new-privileges:true" in host["SecurityOpt"], service
        assert host["Memory"] > 0, service
        assert host["PidsLimit"] > 0, service
        assert container["Config"]["User"] == "10001:10001", service

    assert {service: secrets(container) for service, container in containers.items()} == SECRETS
    with pytest.raises(PermissionDeniedError, match=r"STREAM\.CREATE"):
        await apply_topology(deployed.url("submitter"), declare(["echo"]))
    with pytest.raises(ConnectError, match="Authorization"):
        await apply_topology(deployed.url().partition("?")[0], declare(["echo"]))


async def test_a_credential_is_replaced_while_the_stack_works(deployed: Stack, tmp_path: Path) -> None:
    old = tmp_path / "old.nk"
    shutil.copy(deployed.secrets / "auth" / "credentials" / "generator.nk", old)

    deployed.keys("rotate", "generator")
    deployed.compose("kill", "--signal", "HUP", "nats")
    deployed.compose("up", "--detach", "--wait", "--force-recreate", "--no-deps", "generator")
    deployed.keys("retire", "generator")
    deployed.compose("kill", "--signal", "HUP", "nats")
    ended = await done(deployed, tmp_path / "project")

    assert (ended.engine, ended.attempts) == ("echo", 1), ended
    await refused(f"{deployed.url().partition('?')[0]}?credentials={old}")


async def refused(url: str) -> None:
    """Return when the server lets nobody in with these credentials."""
    with anyio.fail_after(PATIENCE_S):
        while True:
            try:
                async with connect(url, name="late"):
                    await anyio.lowlevel.checkpoint()
            except ConnectError:
                return


@pytest.mark.skipif(shutil.which("prometheus") is None, reason="prometheus is not installed")
async def test_a_prometheus_beside_the_stack_scrapes_every_actor(deployed: Stack) -> None:
    build_prometheus()

    deployed.compose("up", "--detach", "--wait", also=METRICS)

    async with httpx.AsyncClient(base_url=deployed.prometheus, timeout=PATIENCE_S) as http:
        with anyio.fail_after(PATIENCE_S):
            while (found := await actors_seen(http)) != ACTORS:
                await anyio.lowlevel.checkpoint()
        rules = (await http.get("/api/v1/rules")).text
    assert found == ACTORS
    assert "TestwrightDown" in rules


async def actors_seen(http: httpx.AsyncClient) -> set[str]:
    """Return the services whose figures Prometheus has."""
    answer = (await http.get("/api/v1/query", params={"query": "testwright_connected == 1"})).json()
    return {each["metric"]["actor"] for each in answer["data"]["result"]}


def test_it_stops_in_peace_and_leaves_nothing(deployed: Stack) -> None:
    """The last one: nothing is there for others afterwards."""
    deployed.compose("stop", also=METRICS)
    ended = {service: each["State"]["ExitCode"] for service, each in deployed.containers().items()}

    deployed.compose("down", "--volumes", also=METRICS)

    assert ended == dict.fromkeys(ended.keys() | SERVICES, 0)
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
        known = next(each for each in server["volumes"] if each["target"] == "/etc/nats/known")
        assert (Path(known["source"]).name, known["read_only"]) == ("server", True)
    assert [name for name, server in servers.items() if server.get("ports")] == ["nats"]
    assert three["services"]["topology"]["command"] == ["topology", "apply", "--replicas", "3"]
    changed = {name for name, each in alone["services"].items() if three["services"][name] != each}
    assert changed == {"nats", "topology"}
