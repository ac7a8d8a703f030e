"""What is told of a machine, or a server, that lacks something."""

from pathlib import Path

import pytest

from tests.support.cli import Shell
from tests.support.nats_server import nats_world

pytestmark = pytest.mark.nats


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


async def test_an_actor_does_not_start_where_the_topology_is_missing(shell: Shell) -> None:
    async with nats_world() as world:
        known = Shell(shell.folder, {"NATS_URL": world.url})
        ended = await known.run("run", "collector")
        examined = await known.run("doctor", "--json")

    assert ended.code == 3
    assert "run `testwright topology apply`" in ended.err
    assert "Traceback" not in ended.err
    checks = {check["name"]: check for check in examined.json}
    assert (examined.code, checks["topology"]["level"], checks["server"]["level"]) == (3, "fail", "ok")


async def test_the_doctor_says_of_each_thing_how_it_is(shell: Shell) -> None:
    examined = await shell.run("doctor", "--json")

    found = {check["name"]: check for check in examined.json}
    assert {"python", "uv", "nats-server", "ruff", "sandbox", "cache folder", "data folder", "server"} <= found.keys()
    assert found["nats-server"]["level"] == "ok"
    assert [name for name, check in found.items() if check["level"] != "ok" and not check["remedy"]] == []
    assert examined.code == (3 if any(check["level"] == "fail" for check in found.values()) else 0)
