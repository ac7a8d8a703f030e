"""The only place that starts uv, and interpreters to ask them who they are."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import anyio
import anyio.to_thread
import uv

from testwright import settings, temporary
from testwright.environments import failures, interpreters
from testwright.errors import EnvironmentBuildError, SandboxError
from testwright.sandbox import Command, Completed, Limits, Sandbox

BUILD_S = 900.0
"""Longest that one uv command may take, in seconds."""
PROBE_S = 30.0
"""Longest that an interpreter may take to say who it is, in seconds."""

# uv is not foreign code: it needs the user's caches, certificates and network, and writes files of any size.
_UV = Limits(wall_s=BUILD_S, memory_mb=None, file_mb=1_000_000, processes=10_000)
_PROBE = Limits(wall_s=PROBE_S, memory_mb=None)


@dataclass(frozen=True, slots=True)
class Uv:
    """The ``uv`` that came with testwright.

    Attributes:
        runner: what starts it, without isolation.
    """

    runner: Sandbox

    async def installed(self) -> list[interpreters.Found]:
        """Return the interpreters that uv or pyenv has, or that are on the ``PATH``.

        Raises:
            EnvironmentBuildError: uv cannot say.
        """
        versions, path = settings.pyenv_versions(), settings.uv_environment().get("PATH", os.defpath)
        # What shims stand for is in that folder; uv would run each of them, and pyenv with it, to be told.
        entries = [entry for entry in path.split(os.pathsep) if Path(entry) != versions.with_name("shims")]
        listed = await self._run(
            *("python", "list", "--only-installed", "--output-format", "json"),
            cwd=Path("/"),
            env={"PATH": os.pathsep.join(entries)},
        )
        _check("uv", listed)
        folders = await anyio.to_thread.run_sync(_subfolders, versions)
        return [*interpreters.parse_uv_list(listed.stdout), *interpreters.from_folders(folders)]

    async def probe(self, python: Path) -> interpreters.Probed | None:
        """Ask an interpreter who it is; ``None`` where it does not run."""
        argv = [str(python), "-I", "-c", interpreters.PROBE]
        try:
            done = await self.runner.run(Command(argv, cwd=Path("/"), limits=_PROBE))
        except SandboxError:
            return None
        return None if done.returncode else interpreters.parse_probe(done.stdout)

    async def venv(self, folder: Path, python: str) -> None:
        """Make a virtual environment; ``python`` is a path, or a version specifier that uv may download for.

        Raises:
            EnvironmentBuildError: it has no such interpreter.
        """
        arguments = ("venv", "--allow-existing", "--relocatable", "--no-project", "--python", python, str(folder))
        done = await self._run(*arguments, cwd=Path("/"))
        if done.returncode:
            reason = failures.of_uv(f"Python {python}", done.stderr, timed_out=done.timed_out)
            raise EnvironmentBuildError("no-interpreter", str(reason), retryable=reason.retryable, log=reason.log)

    async def install(
        self, what: str, lines: Sequence[str], python: Path, *, cwd: Path = Path("/"), target: Path | None = None
    ) -> None:
        """Install the lines of a requirements file, from wheels alone if that is possible.

        Args:
            what: for error messages.
            lines: of the requirements file.
            python: of the environment to install into.
            cwd: where uv looks for its settings.
            target: a plain folder to install into instead.

        Raises:
            EnvironmentBuildError: they cannot be installed.
        """
        if not lines:
            return
        with await anyio.to_thread.run_sync(temporary.folder) as folder:
            file = Path(folder, "requirements.txt")
            await anyio.Path(file).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
            options = ["--target", str(target)] if target else []
            done = await self._install(python, cwd, *options, "--only-binary", ":all:", "-r", str(file))
            if done.returncode and not done.timed_out and failures.needs_build(done.stderr):
                done = await self._install(python, cwd, *options, "-r", str(file))
        _check(what, done)

    async def install_requirements_of(self, source: Path, what: str, python: Path) -> None:
        """Install what a project's build backend says that it depends on, without the project.

        Raises:
            EnvironmentBuildError: the backend fails, or they cannot be installed.
        """
        _check(what, await self._install(python, source.parent, "-r", str(source)))

    async def freeze(self, python: Path) -> tuple[str, ...]:
        """Return the packages that an interpreter can import as pinned requirement lines, sorted.

        Raises:
            EnvironmentBuildError: they cannot be listed.
        """
        done = await self._run("pip", "freeze", "--python", str(python), cwd=Path("/"))
        _check("the environment", done)
        return tuple(sorted(done.stdout.decode(errors="replace").split("\n")[:-1]))

    async def _install(self, python: Path, cwd: Path, *arguments: str) -> Completed:
        # A sandbox may not write into an environment: what is not compiled now would be at the start of every run.
        options = ("--compile-bytecode", "--python", str(python))
        return await self._run("pip", "install", *options, *arguments, cwd=cwd)

    async def _run(self, *arguments: str, cwd: Path, env: Mapping[str, str] | None = None) -> Completed:
        argv = [uv.find_uv_bin(), "--no-progress", "--color", "never", *arguments]
        return await self.runner.run(
            Command(argv, cwd=cwd, env=settings.uv_environment() | dict(env or {}), network=True, limits=_UV),
        )


def _check(what: str, done: Completed) -> None:
    if done.returncode:
        raise failures.of_uv(what, done.stderr, timed_out=done.timed_out)


def _subfolders(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        # It is not there, or not ours to read: then nothing in it can be used either.
        return []
