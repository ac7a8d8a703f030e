"""What runs cannot use up, and cannot reach of what runs them, at each level of isolation, with real processes."""

import os
import signal
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from tests.support.sandboxes import BUBBLEWRAP_WORKS, LEVELS, PREFIXES, of_level, python
from testwright.sandbox import Limits, cgroup
from testwright.sandbox.local import LocalSandbox

bubblewrap = pytest.mark.skipif(not BUBBLEWRAP_WORKS, reason="bubblewrap is missing or may not make namespaces here")
groups = pytest.mark.skipif(not LocalSandbox().limits_groups, reason="this user may make no control groups here")


@pytest.fixture(params=LEVELS)
def sandbox(request: pytest.FixtureRequest) -> LocalSandbox:
    return of_level(request.param)


@pytest.fixture
def bwrap_sandbox() -> LocalSandbox:
    return LocalSandbox()


@bubblewrap
async def test_private_folders_are_limited_and_gone_afterwards(bwrap_sandbox: LocalSandbox, tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("mine")
    code = """
import os, sys
print(open("notes").read())
for folder in (".", "/tmp", "/dev/shm"):
    try:
        for number in range(20):
            open(f"{folder}/{number}", "wb").write(bytes(1 << 20))
    except OSError as error:
        print(error.strerror)
"""
    command = python(code, cwd=tmp_path, limits=Limits(wall_s=30, scratch_mb=4))

    done = await bwrap_sandbox.run(replace(command, readable=PREFIXES, private=[tmp_path]))

    assert done.stdout.decode().splitlines() == ["mine"] + ["No space left on device"] * 3
    assert not (tmp_path / "0").exists()


@bubblewrap
async def test_nobody_inside_holds_the_pipes_of_a_run(bwrap_sandbox: LocalSandbox, tmp_path: Path) -> None:
    code = """
import os
own = {os.stat(fd).st_ino for fd in (0, 1, 2)}
for pid in filter(str.isdigit, os.listdir("/proc")):
    if int(pid) != os.getpid():
        held = {os.stat(f"/proc/{pid}/fd/{fd}").st_ino for fd in os.listdir(f"/proc/{pid}/fd")}
        print(pid, held & own)
"""
    done = await bwrap_sandbox.run(python(code, cwd=tmp_path))

    assert done.stdout.decode() == "1 set()\n", done.stderr


@bubblewrap
async def test_no_namespaces_can_be_made_inside(bwrap_sandbox: LocalSandbox, tmp_path: Path) -> None:
    code = "import ctypes; print(ctypes.CDLL(None).unshare(0x10000000))"

    done = await bwrap_sandbox.run(python(code, cwd=tmp_path))

    assert done.stdout == b"-1\n"


async def test_cpu_time_is_limited(sandbox: LocalSandbox, tmp_path: Path) -> None:
    done = await sandbox.run(python("while True: pass", cwd=tmp_path, limits=Limits(wall_s=60, cpu_s=1)))

    assert done.returncode in {-signal.SIGXCPU, -signal.SIGKILL}
    assert not done.timed_out


@groups
async def test_the_processes_of_a_run_are_limited_for_root_too(sandbox: LocalSandbox, tmp_path: Path) -> None:
    code = """
import os, time
made = 0
try:
    while True:
        if os.fork() == 0:
            time.sleep(1000)
        made += 1
except BlockingIOError:
    print(made < 20)
"""
    done = await sandbox.run(python(code, cwd=tmp_path, limits=Limits(wall_s=30, processes=20)))

    assert done.stdout == b"True\n"


@groups
async def test_the_memory_of_a_run_is_limited_over_all_its_processes(sandbox: LocalSandbox, tmp_path: Path) -> None:
    code = """
import os
for _ in range(4):
    if os.fork() == 0:
        data = bytearray(os.urandom(1) * (60 << 20))
        os.write(1, b"held ")
        os.read(0, 1)
        os._exit(0)
print(sorted({os.waitpid(-1, 0)[1] for _ in range(4)})[-1])
"""
    done = await sandbox.run(python(code, cwd=tmp_path, limits=Limits(wall_s=30, group_mb=100)))

    assert done.stdout.count(b"held") < 4 or done.returncode == -signal.SIGKILL


def unified() -> Path | None:
    """Return a folder of the unified hierarchy in which this user may make groups, whichever controllers it has."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines() if Path("/proc/self/mountinfo").exists() else []
    mounts = [Path(line.split(" ")[4]) for line in lines if " - cgroup2 " in line]
    return next((mount for mount in mounts if os.access(mount / "cgroup.procs", os.W_OK)), None)


@pytest.mark.skipif(
    unified() is None, reason="there is no unified hierarchy here, or this user may make no groups in it"
)
async def test_a_daemon_that_has_killed_its_guard_dies_with_its_group(tmp_path: Path) -> None:
    code = """
import os, signal, sys, time
read, write = os.pipe()
if os.fork() == 0:
    os.setsid()
    hold = os.open(sys.argv[1], os.O_WRONLY)
    os.write(hold, b"up")
    os.write(write, b"x")
    time.sleep(1000)
os.close(write)
os.read(read, 1)
os.kill(os.getppid(), signal.SIGKILL)
time.sleep(1000)
"""
    folder = unified()
    assert folder is not None
    sandbox = of_level("process-group")
    sandbox._cgroups = cgroup.Cgroups((cgroup.Base(folder, {}),))  # pyright: ignore[reportPrivateUsage]  without controllers
    os.mkfifo(tmp_path / "fifo")
    held = os.open(tmp_path / "fifo", os.O_RDONLY | os.O_NONBLOCK)

    done = await sandbox.run(python(code, str(tmp_path / "fifo"), cwd=tmp_path))

    assert done.returncode == -signal.SIGKILL
    assert os.read(held, 2) == b"up"
    await anyio.wait_readable(held)
    assert os.read(held, 1) == b"", "somebody still has the other end"
    os.close(held)
