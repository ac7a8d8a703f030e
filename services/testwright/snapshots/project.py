"""The only place that says where a project begins, and which of its modules are worth testing.

A project begins at the nearest folder upwards with ``pyproject.toml``, ``setup.py``, ``setup.cfg`` or ``.git``. Without
one, a package is its own project, with the folder around it as root; a file that belongs to no package comes with the
other ``.py`` files of its folder; any other folder is taken as it is.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from testwright import toml
from testwright.snapshots import sources
from testwright.snapshots.modules import INIT

MARKERS = ("pyproject.toml", "setup.py", "setup.cfg", ".git")

SKIPPED_FOLDERS = frozenset({"test", "tests", "testing", "doc", "docs", "migrations"})
SKIPPED_FILES = frozenset({"setup.py", "conftest.py", "noxfile.py", "__main__.py"})
"""Configuration, and what runs a program when it is imported."""

MAX_NAME = 200
"""Characters of a project's name."""

_DEFINITION = re.compile(rb"^[ \t]*(?:async[ \t]+def|def|class)[ \t]", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Project:
    """Where a path belongs.

    Attributes:
        root: folder that all names are relative to.
        folder: the part of it that belongs to the project, ``root`` itself or below.
        deep: whether folders in ``folder`` belong to it too.
    """

    root: Path
    folder: Path
    deep: bool = True

    def files(self) -> tuple[str, ...]:
        """Return the relative names of its files that may be sent, sorted."""
        if not self.deep:
            return sources.fit(self.folder, (path.name for path in self.folder.glob("*.py")))
        prefix = self.folder.relative_to(self.root)
        return tuple((prefix / name).as_posix() for name in sources.listing(self.folder))


def of(path: Path) -> Project:
    """Return the project that an existing file or folder belongs to; ``path`` is resolved."""
    folder = path if path.is_dir() else path.parent
    for candidate in (folder, *folder.parents):
        if any((candidate / marker).exists() for marker in MARKERS):
            return Project(candidate, candidate)
    package = folder
    while (package.parent / INIT).exists():
        package = package.parent
    if (folder / INIT).exists():
        return Project(package.parent, package)
    return Project(folder, folder, deep=path.is_dir())


def name(root: Path) -> str:
    """Return what a project is called: ``project.name`` of its ``pyproject.toml``, else the name of its folder."""
    try:
        declared = toml.parse((root / "pyproject.toml").read_text("utf-8"))["project"]["name"]
    except (OSError, ValueError, LookupError, TypeError):
        # Whoever needs what stands there tells what is wrong with it.
        declared = None
    return (declared if isinstance(declared, str) else root.name)[:MAX_NAME]


def skip_reason(name: str, content: bytes) -> str | None:
    """Return why a module found in a folder is not worth a task, ``None`` where it is.

    Args:
        name: of the file, relative to the folder that was asked for.
        content: of the file.
    """
    path = PurePosixPath(name)
    if not SKIPPED_FOLDERS.isdisjoint(path.parts[:-1]) or path.name.startswith("test_") or path.stem.endswith("_test"):
        return "tests or documentation"
    if path.name in SKIPPED_FILES:
        return "configuration, or runs a program"
    if not _DEFINITION.search(content):
        return "defines no function or class"
    return None


def modules_below(folder: PurePosixPath, names: Collection[str]) -> list[str]:
    """Return the names of Python files below a folder."""
    return [name for name in names if name.endswith(".py") and PurePosixPath(name).is_relative_to(folder)]
