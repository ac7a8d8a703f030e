"""What foreign code can and cannot do in a container of its own, on a real container engine."""

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from tests.support.containers import container_engine
from tests.support.sandboxes import PREFIXES, python
from testwright.errors import SandboxError
from testwright.sandbox import Command, Limits
from testwright.sandbox.choice import choose
from testwright.sandbox.docker import DockerSandbox

pytestmark = [pytest.mark.container, pytest.mark.xdist_group("docker-sandbox")]

LOOK = """
import os, socket, sys
print(sorted(os.environ))
for name in ("/root/.ssh", sys.argv[1], "/var/run/docker.sock", "/etc/shadow"):
    print(os.path.exists(name))
for folder in (".", "/", "/usr", "/tmp"):
    try:
        open(f"{folder}/file", "w").close()
        print("written")
    except OSError:
        print("refused")
try:
    socket.create_connection(("127.0.0.1", int(sys.argv[2])), 5)
except OSError as error:
    print(error.strerror)
print([line.split()[1] for line in open("/proc/self/status") if line.startswith(("CapEff", "NoNewPrivs"))])
"""


@pytest.fixture(scope="module")
def sandbox() -> Iterator[DockerSandbox]:
    with container_engine():
        chosen = choose("docker")
        assert isinstance(chosen, DockerSandbox)
        yield chosen


def containers() -> bytes:
    return subprocess.run(["docker", "ps", "--all", "--quiet"], capture_output=True, check=True).stdout


async def test_a_run_sees_what_it_was_given_and_nothing_else(
    sandbox: DockerSandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "work").mkdir()
    secret = tmp_path / "secret"
    secret.touch()
    monkeypatch.setenv("NATS_URL", "s3cret")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        command = python(LOOK, str(secret), port, cwd=tmp_path / "work", writable=[tmp_path / "work"])

        done = await sandbox.run(command)

    lines = done.stdout.decode().splitlines()
    assert done.returncode == 0, done.stderr
    assert lines[0] == "['HOME', 'HOSTNAME', 'LANG', 'PATH', 'TMPDIR']"
    assert lines[1:5] == ["False"] * 4
    assert lines[5:9] == ["written", "refused", "refused", "written"]
    assert lines[9] == "Connection refused"
    assert lines[10] == "['0000000000000000', '1']"
    assert (tmp_path / "work" / "file").stat().st_uid == os.getuid()
    assert done.isolation == sandbox.isolation == "docker"


async def test_lines_come_while_it_runs_and_the_status_at_the_end(sandbox: DockerSandbox, tmp_path: Path) -> None:
    lines: list[str] = []

    async def take(line: str) -> None:
        lines.append(line)

    code = "import os, sys; print(sys.stdin.read(), flush=True); print('end', flush=True); os.kill(os.getpid(), 11)"
    done = await sandbox.run(python(code, cwd=tmp_path, stdin=b"hello"), take)

    assert lines == ["hello", "end"]
    assert done.returncode == -signal.SIGSEGV


async def test_memory_processes_and_temporary_files_are_limited(sandbox: DockerSandbox, tmp_path: Path) -> None:
    code = """
import os, sys
try:
    while os.fork():
        pass
    os.read(0, 1) or os._exit(0)
except BlockingIOError:
    print("no more processes")
try:
    open("/tmp/big", "wb").write(bytes(8 << 20))
except OSError as error:
    print(error.strerror)
"""
    limits = Limits(wall_s=60, processes=20, scratch_mb=4, group_mb=200)

    done = await sandbox.run(python(code, cwd=tmp_path, limits=limits))

    assert done.stdout.decode().splitlines()[-1] == "No space left on device"


async def test_a_container_is_gone_after_its_limit_and_after_cancellation(
    sandbox: DockerSandbox, tmp_path: Path
) -> None:
    endless = python("import time; print('up', flush=True); time.sleep(1000)", cwd=tmp_path)
    run = anyio.CancelScope()

    async def cancel(line: str) -> None:
        assert line == "up"
        run.cancel()

    late = await sandbox.run(replace(endless, limits=Limits(wall_s=2)))
    with run:
        await sandbox.run(endless, cancel)

    assert late.timed_out
    assert late.returncode == -signal.SIGKILL
    assert run.cancelled_caught
    assert containers() == b""


async def test_a_missing_program_is_told(sandbox: DockerSandbox, tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match="no-such-program"):
        await sandbox.run(Command(["no-such-program"], cwd=tmp_path, readable=(*PREFIXES, tmp_path)))
