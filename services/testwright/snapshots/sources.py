"""The only place that decides which files of a project leave the machine.

Where git is there, it is asked: tracked files, and untracked ones that it does not ignore (submodules are left out).
Elsewhere everything is taken but what the project's ``.gitignore`` and the usual habits ignore. Secrets and what tools
leave behind stay here either way, and so does what a symbolic link fetches from outside.
"""

import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from testwright import settings

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

GIT_TIMEOUT_S = 60.0

SECRETS = (
    ".env*",
    "!.env.example",
    "*.pem",
    "*.key",
    "*.p12",
    "*.pfx",
    "id_rsa*",
    "id_dsa*",
    "id_ecdsa*",
    "id_ed25519*",
    "!id_*.py",  # a module about keys is none
    ".netrc",
    ".pypirc",
    ".npmrc",
    ".git-credentials",
    ".htpasswd",
    "credentials*.json",
    ".aws/",
    ".ssh/",
    ".gnupg/",
    ".kube/",
    ".docker/",
)
"""Never sent, in gitignore's notation, compared in lower case."""

LEFTOVERS = (
    ".git",
    ".hg/",
    ".svn/",
    ".venv/",
    "node_modules/",
    "__pycache__/",
    "*.pyc",
    "*.pyo",
    ".mypy_cache/",
    ".pytest_cache/",
    ".ruff_cache/",
    ".hypothesis/",
    ".tox/",
    ".nox/",
    ".ipynb_checkpoints/",
    ".ds_store",
)
"""Never sent either: tools write them again."""

HABITS = ("build/", "dist/", "*.egg-info/", "venv/", ".cache/", "htmlcov/", ".coverage")
"""Ignored where there is no git to ask; a tracked package may be called ``build``."""

VENV = "pyvenv.cfg"
"""Lies in every virtual environment, whatever its folder is called."""


def may_leave(name: str) -> bool:
    """Return whether a file of this relative name may ever be sent."""
    return not _never().match_file(name.lower())


@cache
def _never() -> "GitIgnoreSpec":
    return _ignoring([*SECRETS, *LEFTOVERS])


def _ignoring(lines: Iterable[str]) -> "GitIgnoreSpec":
    from pathspec import GitIgnoreSpec  # noqa: PLC0415  most of what loads this module packs nothing

    return GitIgnoreSpec.from_lines(lines)


def listing(root: Path) -> tuple[str, ...]:
    """Return the relative names, with ``/``, of a project's files that may be sent, sorted.

    Args:
        root: the project's folder, resolved.
    """
    # git lists nothing where the project lies in a folder that an outer work tree ignores.
    return fit(root, _git(root) or walk(root))


def walk(folder: Path) -> Iterator[str]:
    """Yield the relative names of all files below a folder that neither habit nor its ``.gitignore`` ignores."""
    gitignore = folder / ".gitignore"
    lines = gitignore.read_text(errors="replace").splitlines() if gitignore.is_file() else []
    ignored = _ignoring([*HABITS, *lines])

    for parent, folders, files in os.walk(folder):
        prefix = Path(parent).relative_to(folder)
        folders[:] = [
            name
            for name in folders
            if not ignored.match_file(f"{(prefix / name).as_posix()}/")
            and may_leave(f"{(prefix / name).as_posix()}/")
            and _may_be_walked(Path(parent, name))
        ]
        names = [(prefix / name).as_posix() for name in files]
        yield from (name for name in names if not ignored.match_file(name))


def _may_be_walked(folder: Path) -> bool:
    """Return whether a folder is no virtual environment, and none of somebody else's that nobody may look into."""
    try:
        return not (folder / VENV).exists()
    except PermissionError:
        return False


def below(root: Path, folder: Path) -> tuple[str, ...]:
    """Return the names, relative to ``root``, of what may be sent of one of its folders, whatever git says of it."""
    prefix = folder.relative_to(root)
    return fit(root, ((prefix / name).as_posix() for name in walk(folder)))


def fit(root: Path, names: Iterable[str]) -> tuple[str, ...]:
    """Return those of the names below a folder that are files and may be sent, sorted."""
    listed = set(names)
    environments = tuple(name.removesuffix(VENV) for name in listed if name.endswith(f"/{VENV}"))
    return tuple(
        sorted(
            name for name in listed if may_leave(name) and not name.startswith(environments) and _is_inside(root, name)
        )
    )


def _is_inside(root: Path, name: str) -> bool:
    """Return whether a name is a regular file of the project, and no link to what must stay."""
    path = root / name
    if not path.is_file():
        return False
    if not path.is_symlink():
        return True
    real = path.resolve()
    return real.is_relative_to(root) and may_leave(real.relative_to(root).as_posix())


def _git(root: Path) -> list[str]:
    """Return what git lists below a folder, nothing where there is no git or no work tree."""
    git = shutil.which("git", path=settings.tool_path())
    if git is None:
        return []
    # A file-system monitor is a program that the repository's own configuration names.
    command = [git, "-c", "core.fsmonitor=false", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(
            command, cwd=root, env=settings.git_environment(), capture_output=True, timeout=GIT_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    if listed.returncode != 0:
        return []
    return [os.fsdecode(name) for name in listed.stdout.split(b"\0") if name]
