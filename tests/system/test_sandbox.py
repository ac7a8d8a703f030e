"""What foreign code can and cannot do, at each level of isolation, with real processes."""

import contextlib
import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from tests.support.sandboxes import BUBBLEWRAP_WORKS, LEVELS, PREFIXES, of_level, python
from testwright.errors import SandboxError
from testwright.sandbox import Command, Limits
from testwright.sandbox.local import LocalSandbox

bubblewrap = pytest.mark.skipif(not BUBBLEWRAP_WORKS, reason="bubblewrap is missing or may not make namespaces here")
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux enforces this limit")

# Leaves processes behind that hold the write end of a fifo: it reads as ended once all of them are gone.
STAY = """
import os, sys, time
hold = os.open(sys.argv[1], os.O_WRONLY)
if os.fork() == 0:
    os.fork()
    time.sleep(1000)
os.write(hold, b"up")
print("up", flush=True)
"""


@pytest.fixture(params=LEVELS)
def sandbox(request: pytest.FixtureRequest) -> LocalSandbox:
    return of_level(request.param)


@pytest.fixture
def bwrap_sandbox() -> LocalSandbox:
    return LocalSandbox()


class Fifo:
    """A pipe in the file system that tells when its last writer is gone."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "fifo"
        os.mkfifo(self.path)
        self._fd = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK)

    async def read(self) -> bytes:
        await anyio.wait_readable(self._fd)
        return os.read(self._fd, 100)

    async def writers_gone(self) -> bool:
        """Wait until somebody has written and nobody is left who could; the suite's timeout bounds it."""
        said = b""
        while data := await self.read():
            said += data
        return said == b"up"

    def close(self) -> None:
        os.close(self._fd)


@pytest.fixture
def fifo(tmp_path: Path) -> Iterator[Fifo]:
    made = Fifo(tmp_path)
    yield made
    made.close()


async def test_output_and_status_come_back(sandbox: LocalSandbox, tmp_path: Path) -> None:
    code = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"

    done = await sandbox.run(python(code, cwd=tmp_path))

    assert (done.returncode, done.stdout, done.stderr) == (3, b"out\n", b"err\n")
    assert not done.timed_out
    assert done.isolation == sandbox.isolation


async def test_a_signal_shows_as_a_negative_status(sandbox: LocalSandbox, tmp_path: Path) -> None:
    done = await sandbox.run(python("import os; os.kill(os.getpid(), 11)", cwd=tmp_path))

    assert done.returncode == -signal.SIGSEGV


async def test_the_program_gets_its_input(sandbox: LocalSandbox, tmp_path: Path) -> None:
    data = b"x" * 1_000_000

    done = await sandbox.run(python("import sys; print(len(sys.stdin.buffer.read()))", cwd=tmp_path, stdin=data))

    assert done.stdout == b"1000000\n"


async def test_our_secrets_are_not_seen(sandbox: LocalSandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "s3cret")
    monkeypatch.setenv("NATS_URL", "s3cret")

    done = await sandbox.run(python("import os; print(sorted(os.environ), *os.environ.values())", cwd=tmp_path))

    assert b"s3cret" not in done.stdout
    assert done.stdout.startswith((b"['HOME', 'LANG', 'PATH', 'PWD', 'TMPDIR']", b"['HOME', 'LANG', 'PATH', 'TMPDIR']"))


async def test_home_is_a_scratch_folder_that_is_gone_afterwards(sandbox: LocalSandbox, tmp_path: Path) -> None:
    code = "import os, pathlib; home = pathlib.Path.home(); (home / 'x').write_text(''); print(home)"

    done = await sandbox.run(python(code, cwd=tmp_path))

    assert done.returncode == 0
    home = Path(done.stdout.decode().strip())
    assert home != Path.home()
    assert not await anyio.Path(home).exists()


@linux
async def test_memory_is_limited(sandbox: LocalSandbox, tmp_path: Path) -> None:
    limits = Limits(wall_s=30, memory_mb=200)

    done = await sandbox.run(python("bytearray(300 << 20)", cwd=tmp_path, limits=limits))

    assert b"MemoryError" in done.stderr


async def test_files_are_limited_in_size(sandbox: LocalSandbox, tmp_path: Path) -> None:
    code = "open('big', 'wb').write(bytes(3 << 20))"
    limits = Limits(wall_s=30, file_mb=1)

    done = await sandbox.run(python(code, cwd=tmp_path, writable=[tmp_path], limits=limits))

    assert b"File too large" in done.stderr
    assert (tmp_path / "big").stat().st_size <= 1 << 20


async def test_what_a_run_leaves_behind_is_killed_when_it_ends(
    sandbox: LocalSandbox, tmp_path: Path, fifo: Fifo
) -> None:
    done = await sandbox.run(python(STAY, str(fifo.path), cwd=tmp_path, writable=[tmp_path]))

    assert await fifo.writers_gone()
    assert done.returncode == 0
    assert not done.timed_out


async def test_all_are_killed_at_the_wall_limit(sandbox: LocalSandbox, tmp_path: Path, fifo: Fifo) -> None:
    code = STAY + "time.sleep(1000)"
    command = python(code, str(fifo.path), cwd=tmp_path, writable=[tmp_path], limits=Limits(wall_s=1))

    done = await sandbox.run(command)

    assert await fifo.writers_gone()
    assert done.timed_out
    assert done.returncode == -signal.SIGKILL
    assert done.stdout == b"up\n"


async def test_all_are_killed_on_cancellation(sandbox: LocalSandbox, tmp_path: Path, fifo: Fifo) -> None:
    command = python(STAY + "time.sleep(1000)", str(fifo.path), cwd=tmp_path, writable=[tmp_path])

    run = anyio.CancelScope()

    async def cancel(line: str) -> None:
        assert line == "up"
        run.cancel()

    with run:
        await sandbox.run(command, cancel)

    assert run.cancelled_caught
    assert await fifo.writers_gone()


# Starts a tree of processes: ending them takes the kernel a while.
CROWD = """
import os, time
for _ in range(5):
    os.fork()
print("up", flush=True)
time.sleep(1000)
"""


@linux
@pytest.mark.parametrize("steps", [None] * 10 + [2**n for n in range(10)])
async def test_nothing_is_left_at_the_moment_that_a_cancelled_run_returns(
    sandbox: LocalSandbox, tmp_path: Path, steps: int | None
) -> None:
    run = anyio.CancelScope()

    async def cancel(line: str) -> None:
        run.cancel()

    async def cancel_early(after: int) -> None:
        for _ in range(after):
            await anyio.lowlevel.checkpoint()
        run.cancel()

    async with anyio.create_task_group() as group:
        if steps is not None:
            group.start_soon(cancel_early, steps)
        with run:
            await sandbox.run(python(CROWD, str(tmp_path), cwd=tmp_path), cancel)

        assert list(processes_naming(tmp_path)) == []


def processes_naming(folder: Path) -> Iterator[int]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if str(folder).encode() in (entry / "cmdline").read_bytes().split(b"\0"):
                    yield int(entry.name)


@linux
async def test_a_daemon_of_its_own_session_dies_too(sandbox: LocalSandbox, tmp_path: Path, fifo: Fifo) -> None:
    code = STAY.replace("time.sleep(1000)", "os.setsid(); time.sleep(1000)")

    done = await sandbox.run(python(code, str(fifo.path), cwd=tmp_path, writable=[tmp_path]))

    assert await fifo.writers_gone()
    assert done.returncode == 0


async def test_a_daemon_that_has_killed_its_guard_does_not_hold_up_the_run(tmp_path: Path) -> None:
    code = """
import os, signal, time
read, write = os.pipe()
if (child := os.fork()) == 0:
    os.setsid()
    os.write(write, b"x")
    time.sleep(1000)
os.read(read, 1)
print(child, flush=True)
os.kill(os.getppid(), signal.SIGKILL)
time.sleep(1000)
"""
    pids: list[int] = []

    async def note(line: str) -> None:
        pids.append(int(line))

    try:
        done = await LocalSandbox(allow_bubblewrap=False).run(python(code, cwd=tmp_path), note)
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGKILL)

    assert done.returncode == -signal.SIGKILL
    assert not done.timed_out


async def test_foreign_code_dies_with_us(sandbox: LocalSandbox, tmp_path: Path, fifo: Fifo) -> None:
    code = f"""
import anyio
from pathlib import Path
from tests.support.sandboxes import of_level, python

async def main():
    folder = Path({str(tmp_path)!r})
    command = python({STAY + "time.sleep(1000)"!r}, {str(fifo.path)!r}, cwd=folder, writable=[folder])
    await of_level({sandbox.isolation!r}).run(command)

anyio.run(main)
"""
    service = await anyio.open_process([sys.executable, "-c", code], cwd=Path(__file__).parents[2])
    async with service:
        assert await fifo.read() == b"up"
        service.kill()

        assert await fifo.read() == b""


async def test_a_process_that_prints_without_end_neither_blocks_nor_fills_memory(
    sandbox: LocalSandbox, tmp_path: Path
) -> None:
    code = "import sys\nfor _ in range(2000): sys.stdout.write('x' * 100_000)\nprint('end')"
    limits = Limits(wall_s=60, output_bytes=1000)

    done = await sandbox.run(python(code, cwd=tmp_path, limits=limits))

    assert done.returncode == 0
    assert len(done.stdout) < 1100
    assert done.stdout.endswith(b"xend\n")


async def test_lines_come_while_the_process_runs(sandbox: LocalSandbox, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    code = "import sys; print('first', flush=True); open(sys.argv[1]).read(); print('last', end='')"
    lines: list[str] = []

    async def take(line: str) -> None:
        lines.append(line)
        if line == "first":
            # The process waits for this, so the line has come before its end.
            await anyio.Path(gate).write_text("go")

    await sandbox.run(python(code, str(gate), cwd=tmp_path, writable=[tmp_path]), take)

    assert lines == ["first", "last"]


async def test_an_error_of_the_listener_ends_the_run(sandbox: LocalSandbox, tmp_path: Path) -> None:
    async def refuse(line: str) -> None:
        raise ValueError(line)

    with pytest.raises(ValueError, match="hello"):
        await sandbox.run(python("import time; print('hello', flush=True); time.sleep(1000)", cwd=tmp_path), refuse)


async def test_paths_may_have_spaces_and_accents(sandbox: LocalSandbox, tmp_path: Path) -> None:
    folder = tmp_path / "a folder, très long"
    folder.mkdir()

    done = await sandbox.run(python("open('naïve file', 'w').write('x')", cwd=folder, writable=[folder]))

    assert done.returncode == 0, done.stderr
    assert [path.name for path in folder.iterdir()] == ["naïve file"]


async def test_an_interpreter_behind_links_runs(sandbox: LocalSandbox, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(sys.prefix)
    interpreter = tmp_path / "link" / "bin" / "python"
    command = Command([str(interpreter), "-c", "import anyio"], cwd=tmp_path, readable=(*PREFIXES, tmp_path / "link"))

    done = await sandbox.run(command)

    assert done.returncode == 0, done.stderr


@bubblewrap
async def test_the_network_cannot_be_reached(bwrap_sandbox: LocalSandbox, tmp_path: Path) -> None:
    code = "import socket, sys; socket.create_connection(('127.0.0.1', int(sys.argv[1])), 5)"
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        closed = await bwrap_sandbox.run(python(code, port, cwd=tmp_path))
        command = python(code, port, cwd=tmp_path)
        opened = await bwrap_sandbox.run(
            Command(command.argv, cwd=tmp_path, readable=command.readable, network=True, limits=command.limits)
        )

    assert b"refused" in closed.stderr
    assert opened.returncode == 0, opened.stderr


@bubblewrap
async def test_only_writable_folders_can_be_written(bwrap_sandbox: LocalSandbox, tmp_path: Path) -> None:
    mine, theirs = tmp_path / "mine", tmp_path / "theirs"
    mine.mkdir()
    theirs.mkdir()
    code = """
import sys
for folder in sys.argv[1:]:
    try:
        open(folder + "/file", "w").close()
        print("written")
    except OSError as error:
        print("refused")
"""
    command = python(code, str(mine), str(theirs), "/", "/dev", "/usr", "/proc/sys/kernel", cwd=theirs, writable=[mine])

    done = await bwrap_sandbox.run(command)

    assert done.stdout.split() == [b"written"] + [b"refused"] * 5


@bubblewrap
async def test_what_was_not_given_cannot_be_read(bwrap_sandbox: LocalSandbox, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "work").mkdir()
    command = python("import sys; open(sys.argv[1])", str(tmp_path / "secret"), cwd=tmp_path / "work")

    done = await bwrap_sandbox.run(command)

    assert b"FileNotFoundError" in done.stderr


@pytest.mark.parametrize("program", ["no-such-program", "/nowhere/no-such-program"])
async def test_a_missing_program_is_told(sandbox: LocalSandbox, tmp_path: Path, program: str) -> None:
    with pytest.raises(SandboxError, match="no-such-program"):
        await sandbox.run(Command([program], cwd=tmp_path, readable=[tmp_path]))


async def test_a_missing_folder_is_told(sandbox: LocalSandbox, tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match="does not exist"):
        await sandbox.run(python("", cwd=tmp_path / "missing"))
