"""The embedded server, as whoever has no other sees it."""

import contextlib
import json
import os
import signal
import stat
import sys
import tempfile
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import anyio
import pytest
from anyio.streams.buffered import BufferedByteReceiveStream

from testwright.bus.nats import apply_topology, connect
from testwright.bus.server import EmbeddedServer, embedded
from testwright.bus.topology import declare
from testwright.errors import ConnectError, ServerStartError
from testwright_schemas import subjects

pytestmark = pytest.mark.nats

SUBJECT = subjects.task_event("default", "t1", "finished")

SERVICE = """
import anyio, sys
from pathlib import Path
from testwright.bus.server import embedded

async def main():
    async with embedded(DATA) as server:
        print(server.pid, flush=True)
        await anyio.sleep_forever()

anyio.run(main)
"""


async def _store(server: EmbeddedServer, body: bytes) -> int:
    await apply_topology(server.url, declare(["echo"]))
    async with connect(server.url, name="test") as bus:
        return (await bus.publish(SUBJECT, body, message_id="1")).sequence


async def _stored(server: EmbeddedServer) -> bytes | None:
    async with connect(server.url, name="test") as bus:
        stored = await bus.last(subjects.EVENTS, SUBJECT)
        return stored.data if stored else None


@asynccontextmanager
async def _service(data: str, folder: Path) -> AsyncGenerator[tuple[int, int]]:
    """Run a service of its own, and yield its process id and that of its server."""
    command = [sys.executable, "-c", SERVICE.replace("DATA", data), str(folder)]
    process = await anyio.open_process(command, stderr=None, env={**os.environ, "TMPDIR": str(folder)})
    async with process:
        assert process.stdout is not None
        told = await BufferedByteReceiveStream(process.stdout).receive_until(b"\n", 1024)
        yield process.pid, int(told)
        with contextlib.suppress(ProcessLookupError):
            process.kill()


async def _gone(pid: int) -> None:
    """Wait for the end of a process that is not our child."""
    with contextlib.suppress(ProcessLookupError), anyio.fail_after(10):
        descriptor = os.pidfd_open(pid)
        try:
            await anyio.wait_readable(descriptor)
        finally:
            os.close(descriptor)


def _alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def _parent(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text("utf-8")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("PPid"))


def _command_line(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text("utf-8")


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


async def test_it_is_there_while_the_context_lasts_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    async with embedded(None) as server:
        await _store(server, b"done")
        pid = server.pid
        assert _files(tmp_path)

    assert not _alive(pid)
    assert not _files(tmp_path)


async def test_a_folder_keeps_streams_and_password(tmp_path: Path) -> None:
    async with embedded(tmp_path) as server:
        await _store(server, b"done")
        password = server.url.split("@", maxsplit=1)[0]

    async with embedded(tmp_path) as server:
        assert await _stored(server) == b"done"
        assert server.url.split("@", maxsplit=1)[0] == password


@pytest.mark.parametrize("name", ["with spaces", "größe", "\udcff", 'a"b\\c$d'], ids=ascii)
async def test_the_folder_may_have_any_name(tmp_path: Path, name: str) -> None:
    async with embedded(tmp_path / name) as server:
        await _store(server, b"done")

    assert any(path.suffix == ".blk" for path in _files(tmp_path / name))


async def test_the_password_is_nobody_elses_to_read(tmp_path: Path) -> None:
    async with embedded(tmp_path) as server:
        password = server.url.split(":")[2].split("@")[0]
        command_line = _command_line(server.pid)
        files = [path for path in _files(tmp_path) if password.encode() in path.read_bytes()]

    assert password not in command_line
    assert files
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


async def test_nobody_gets_in_without_the_password(tmp_path: Path) -> None:
    async with embedded(tmp_path) as server:
        with pytest.raises(ConnectError):
            async with connect(f"nats://127.0.0.1:{server.port}", name="stranger"):
                pass


async def test_two_run_side_by_side() -> None:
    async with embedded(None) as one, embedded(None) as two:
        await _store(one, b"one")
        await _store(two, b"two")

        assert (await _stored(one), await _stored(two)) == (b"one", b"two")


async def test_a_folder_in_use_is_refused_by_name(tmp_path: Path) -> None:
    async with embedded(tmp_path):
        with pytest.raises(ServerStartError, match=tmp_path.name):
            async with embedded(tmp_path):
                pass


async def test_a_port_in_use_is_said_with_the_log(tmp_path: Path) -> None:
    async with embedded(None) as server:
        with pytest.raises(ServerStartError, match="address already in use") as refused:
            async with embedded(tmp_path, port=server.port):
                pass

    assert len(str(refused.value).splitlines()) == 2, "not what it said of its start"


async def test_a_crashed_server_comes_back_with_its_data_and_address(tmp_path: Path) -> None:
    async with embedded(tmp_path) as server:
        await _store(server, b"before")
        url, pid = server.url, server.pid
        async with connect(server.url, name="test") as bus:
            os.kill(pid, signal.SIGKILL)

            receipt = await bus.publish(SUBJECT, b"after", message_id="2")

        assert receipt.sequence == 2
        assert (server.url, await _stored(server)) == (url, b"after")
        assert server.pid != pid


async def test_a_failure_of_those_who_use_it_is_theirs(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        async with embedded(tmp_path):
            raise ZeroDivisionError


@pytest.mark.parametrize("durable", [False, True])
async def test_durable_means_that_each_message_is_written_through(tmp_path: Path, durable: bool) -> None:
    async with embedded(tmp_path, durable=durable) as server:
        await _store(server, b"done")
        config = json.loads((tmp_path / "nats-server.conf").read_text("utf-8"))

    assert (config["jetstream"].get("sync_interval") == "always") is durable


async def test_a_thousand_may_follow_one_stream() -> None:
    async with embedded(None) as server:
        await apply_topology(server.url, declare(["echo"]))
        async with connect(server.url, name="test") as bus, AsyncExitStack() as stack:
            feeds = [await stack.enter_async_context(bus.feed(subjects.EVENTS, [SUBJECT])) for _ in range(1010)]

            await bus.publish(SUBJECT, b"done", message_id="1")

            with anyio.fail_after(10):
                assert {(await anext(feed)).data for feed in feeds} == {b"done"}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks at processes through /proc")
@pytest.mark.parametrize("victim", ["service", "keeper"])
async def test_killing_what_holds_the_server_ends_the_server(tmp_path: Path, victim: str) -> None:
    async with _service("Path(sys.argv[1])", tmp_path) as (pid, server):
        keeper = _parent(server)

        os.kill(pid if victim == "service" else keeper, signal.SIGKILL)

        await _gone(server)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks at processes through /proc")
async def test_a_killed_service_leaves_no_temporary_folder(tmp_path: Path) -> None:
    async with _service("None", tmp_path) as (pid, server):
        keeper = _parent(server)
        assert _files(tmp_path)

        os.kill(pid, signal.SIGKILL)

        await _gone(keeper)
        assert not _files(tmp_path)


async def test_a_folder_can_be_used_at_once_after_its_service_was_killed(tmp_path: Path) -> None:
    async with _service("Path(sys.argv[1])", tmp_path) as (pid, server):
        os.kill(pid, signal.SIGKILL)

        async with embedded(tmp_path) as successor:
            assert successor.pid != server
