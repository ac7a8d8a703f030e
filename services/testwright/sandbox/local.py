"""The only place that starts foreign code on this machine, in the strongest isolation that the machine allows."""

import contextlib
import functools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import anyio
import anyio.abc

from testwright import temporary
from testwright.errors import SandboxError
from testwright.sandbox import Command, Completed, Limits, OnLine, Sandbox, bwrap
from testwright.sandbox.capture import HeadTail, drain
from testwright_schemas import Isolation

PATH = "/usr/local/bin:/usr/bin:/bin"
DRAIN_S = 1.0
"""How long output is still read after the group was killed: a process that left the group may hold the pipe."""

_LAUNCHER = Path(__file__).with_name("launcher.py")


class LocalSandbox(Sandbox):
    """Runs commands under bubblewrap where it works, else in a process group of their own.

    With bubblewrap a run has no network, sees only what it was given, and whatever it started dies with it, daemons
    included. Without it, a run has limits and a cleared environment, but the user's files and the network are open to
    it, and a child that left its process group survives. The group dies with us in both cases, ``kill -9`` included;
    bubblewrap ties that to the thread that started it, so runs belong on asyncio, which starts them on the loop's own.

    Args:
        allow_bubblewrap: ``False`` to do without it.
    """

    def __init__(self, *, allow_bubblewrap: bool = True) -> None:
        self._bwrap = _working_bwrap() if allow_bubblewrap else None

    @property
    def isolation(self) -> Isolation:
        """The level that this machine allows."""
        return "bubblewrap" if self._bwrap else "process-group"

    async def run(self, command: Command, on_line: OnLine | None = None) -> Completed:
        """Run to the end, or to its limits.

        An error of ``on_line`` ends the run and is raised.

        Raises:
            SandboxError: it cannot be started: program, working directory or a writable folder is missing.
        """
        async with _scratch() as scratch:
            return await self._run_in(scratch, command, on_line)

    async def _run_in(self, scratch: Path, command: Command, on_line: OnLine | None) -> Completed:
        env = _environment(command, Path("/tmp") if self._bwrap else scratch / "tmp")  # noqa: S108  private inside
        _check(command, env["PATH"])
        with _Pipes(command.stdin) as pipes:
            pass_fds: tuple[int, ...] = ()
            if self._bwrap:
                argv = _bubblewrapped(self._bwrap, scratch, command, env)
            else:
                pass_fds = (pipes.lifeline,)
                argv = _launched(command, "--lifeline", str(pipes.lifeline))
            started = anyio.current_time()
            process = await _start(argv, command, env, pipes, pass_fds)
            out, err = HeadTail(command.limits.output_bytes), HeadTail(command.limits.output_bytes)
            timed_out = await _supervise(process, pipes, (out, err), command.limits.wall_s, on_line)
            wall_s = anyio.current_time() - started
        status = process.returncode
        if status is None:
            raise SandboxError(f"{command.argv[0]} was waited for and has no exit status")
        status = bwrap.returncode(status) if self._bwrap else status
        return Completed(status, out.value(), err.value(), wall_s, timed_out, self.isolation)


class _Pipes:
    """The descriptors of one run; those of the child are closed here once it has them."""

    def __init__(self, stdin: bytes) -> None:
        self._stack = contextlib.ExitStack()
        self._childs = self._stack.enter_context(contextlib.ExitStack())
        source = self._childs.enter_context(tempfile.TemporaryFile())  # noqa: SIM115  the stack closes it
        source.write(stdin)
        source.seek(0)
        self.stdin = source.fileno()
        self.out, self.child_out = self._pipe()
        self.err, self.child_err = self._pipe()
        self.lifeline, ours = os.pipe()
        self._childs.callback(os.close, self.lifeline)
        self._stack.callback(os.close, ours)

    def _pipe(self) -> tuple[int, int]:
        reading, writing = os.pipe()
        os.set_blocking(reading, False)
        self._stack.callback(os.close, reading)
        self._childs.callback(os.close, writing)
        return reading, writing

    def close_childs(self) -> None:
        self._childs.close()

    def __enter__(self) -> "_Pipes":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stack.close()


async def _start(
    argv: list[str], command: Command, env: dict[str, str], pipes: _Pipes, pass_fds: tuple[int, ...]
) -> anyio.abc.Process:
    try:
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
    pipes: _Pipes,
    outputs: tuple[HeadTail, HeadTail],
    wall_s: float,
    on_line: OnLine | None,
) -> bool:
    """Wait for the end or the limit, whichever is first; say whether it was the limit."""
    limit = anyio.CancelScope(deadline=anyio.current_time() + wall_s)
    try:
        async with anyio.create_task_group() as readers:
            readers.start_soon(drain, pipes.out, outputs[0], on_line)
            readers.start_soon(drain, pipes.err, outputs[1])
            with limit:
                await process.wait()
            await _kill(process)
            readers.cancel_scope.deadline = anyio.current_time() + DRAIN_S
    except BaseExceptionGroup as group:
        if len(group.exceptions) == 1:
            raise group.exceptions[0] from None
        raise
    finally:
        await _kill(process)
    return limit.cancelled_caught


async def _kill(process: anyio.abc.Process) -> None:
    """Kill the whole group and wait for its leader; also where the leader has ended, for those it left behind."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    with anyio.CancelScope(shield=True):
        await process.wait()


@contextlib.asynccontextmanager
async def _scratch() -> AsyncGenerator[Path]:
    folder = await anyio.to_thread.run_sync(_make_scratch)
    try:
        yield Path(folder.name)
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(_remove_scratch, folder)


def _make_scratch() -> tempfile.TemporaryDirectory[str]:
    folder = temporary.folder()
    for name in ("tmp", "tmp/home", "shm"):
        (Path(folder.name) / name).mkdir()
    return folder


def _remove_scratch(folder: tempfile.TemporaryDirectory[str]) -> None:
    # Foreign code may have nested folders deeper than the removal can follow; that must not fail the run.
    with contextlib.suppress(RecursionError):
        folder.cleanup()


def _environment(command: Command, tmp: Path) -> dict[str, str]:
    return {"PATH": PATH, "HOME": str(tmp / "home"), "TMPDIR": str(tmp), "LANG": "C.UTF-8", **command.env}


def _check(command: Command, path: str) -> None:
    for folder in (command.cwd, *command.writable):
        if not folder.exists():
            raise SandboxError(f"{folder} does not exist: create it before the run")
    program = command.argv[0]
    found = (command.cwd / program) if "/" in program else shutil.which(program, path=path)
    if found is None or not os.access(found, os.X_OK):
        raise SandboxError(f"cannot start {program}: no such program; name it by its absolute path")


def _launcher_python() -> Path:
    python = Path(sys.base_prefix, "bin", f"python{sys.version_info.major}.{sys.version_info.minor}")
    return python if python.exists() else Path(sys.executable).resolve()


def _launched(command: Command, *options: str) -> list[str]:
    python = [str(_launcher_python()), "-I", "-S", "-B", str(_LAUNCHER)]
    return [*python, *options, *_limits(command.limits), "--", *command.argv]


def _limits(limits: Limits) -> Iterator[str]:
    if limits.memory_mb is not None:
        yield f"AS={limits.memory_mb << 20}"
    yield f"FSIZE={limits.file_mb << 20}"
    yield f"NPROC={limits.processes}"
    yield "CORE=0"


def _bubblewrapped(program: str, scratch: Path, command: Command, env: dict[str, str]) -> list[str]:
    launcher = (Path(sys.base_prefix), _launcher_python(), _LAUNCHER)
    view = bwrap.View(
        cwd=command.cwd,
        env=env,
        tmp=scratch / "tmp",
        shm=scratch / "shm",
        readable=[path for path in (*launcher, *command.readable) if path.exists()],
        writable=command.writable,
        network=command.network,
    )
    return bwrap.arguments(program, view, _launched(command))


@functools.cache
def _working_bwrap() -> str | None:
    """Return bubblewrap's path if a real run succeeds: containers often refuse the namespaces it needs."""
    program = shutil.which("bwrap")
    if program is None:
        return None
    with _make_scratch() as folder:
        command = Command(["true"], cwd=Path("/"))
        argv = _bubblewrapped(program, Path(folder), command, {"PATH": PATH})
        try:
            # The limit only bounds a broken installation: a good one answers within tens of milliseconds.
            subprocess.run(argv, check=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=10)
        except (OSError, subprocess.SubprocessError):
            return None
    return program
