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


MANY = """
import os
os.makedirs("out", exist_ok=True)
open("out/test_first.py", "w").write("first")
written = 0
try:
    while written < 64 << 20:
        with open(f"{written}", "wb") as file:
            file.write(bytes(1 << 16))
        written += 1 << 16
except OSError as error:
    print(error.strerror, written <= 4 << 20)
"""


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*"))


@bubblewrap
async def test_many_small_files_do_not_fill_the_disk(bwrap_sandbox: LocalSandbox, tmp_path: Path) -> None:
    limits = Limits(wall_s=30, disk_mb=4)

    done = await bwrap_sandbox.run(python(MANY, cwd=tmp_path, writable=[tmp_path], limits=limits))

    assert done.stdout == b"No space left on device True\n", done.stderr
    assert size(tmp_path) <= 5 << 20
    assert (tmp_path / "out" / "test_first.py").read_text() == "first"


@bubblewrap
async def test_what_a_folder_held_is_there_and_can_be_changed(bwrap_sandbox: LocalSandbox, tmp_path: Path) -> None:
    project, scratch = tmp_path / "project", tmp_path / "scratch"
    for folder in (project / "tests", scratch):
        folder.mkdir(parents=True)
    (project / "tests" / "notes").write_text("old")
    code = """
import os, sys
project, scratch = sys.argv[1:]
print(open(f"{project}/tests/notes").read())
open(f"{project}/tests/notes", "a").write(" and new")
open(f"{project}/more", "w").write("more")
os.symlink("/etc/passwd", f"{scratch}/link")
open(f"{scratch}/plain", "w").write("plain")
"""
    limits = Limits(wall_s=30, disk_mb=4)
    writable = [project, scratch]

    command = python(code, *map(str, writable), cwd=project, writable=writable, limits=limits)
    done = await bwrap_sandbox.run(command)

    assert done.stdout == b"old\n", done.stderr
    assert (project / "tests" / "notes").read_text() == "old and new"
    assert (project / "more").read_text() == "more"
    assert [path.name for path in scratch.iterdir()] == ["plain"]


@bubblewrap
async def test_what_was_written_until_the_wall_limit_comes_back_too(
    bwrap_sandbox: LocalSandbox, tmp_path: Path
) -> None:
    code = """
import os, signal, time
open("test_late.py", "w").write("late")
signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.fork()
os.setsid()
time.sleep(1000)
"""
    limits = Limits(wall_s=1, disk_mb=4)

    done = await bwrap_sandbox.run(python(code, cwd=tmp_path, writable=[tmp_path], limits=limits))

    assert done.timed_out
    assert done.returncode == -signal.SIGKILL
    assert (tmp_path / "test_late.py").read_text() == "late"


@bubblewrap
async def test_a_run_that_speaks_for_its_first_process_harms_itself_only(
    bwrap_sandbox: LocalSandbox, tmp_path: Path
) -> None:
    code = """
import os, struct
said = struct.pack(">HHQ", 0, 10, 1) + b"../forged" + b"!" + b"x"
for fd in os.listdir("/proc/1/fd"):
    try:
        os.write(os.open(f"/proc/1/fd/{fd}", os.O_WRONLY | os.O_NONBLOCK), said)
    except OSError:
        pass
open("test_a.py", "w").write("a")
"""
    folder = tmp_path / "folder"
    folder.mkdir()
    limits = Limits(wall_s=30, disk_mb=4)

    done = await bwrap_sandbox.run(python(code, cwd=folder, writable=[folder], limits=limits))

    assert not done.timed_out
    assert os.listdir(tmp_path) == ["folder"]  # noqa: PTH208  names are meant
