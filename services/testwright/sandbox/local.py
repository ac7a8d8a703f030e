"""The only place that starts foreign code on this machine, in the strongest isolation that the machine allows."""

import contextlib
import functools
import math
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.abc

from testwright import temporary
from testwright.errors import SandboxError
from testwright.sandbox import Command, Completed, Limits, OnLine, Sandbox, bwrap, cgroup, landlock
from testwright.sandbox.capture import HeadTail, drain
from testwright.sandbox.carriage import CARRY_S, Carriage, carrying
from testwright.sandbox.pipes import Pipes
from testwright_schemas import Isolation

PATH = "/usr/local/bin:/usr/bin:/bin"
GUARD_S = 5.0
"""How long all processes of a run may take to end when they are killed; then only the one we started is killed."""

DRAIN_S = 1.0
"""How long output is still read after the group was killed: a process that left the group may hold the pipe."""

_LAUNCHER = Path(__file__).with_name("launcher.py")


class LocalSandbox(Sandbox):
    """Runs commands under bubblewrap where it works, else confined by Landlock, else in a process group only.

    With bubblewrap a run has no network, sees only what it was given, and whatever it started dies with it, daemons
    included. With Landlock it opens only what it was given, and no network but a loopback device of its own. With
    neither, a run has limits and a cleared environment, but the user's files and the network are open to it. Daemons
    die with it on Linux, unless they kill its guard first. All of it dies with us in both cases, ``kill
    -9`` included; bubblewrap ties that to the thread that started it, so runs belong on asyncio, which starts them on
    the loop's own. Where control groups can be made, they limit memory and processes of each run as a whole.

    Args:
        allow_bubblewrap: ``False`` to do without it.
        allow_landlock: ``False`` to do without it; by default, as with bubblewrap.
    """

    def __init__(self, *, allow_bubblewrap: bool = True, allow_landlock: bool | None = None) -> None:
        self._bwrap = _working_bwrap() if allow_bubblewrap else None
        wanted = allow_bubblewrap if allow_landlock is None else allow_landlock
        self.landlock = landlock.here(launched, launcher_files()) if wanted and not self._bwrap else None
        self._cgroups = cgroup.here(tuple(_launcher()))

    @property
    def isolation(self) -> Isolation:
        """The level that this machine allows."""
        return "bubblewrap" if self._bwrap else "landlock" if self.landlock else "process-group"

    @property
    def limits_groups(self) -> bool:
        """Whether memory and processes are limited for each run as a whole, not for each process or user only."""
        return bool(self._cgroups)

    async def run(self, command: Command, on_line: OnLine | None = None) -> Completed:
        """Run to the end, or to its limits.

        An error of ``on_line`` ends the run and is raised.

        Raises:
            SandboxError: it cannot be started: program, working directory or a writable folder is missing.
        """
        private = contextlib.nullcontext(Path("/tmp"))  # noqa: S108  inside bubblewrap's view, it is
        async with private if self._bwrap else _scratch() as tmp:
            return await self._run_in(tmp, command, on_line)

    async def _run_in(self, tmp: Path, command: Command, on_line: OnLine | None) -> Completed:
        env = _environment(command, tmp)
        check(command, env["PATH"])
        with (
            Pipes(command.stdin, guarded=not self._bwrap) as pipes,
            self._cgroups.group(command.limits) as groups,
            carrying(command, pipes if self._bwrap else None) as carriage,
        ):
            joins = [word for fd in groups for word in ("--join", str(fd))]
            if self._bwrap:
                first = carriage.options() if carriage else ("--init",)
                started_by = launched(command, *joins, *first)
                argv = self._bwrap.wrap(command, env, started_by, info=pipes.child_info, carriage=carriage)
                pass_fds = (*groups, pipes.child_info, *(carriage.fds if carriage else ()))
            else:
                rules = self.landlock.rules(command, launcher_files(), tmp) if self.landlock else None
                argv = launched(command, *joins, "--lifeline", str(pipes.lifeline), rules=rules)
                pass_fds = (*groups, pipes.lifeline)
            started = anyio.current_time()
            process = await _start(argv, command, env, pipes, pass_fds)
            out, err = HeadTail(command.limits.output_bytes), HeadTail(command.limits.output_bytes)
            reads = [partial(drain, pipes.out, out, on_line), partial(drain, pipes.err, err)]
            timed_out = await _supervise(process, pipes, reads, command.limits.wall_s, carriage)
            if carriage:
                await carriage.unload()
            wall_s = anyio.current_time() - started
        status = process.returncode
        if status is None:
            raise SandboxError(f"{command.argv[0]} was waited for and has no exit status")
        status = bwrap.returncode(status) if self._bwrap else status
        return Completed(status, out.value(), err.value(), wall_s, timed_out, self.isolation)


@contextlib.contextmanager
def _shielded() -> Generator[None]:
    # A start that is broken off would leave a process whose descendants nobody knows.
    with anyio.CancelScope(shield=True):
        yield


async def _start(
    argv: list[str], command: Command, env: dict[str, str], pipes: Pipes, pass_fds: tuple[int, ...]
) -> anyio.abc.Process:
    try:
        with _shielded():
            return await anyio.open_process(
                argv,
                stdin=pipes.stdin,
                stdout=pipes.child_out,
                stderr=pipes.child_err,
                cwd=command.cwd,
                env=env,
                start_new_session=True,
                pass_fds=pass_fds,
            )
    except (OSError, ValueError) as error:
        raise SandboxError(f"cannot start {command.argv[0]}: {error}") from error
    finally:
        pipes.close_childs()


async def _supervise(
    process: anyio.abc.Process,
    pipes: Pipes,
    reads: Sequence[Callable[[], Coroutine[Any, Any, None]]],
    wall_s: float,
    carriage: Carriage | None,
) -> bool:
    """Wait for the end or the limit, whichever is first; say whether it was the limit."""
    limit = anyio.CancelScope(deadline=anyio.current_time() + wall_s)
    try:
        async with anyio.create_task_group() as readers:
            for read in reads:
                readers.start_soon(read)
            if carriage:
                readers.start_soon(carriage.read)
            with limit:
                await process.wait()
            if carriage and limit.cancelled_caught:
                pipes.let_go()
                with anyio.move_on_after(CARRY_S):
                    await process.wait()
            await _kill(process, pipes)
            readers.cancel_scope.deadline = anyio.current_time() + DRAIN_S
    except BaseExceptionGroup as group:
        if len(group.exceptions) == 1:
            raise group.exceptions[0] from None
        raise
    finally:
        await _kill(process, pipes)
    return limit.cancelled_caught


async def _kill(process: anyio.abc.Process, pipes: Pipes) -> None:
    """Kill the whole group and wait for its leader; also where the leader has ended, for those it left behind."""
    with _shielded():
        if process.returncode is None:
            with anyio.move_on_after(GUARD_S):
                await pipes.end(process.pid)
                await process.wait()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


@contextlib.asynccontextmanager
async def _scratch() -> AsyncGenerator[Path]:
    folder = await anyio.to_thread.run_sync(_make_scratch)
    try:
        yield Path(folder.name, "tmp")
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(_remove_scratch, folder)


def _make_scratch() -> tempfile.TemporaryDirectory[str]:
    folder = temporary.folder()
    Path(folder.name, "tmp", "home").mkdir(parents=True)
    return folder


def _remove_scratch(folder: tempfile.TemporaryDirectory[str]) -> None:
    # Foreign code may have nested folders deeper than the removal can follow; that must not fail the run.
    with contextlib.suppress(RecursionError):
        folder.cleanup()


def _environment(command: Command, tmp: Path) -> dict[str, str]:
    return {"PATH": PATH, "HOME": str(tmp / "home"), "TMPDIR": str(tmp), "LANG": "C.UTF-8", **command.env}


def check(command: Command, path: str) -> None:
    """Return if the folders and the program of a command are there, looked up on this path.

    Raises:
        SandboxError: one of them is not.
    """
    for folder in (command.cwd, *command.writable, *command.private):
        if not folder.exists():
            raise SandboxError(f"{folder} does not exist: create it before the run")
    program = command.argv[0]
    found = (command.cwd / program) if "/" in program else shutil.which(program, path=path)
    if found is None or not os.access(found, os.X_OK):
        raise SandboxError(f"cannot start {program}: no such program; name it by its absolute path")


def _launcher_python() -> Path:
    python = Path(sys.base_prefix, "bin", f"python{sys.version_info.major}.{sys.version_info.minor}")
    return python if python.exists() else Path(sys.executable).resolve()


def _launcher() -> list[str]:
    return [str(_launcher_python()), "-I", "-S", "-B", str(_LAUNCHER)]


def launcher_files() -> tuple[Path, ...]:
    """Return what a run must be able to read for the launcher to start."""
    return Path(sys.base_prefix), _launcher_python(), _LAUNCHER, _LAUNCHER.with_name("carry.py")


def launched(command: Command, *options: str, rules: str | None = None) -> list[str]:
    """Return the command line that sets a command's limits and then runs it; see ``launcher.py`` for the options."""
    return [*_launcher(), *options, *_limits(command.limits), *([rules] if rules else ()), "--", *command.argv]


def _limits(limits: Limits) -> Iterator[str]:
    if limits.memory_mb is not None:
        yield f"AS={limits.memory_mb << 20}"
    yield f"CPU={math.ceil(limits.cpu_s or limits.wall_s * (os.cpu_count() or 1))}"
    yield f"FSIZE={limits.file_mb << 20}"
    yield f"NPROC={limits.processes}"
    yield "CORE=0"


@dataclass(frozen=True, slots=True)
class _Bwrap:
    """Bubblewrap as it works here; ``nesting`` where it cannot take user namespaces from those inside."""

    program: str
    nesting: bool

    def wrap(
        self,
        command: Command,
        env: dict[str, str],
        launched: list[str],
        info: int | None = None,
        carriage: Carriage | None = None,
    ) -> list[str]:
        view = bwrap.View(
            cwd=command.cwd,
            env=env,
            readable=[path for path in (*launcher_files(), *command.readable) if path.exists()],
            writable=() if carriage else command.writable,
            private={folder: sorted(folder.iterdir()) for folder in command.private},
            carried=carriage.held if carriage else {},
            scratch_bytes=command.limits.scratch_mb << 20,
            carried_bytes=(command.limits.disk_mb or 0) << 20,
            network=command.network,
            nesting=self.nesting,
            info=info,
        )
        return bwrap.arguments(self.program, view, launched)


@functools.cache
def _working_bwrap() -> _Bwrap | None:
    """Return bubblewrap if a real run succeeds: containers often refuse the namespaces it needs."""
    program = shutil.which("bwrap")
    if program is None:
        return None
    command = Command(["true"], cwd=Path("/"))
    for found in (_Bwrap(program, nesting=False), _Bwrap(program, nesting=True)):
        argv = found.wrap(command, {"PATH": PATH}, launched(command, "--init"))
        # The limit only bounds a broken installation: a good one answers within tens of milliseconds.
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            subprocess.run(argv, check=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=10)
            return found
    return None
