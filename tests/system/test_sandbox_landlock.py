"""What a run can and cannot do where Landlock confines it, each sentence of the documentation with a real process."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from tests.support.sandboxes import LANDLOCK_WORKS, of_level, python
from testwright.sandbox import confine, landlock
from testwright.sandbox.landlock import Landlock
from testwright.sandbox.local import LocalSandbox, launched, launcher_files

pytestmark = pytest.mark.skipif(not LANDLOCK_WORKS, reason="the kernel has no Landlock of Linux 6.2 or later")

# Tries expressions and prints for each what kept it from happening, or what came of it.
TRY = """
import ctypes, json, os, pathlib, resource, signal, socket, subprocess, sys, tempfile
there = sys.argv[1]
told = {}
for name, code in json.loads(sys.argv[2]).items():
    try:
        told[name] = repr(eval(code))
    except OSError as error:
        told[name] = type(error).__name__
print(json.dumps(told))
"""


@pytest.fixture
def sandbox() -> LocalSandbox:
    return of_level("landlock")


@pytest.fixture
def network() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


async def tried(sandbox: LocalSandbox, folder: Path, there: object, **codes: str) -> dict[str, str]:
    """Return what becomes of expressions in a run that may write to ``folder`` only; ``there`` is ``there`` in them."""
    command = python(TRY, str(there), json.dumps(codes), cwd=folder, writable=[folder])
    done = await sandbox.run(command)
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout)
    return found


async def test_only_what_was_given_can_be_read_and_written(sandbox: LocalSandbox, tmp_path: Path) -> None:
    work, secret = tmp_path / "work", tmp_path / "secret"
    work.mkdir()
    secret.write_text("secret")

    told = await tried(
        sandbox,
        work,
        secret,
        read="open(there).read()",
        listed="os.listdir(os.path.dirname(there))",
        shadow="open('/etc/shadow').read()",
        written="open(there, 'w')",
        cut="os.truncate(there, 0)",
        removed="os.remove(there)",
        renamed="os.rename(there, 'mine')",
        linked="os.link(there, 'mine')",
        made="open(os.path.dirname(there) + '/new', 'w')",
        shared="open('/dev/shm/new', 'w')",
        system="open('/usr/new', 'w')",
        device="os.mknod('device', 0o20600, os.makedev(1, 5))",
    )

    assert secret.read_text() == "secret"
    assert sorted([path.name async for path in anyio.Path(tmp_path).iterdir()]) == ["secret", "work"]
    assert set(told.values()) <= {"PermissionError", "OSError"}, told


async def test_own_folders_and_the_system_can_be_used(sandbox: LocalSandbox, tmp_path: Path) -> None:
    told = await tried(
        sandbox,
        tmp_path,
        "",
        here="open('x', 'w').write('mine')",
        moved="(os.mkdir('inner'), os.rename('x', 'inner/y'))",
        temporary="tempfile.NamedTemporaryFile().write(b'mine')",
        home="(pathlib.Path.home() / 'x').write_text('mine')",
        nothing="open(os.devnull, 'w').write('mine')",
        program="subprocess.run(['/bin/sh', '-c', 'cat /etc/passwd >/dev/null']).returncode",
        pair="(lambda a, b: a.send(b'mine'))(*socket.socketpair())",
    )

    assert told["program"] == "0"
    assert {told[name] for name in ("here", "temporary", "home", "nothing", "pair")} == {"4"}
    assert (tmp_path / "inner" / "y").read_text() == "mine"


async def test_no_server_of_this_machine_can_be_reached(
    sandbox: LocalSandbox, tmp_path: Path, network: socket.socket
) -> None:
    port = network.getsockname()[1]
    named = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(named))
        unix.listen()
        told = await tried(
            sandbox,
            tmp_path,
            named,
            tcp=f"socket.create_connection(('127.0.0.1', {port}), 5)",
            world="socket.create_connection(('192.0.2.1', 80), 5)",
            unix="socket.socket(socket.AF_UNIX).connect(there)",
            datagrams="socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)",
            kernel="socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)",
            packets="socket.socket(socket.AF_PACKET, socket.SOCK_RAW)",
            ring="ctypes.CDLL(None).syscall(425, 1, 0)",
        )

    assert told.pop("ring") == "-1"
    assert set(told.values()) <= {"PermissionError", "OSError", "ConnectionRefusedError"}, told
    with pytest.raises(BlockingIOError):
        network.accept()


async def test_a_run_talks_to_itself_over_a_network_of_its_own(sandbox: LocalSandbox, tmp_path: Path) -> None:
    assert sandbox.landlock is not None
    if not sandbox.landlock.own_network:
        pytest.skip("this user may make no network of his own here")
    code = """
import socket
server = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(server.getsockname())
server.accept()[0].send(b"hello")
print(client.recv(5).decode())
"""
    done = await sandbox.run(python(code, cwd=tmp_path))

    assert done.stdout == b"hello\n", done.stderr


@pytest.mark.parametrize("kind", ["SOCK_STREAM", "SOCK_DGRAM"])
def test_where_there_is_no_network_of_its_own_a_run_opens_no_socket(tmp_path: Path, kind: str) -> None:
    command = python(f"import socket; socket.socket(socket.AF_INET, socket.{kind})", cwd=tmp_path)
    rules = Landlock(own_network=False, scopes_signals=True).rules(command, launcher_files(), tmp_path)

    done = subprocess.run(launched(command, rules=rules), capture_output=True, check=False)

    assert b"Address family not supported" in done.stderr


async def test_a_run_with_network_reaches_it(sandbox: LocalSandbox, tmp_path: Path, network: socket.socket) -> None:
    code = f"import socket; socket.create_connection(('127.0.0.1', {network.getsockname()[1]}), 5)"

    done = await sandbox.run(replace(python(code, cwd=tmp_path), network=True))

    assert done.returncode == 0, done.stderr
    network.accept()[0].close()


@pytest.mark.parametrize("code", ["import socket; socket.socket(socket.AF_UNIX)", "import pty; pty.openpty()"])
async def test_only_an_interactive_run_opens_terminals_and_unix_sockets(
    sandbox: LocalSandbox, tmp_path: Path, code: str
) -> None:
    refused = await sandbox.run(python(code, cwd=tmp_path))
    opened = await sandbox.run(replace(python(code, cwd=tmp_path), interactive=True))

    assert b"OSError" in refused.stderr
    assert opened.returncode == 0, opened.stderr


async def test_other_processes_are_neither_seen_into_nor_signalled(sandbox: LocalSandbox, tmp_path: Path) -> None:
    async with await anyio.open_process(["sleep", "1000"], env={"KEY": "s3cret"}) as other:
        told = await tried(
            sandbox,
            tmp_path,
            other.pid,
            environment="open(f'/proc/{there}/environ').read()",
            memory="open(f'/proc/{there}/mem', 'rb')",
            files="open(f'/proc/{there}/fd/1', 'w')",
            root="os.listdir(f'/proc/{there}/root/')",
            killed="os.kill(int(there), signal.SIGKILL)",
            all="os.kill(-1, signal.SIGUSR1) if os.getppid() == 1 else None",
            guard="os.kill(os.getppid(), signal.SIGKILL)",
        )
        if confine.abi() < confine.SCOPES_SIGNALS:
            pytest.skip("signals can be sent to others before Linux 6.12")
        assert other.returncode is None
        other.kill()

    assert told.pop("all") == "None"
    assert set(told.values()) == {"PermissionError"}, told


async def test_no_privileges_are_left(sandbox: LocalSandbox, tmp_path: Path) -> None:
    code = """
import subprocess
lines = subprocess.run(["cat", "/proc/self/status"], capture_output=True, text=True).stdout.splitlines()
print(*[line.split()[1] for line in lines if line.startswith(("CapEff", "CapPrm", "CapBnd", "NoNewPrivs"))])
"""
    done = await sandbox.run(python(code, cwd=tmp_path))

    *capabilities, new_privileges = done.stdout.split()
    assert new_privileges == b"1"
    if os.getuid() == 0:
        assert {int(word, 16) for word in capabilities} == {0}
    else:
        assert int(capabilities[1], 16) == 0


async def test_nothing_can_be_mounted(sandbox: LocalSandbox, tmp_path: Path) -> None:
    code = """
import ctypes
libc = ctypes.CDLL(None)
libc.unshare(0x10020000)
print(libc.mount(b"none", b"/tmp", b"tmpfs", 0, None))
"""
    assert (await sandbox.run(python(code, cwd=tmp_path))).stdout == b"-1\n"


def test_a_run_whose_rules_the_kernel_refuses_does_not_begin(tmp_path: Path) -> None:
    command = python("print('began')", cwd=tmp_path)

    done = subprocess.run(
        launched(command, rules='CONFINE={"read": ["/proc/self/fd/999"], "write": ["\\u0000"]}'),
        capture_output=True,
        check=False,
    )

    assert done.returncode != 0
    assert b"began" not in done.stdout


def test_landlock_is_taken_where_bubblewrap_is_not_to_be_had(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    code = "from testwright.sandbox.local import LocalSandbox; print(LocalSandbox().isolation)"
    monkeypatch.setenv("PATH", str(tmp_path))

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "landlock\n"


def test_a_kernel_without_it_has_no_such_level(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confine, "abi", lambda: confine.LEAST_ABI - 1)
    landlock.here.cache_clear()
    try:
        assert LocalSandbox(allow_bubblewrap=False, allow_landlock=True).isolation == "process-group"
    finally:
        landlock.here.cache_clear()


async def test_what_the_documentation_says_is_not_stopped_is_not(sandbox: LocalSandbox, tmp_path: Path) -> None:
    """If one of these is refused one day, the documentation is to say so."""
    work, theirs = tmp_path / "work", tmp_path / "theirs"
    work.mkdir()
    theirs.write_text("")

    told = await tried(
        sandbox,
        work,
        theirs,
        mode="os.chmod(there, 0o640)",
        times="os.utime(there, (0, 0))",
        facts="os.stat(there).st_size",
        others="len(open(f'/proc/{os.getppid()}/cmdline').read()) > 0",
    )

    assert told == {"mode": "None", "times": "None", "facts": "0", "others": "True"}
