"""The only place that starts containers: one for each run, from an image of nothing, with the machine's own programs.

What a run may see is mounted read-only at its own path, as with bubblewrap; so interpreters and environments need not
be built a second time, and no registry is asked for anything. The engine must see the file system of this machine: a
remote one does not.
"""

import contextlib
import io
import os
import shutil
import subprocess
import tarfile
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import anyio

from testwright import settings
from testwright.errors import SandboxError, SandboxUnavailableError
from testwright.sandbox import Command, Completed, OnLine, Sandbox
from testwright.sandbox.bwrap import ETC, ETC_NETWORK, SYSTEM, returncode
from testwright.sandbox.local import PATH, LocalSandbox, check, launched, launcher_files
from testwright_schemas import Isolation

IMAGE = "testwright-sandbox:1"
_LINKS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
_FOLDERS = ("tmp", "proc", "dev", "sys", "etc", "usr")
_ANSWER_S = 30.0
"""What the engine may take to answer at all."""


class DockerSandbox(Sandbox):
    """Runs each command in a container of its own: no network, no capabilities, read-only but for what it may write.

    Args:
        program: the ``docker`` command line.
    """

    def __init__(self, program: str) -> None:
        self._program = program
        # What talks to the engine is ours: it needs neither isolation nor a network of the run's.
        self._outside = LocalSandbox(allow_bubblewrap=False)

    @classmethod
    def connect(cls) -> "DockerSandbox":
        """Return a sandbox on the engine that answers here, with the image it needs.

        Raises:
            SandboxUnavailableError: there is no command line, no engine answers, or it does not take the image.
        """
        program = shutil.which("docker", path=settings.tool_path())
        if program is None:
            raise SandboxUnavailableError("containers are asked for and there is no docker: install its command line")
        try:
            known = [program, "image", "inspect", IMAGE]
            if subprocess.run(known, capture_output=True, check=False, timeout=_ANSWER_S).returncode:
                imported = [program, "import", "-", IMAGE]
                subprocess.run(imported, input=_image(), capture_output=True, check=True, timeout=_ANSWER_S)
        except subprocess.CalledProcessError as error:
            told = error.stderr.decode(errors="replace").strip()
            raise SandboxUnavailableError(f"the container engine cannot be used: {told}") from error
        except (OSError, subprocess.SubprocessError) as error:
            raise SandboxUnavailableError(f"the container engine cannot be used: {error}") from error
        return cls(program)

    @property
    def isolation(self) -> Isolation:
        """The level: ``docker``."""
        return "docker"

    async def run(self, command: Command, on_line: OnLine | None = None) -> Completed:
        """Run to the end, or to its limits, in a container that is gone afterwards.

        Raises:
            SandboxError: it cannot be started.
        """
        check(command, command.env.get("PATH", PATH))
        name = f"testwright-{uuid.uuid4().hex}"
        outer = replace(
            command,
            argv=[self._program, "run", "--name", name, *arguments(command), IMAGE, *launched(command, "--init")],
            cwd=Path("/"),
            env=settings.docker_environment(),
            limits=replace(command.limits, memory_mb=None, cpu_s=None),
        )
        try:
            done = await self._outside.run(outer, on_line)
        finally:
            # The end of the command line, at the limit or on cancellation, is not that of the container.
            with anyio.CancelScope(shield=True):
                await anyio.run_process([self._program, "rm", "--force", name], check=False)
        if done.returncode == _ENGINE_FAILED and b"docker:" in done.stderr:
            raise SandboxError(f"the container cannot be started: {done.stderr.decode(errors='replace').strip()}")
        return replace(done, returncode=returncode(done.returncode), isolation=self.isolation)


_ENGINE_FAILED = 125


def arguments(command: Command) -> Iterator[str]:
    """Yield the options of ``docker run`` for a command."""
    limits = command.limits
    yield from ("--rm", "--interactive", "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")
    yield from ("--network", "host" if command.network else "none", "--user", f"{os.getuid()}:{os.getgid()}")
    yield from ("--pids-limit", str(limits.processes), "--memory", f"{limits.group_mb}m", "--log-driver", "none")
    yield from ("--memory-swap", f"{limits.group_mb}m", "--hostname", "sandbox", "--workdir", str(command.cwd))
    for folder in (Path("/tmp"), *command.private):  # noqa: S108  private inside
        yield from ("--tmpfs", f"{folder}:rw,exec,mode=1777,size={limits.scratch_mb}m")
    yield from ("--shm-size", f"{limits.scratch_mb}m")
    environment = {"PATH": PATH, "HOME": "/tmp", "TMPDIR": "/tmp", "LANG": "C.UTF-8"}  # noqa: S108  as above
    for name, value in {**environment, **command.env}.items():
        yield from ("--env", f"{name}={value}")
    yield from _mounts(command)


def _mounts(command: Command) -> Iterator[str]:
    held = [inner for folder in command.private for inner in folder.iterdir()]
    system = [Path(path) for path in (*SYSTEM, *ETC, *(ETC_NETWORK if command.network else ()))]
    readable = _existing([*system, *launcher_files(), *command.readable, *held])
    modes = dict.fromkeys(readable, "true") | dict.fromkeys(_existing(command.writable), "false")
    for path in sorted(modes, key=lambda path: path.parts):
        option = ",readonly" if modes[path] == "true" else ""
        yield from ("--mount", f'type=bind,"source={path}","target={path}"{option}')


def _existing(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        # The image has the links of a system whose programs all lie below /usr.
        if path.exists() and not (path.parent == Path("/") and path.is_symlink()):
            yield path
            yield path.resolve()


def _image() -> bytes:
    """Return the layer of an image with no program in it: empty folders, and the links that systems have."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as archive:
        for name in _FOLDERS:
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(folder)
        for name in _LINKS:
            with contextlib.suppress(OSError):
                target = str(Path("/", name).readlink())
                link = tarfile.TarInfo(name)
                link.type, link.linkname = tarfile.SYMTYPE, target
                archive.addfile(link)
    return layer.getvalue()
