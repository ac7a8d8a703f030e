"""The only place that decides what goes into an environment; it is built by uv, once, and kept by digest."""

import os
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

import anyio
import anyio.to_thread

from testwright.environments import Environment, Environments, digests, interpreters, metadata, trees
from testwright.environments.store import Store
from testwright.environments.uv_command import Uv
from testwright.errors import EnvironmentBuildError
from testwright.sandbox import Sandbox
from testwright.sandbox.local import LocalSandbox
from testwright_schemas import Target

_OVERLAY_PTH = "zz_overlay.pth"


class UvEnvironments(Environments):
    """Builds environments with the ``uv`` that came with testwright.

    A project's own package is never installed, only what it depends on: dependencies that are listed are installed from
    the list; dynamic ones, Poetry's and those with ``tool.uv.sources`` are asked of the project's build backend, as are
    those of a ``setup.py``.

    Wheels are preferred, if need be of an older release. Where only a build from source will do, the package's own
    build code runs **outside of any sandbox**, as it does for every installer: with the user's rights and index
    credentials, though without the rest of our environment.

    Args:
        cache: folder of the environments; deleting it is safe while nothing runs.
        runner: what starts uv and interpreters; a plain process group by default.
    """

    def __init__(self, cache: Path, *, runner: Sandbox | None = None) -> None:
        self._store = Store(cache)
        self._uv = Uv(runner or LocalSandbox(allow_bubblewrap=False))
        self._found: list[interpreters.Found] | None = None
        self._probed: dict[Path, interpreters.Probed] = {}
        self._discovery = anyio.Lock()

    async def for_project(self, root: Path, target: Target, python: str | None) -> Environment:
        """Return the environment of a project; see ``metadata.needs`` for what decides.

        Args:
            root: of the project.
            target: the module.
            python: path of an interpreter that has everything; it is used as it is.

        Raises:
            EnvironmentBuildError: ``dependency-not-installable``, ``bad-metadata``, ``no-interpreter`` or
                ``index-unreachable``; only the last is retryable.
        """
        if python is not None:
            return await self._ready(python)
        needs = await anyio.to_thread.run_sync(_read_needs, root, target.path)
        base = await self._fitting(needs.requires_python)
        content = await anyio.to_thread.run_sync(trees.parts, root, needs)
        key = digests.digest(("project", *_identity(base), str(needs.built), *content, *needs.texts))

        async def build(folder: Path) -> None:
            await self._uv.venv(folder, base.executable)
            if needs.built:
                await self._uv.install_requirements_of(root / needs.source, needs.source, _python(folder))
            else:
                await self._uv.install(needs.source, needs.requirements, _python(folder), cwd=root)

        return _environment(await self._store.get(f"project-{key}", build), base, key)

    async def for_tool(
        self, name: str, requirements: Sequence[str], pythons: Sequence[str], like: Environment | None = None
    ) -> Environment:
        """Return the environment of a tool.

        Raises:
            EnvironmentBuildError: as for ``for_project``.
        """
        base = await (self._base(like.python) if like else self._of_minors(name, pythons))
        key = digests.digest(("tool", *_identity(base), like.digest if like else "", *requirements))

        async def build(folder: Path) -> None:
            await self._uv.venv(folder, base.executable)
            await self._uv.install(name, requirements, _python(folder))
            if like:
                # What a .pth file names goes to the end of the path, so the tool's own packages win.
                pth = anyio.Path(_site_packages(folder, base)) / _OVERLAY_PTH
                await pth.write_text(f"{like.site_packages}\n", encoding="utf-8")

        folder = await self._store.get(f"{name}-{key}", build)
        return _environment(folder, base, key, like.prefixes if like else ())

    async def overlay(self, name: str, requirements: Sequence[str], like: Environment) -> Path:
        """Return a folder for ``PYTHONPATH`` with these packages and what they depend on.

        Raises:
            EnvironmentBuildError: they cannot be installed.
        """
        base = await self._base(like.python)
        key = digests.digest(("overlay", *_identity(base), *requirements))
        build = partial(self._build_overlay, name, requirements, like.python)
        return await self._store.get(f"{name}-overlay-{key}", build)

    async def lock(self, environment: Environment) -> tuple[str, ...]:
        """Return the packages in an environment as pinned requirement lines, sorted.

        Raises:
            EnvironmentBuildError: uv cannot read it.
        """
        return await self._uv.freeze(environment.python)

    async def _build_overlay(self, name: str, requirements: Sequence[str], python: Path, folder: Path) -> None:
        await self._uv.install(name, requirements, python, target=folder)

    async def _ready(self, python: str) -> Environment:
        path = await anyio.to_thread.run_sync(lambda: Path(python).expanduser().absolute())
        probed = await self._probe_or_fail(path)
        return Environment(
            python=Path(probed.executable),
            version=probed.version[:2],
            site_packages=Path(probed.site_packages),
            prefixes=_folders(probed),
            digest=digests.digest(("ready", *_identity(probed), probed.executable, probed.site_packages)),
        )

    async def _fitting(self, requires_python: str) -> interpreters.Probed:
        found = interpreters.fitting(await self._discover(), requires_python)
        return await self._first_that_runs(found) or await self._downloaded(requires_python)

    async def _of_minors(self, name: str, minors: Sequence[str]) -> interpreters.Probed:
        found = await self._first_that_runs(interpreters.of_minors(await self._discover(), minors))
        if found is None:
            message = f"{name} needs Python {' or '.join(minors)}: install one, e.g. by uv or pyenv"
            raise EnvironmentBuildError("no-interpreter", message)
        return found

    async def _first_that_runs(self, found: Iterable[interpreters.Found]) -> interpreters.Probed | None:
        for each in found:
            probed = await self._probe(each.python)
            # A shim of pyenv may start another version than its name says.
            if probed and probed.version[:2] == each.version.release[:2]:
                return await self._probe_or_fail(Path(probed.base))
        return None

    async def _downloaded(self, requires_python: str) -> interpreters.Probed:
        """Let uv look by itself, and download where its own settings allow that."""
        key = digests.digest(("interpreter", requires_python))
        folder = await self._store.get(f"interpreter-{key}", lambda folder: self._uv.venv(folder, requires_python))
        return await self._base(_python(folder))

    async def _base(self, python: Path) -> interpreters.Probed:
        return await self._probe_or_fail(Path((await self._probe_or_fail(python)).base))

    async def _discover(self) -> list[interpreters.Found]:
        async with self._discovery:
            if self._found is None:
                self._found = await self._uv.installed()
            return self._found

    async def _probe_or_fail(self, python: Path) -> interpreters.Probed:
        probed = await self._probe(python)
        if probed is None:
            message = f"{python} is not a Python that runs: name the path of an interpreter"
            raise EnvironmentBuildError("no-interpreter", message)
        return probed

    async def _probe(self, python: Path) -> interpreters.Probed | None:
        known = self._probed.get(python)
        if known is None:
            known = await self._uv.probe(python)
            if known:
                self._probed[python] = known
        return known


def _read_needs(root: Path, target: str) -> metadata.Needs:
    def read(name: str) -> str | None:
        path = root / name
        # A link out of the project must not make us read, and quote, the user's other files.
        if not path.is_file() or not path.resolve().is_relative_to(root.resolve()):
            return None
        return path.read_text(encoding="utf-8", errors="replace")

    return metadata.needs(read, [path.name for path in root.iterdir()], target, str(root))


def _identity(probed: interpreters.Probed) -> Iterator[str]:
    yield str(Path(probed.executable).resolve())
    yield ".".join(map(str, probed.version))


def _environment(
    folder: Path, base: interpreters.Probed, key: str, more_prefixes: tuple[Path, ...] = ()
) -> Environment:
    return Environment(
        python=_python(folder),
        version=base.version[:2],
        site_packages=_site_packages(folder, base),
        prefixes=tuple(dict.fromkeys((folder, *_folders(base), *more_prefixes))),
        digest=key,
    )


def _python(folder: Path) -> Path:
    return folder / "bin" / "python"


def _site_packages(folder: Path, base: interpreters.Probed) -> Path:
    return folder / "lib" / f"python{base.version[0]}.{base.version[1]}" / "site-packages"


def _folders(probed: interpreters.Probed) -> tuple[Path, ...]:
    """Return every folder that the interpreter needs in order to run: prefixes, path entries, targets of links."""
    links = [link.parent.parent if link.parent.name == "bin" else link.parent for link in _links(probed.executable)]
    folders = dict.fromkeys((*map(Path, probed.prefixes), *links))
    inside = tuple(folders)
    entries = (Path(entry) for entry in probed.path)
    outside = (path for path in entries if os.access(path, os.R_OK) and not any(map(path.is_relative_to, inside)))
    return (*inside, *outside)


def _links(program: str) -> Iterator[Path]:
    """Yield each name that the program has on the way to the file it is."""
    path = Path(program)
    yield path
    while path.is_symlink():
        path = path.parent / path.readlink()
        yield path
