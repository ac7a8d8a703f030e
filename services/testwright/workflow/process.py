"""The only place that runs the commands of a workflow: the user's own programs, in the user's own folder.

They run with the user's rights, or in the sandbox where their stage asks for it. Nothing of ours or of an engine's runs
here.
"""

import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import anyio
from anyio.abc import Process

from testwright.sandbox import Command, Limits, Sandbox
from testwright.settings import tool_path

GRACE_S = 5.0
"""Seconds between asking a program to end and ending it."""

MAX_OUTPUT = 1_000_000
"""Bytes of what a program prints that are kept: the last ones."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended: ``exit_code`` is ``None`` where it never began or was out of time; ``reason`` says so."""

    exit_code: int | None
    output: bytes
    reason: str = ""


async def run(argv: Sequence[str], folder: Path, timeout_s: float) -> Ended:
    """Run a program to its end and return what it printed on both streams.

    Cancelled or out of time, it and everything it has started in its session is ended.

    Args:
        argv: program, by an absolute path or a name on the PATH, and arguments.
        folder: that it runs in.
        timeout_s: seconds that it may take.
    """
    try:
        process = await anyio.open_process(
            list(argv),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        return Ended(None, b"", f"{argv[0]} cannot be run: {error.strerror or error}")
    printed = bytearray()
    with anyio.move_on_after(timeout_s) as scope:
        try:
            async with anyio.create_task_group() as reading:
                reading.start_soon(_read, process, printed)
                await process.wait()
                # What it has left behind may hold its output open for ever.
                _signal(process, signal.SIGKILL)
        finally:
            with anyio.CancelScope(shield=True):
                await _end(process)
    if scope.cancelled_caught:
        return Ended(None, bytes(printed), f"not done within {timeout_s:g} s")
    return Ended(process.returncode, bytes(printed))


async def run_sandboxed(sandbox: Sandbox, argv: Sequence[str], folder: Path, timeout_s: float) -> Ended:
    """Run a program as ``run`` does, without network and credentials; it can write nothing but the folder.

    Raises:
        SandboxError: it cannot be started.
    """
    command = Command(
        argv=argv,
        cwd=folder,
        env={"PATH": tool_path()},
        readable=_installations(Path(argv[0])),
        writable=(folder,),
        limits=Limits(wall_s=timeout_s, memory_mb=None, output_bytes=MAX_OUTPUT),
    )
    ended = await sandbox.run(command)
    output = ended.stdout + ended.stderr
    if ended.timed_out:
        return Ended(None, output, f"not done within {timeout_s:g} s")
    return Ended(ended.returncode, output)


def _installations(program: Path) -> tuple[Path, ...]:
    """Return the folders that hold what a program is made of: a virtual environment, and the one it was made from."""
    found = (path.parent.parent for path in (program, program.resolve()) if path.parent.name == "bin")
    return tuple(dict.fromkeys(path for path in found if path.is_absolute() and path != Path("/")))


def program(name: str, folder: Path) -> str:
    """Return where a program is: in the folder, on the PATH, or beside this interpreter."""
    if os.sep in name:
        return str(folder / name)
    return shutil.which(name) or shutil.which(name, path=tool_path()) or name


async def _read(process: Process, printed: bytearray) -> None:
    assert process.stdout is not None  # noqa: S101  it was opened with a pipe
    async for chunk in process.stdout:
        printed += chunk
        del printed[:-MAX_OUTPUT]


async def _end(process: Process) -> None:
    if process.returncode is None:
        _signal(process, signal.SIGTERM)
        with anyio.move_on_after(GRACE_S):
            await process.wait()
    _signal(process, signal.SIGKILL)
    await process.aclose()


def _signal(process: Process, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)
