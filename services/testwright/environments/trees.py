"""The only place that says what of a project's own files goes into its environment, besides its metadata."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from testwright import toml
from testwright.environments.metadata import Needs

PLACE = "<root>"
"""Stands for the root in what is digested: it is another folder each time a project is unpacked."""

_OF_FOLDERS = ("path", "workspace")
"""Keys of a source that is a folder."""


def parts(root: Path, needs: Needs) -> tuple[str, ...]:
    """Return the requirements wherever the root lies and, where one is a folder of the project, what its files hold.

    Args:
        root: of the project.
        needs: of the module.
    """
    lines = tuple(line.replace(str(root), PLACE) for line in needs.requirements)
    local = lines != needs.requirements or (needs.built and _names_folders(needs.texts[0]))
    return (*lines, tree_digest(root)) if local else lines


def _names_folders(pyproject: str) -> bool:
    """Return whether ``tool.uv.sources`` or Poetry's dependencies name a folder."""
    project = toml.parse(pyproject)
    sources = toml.table(project, "tool", "uv", "sources")
    poetry = toml.table(project, "tool", "poetry", "dependencies")
    # A dependency of Poetry's may be a version alone.
    return any(isinstance(each, dict) and not each.keys().isdisjoint(_OF_FOLDERS) for each in _flat(sources, poetry))


def _flat(*tables: dict[str, list[Any] | dict[str, Any]]) -> Iterator[Any]:
    """Yield what tables say of each name; where there are several sources of one, each of them."""
    for table in tables:
        for value in table.values():
            yield from value if isinstance(value, list) else (value,)


def tree_digest(root: Path) -> str:
    """Return a digest of the names and contents of all files below a folder; links count by where they point."""
    state = hashlib.sha256()
    for path in sorted(root.rglob("*")):
        if path.is_symlink():
            content = str(path.readlink()).encode(errors="surrogateescape")
        elif path.is_file():
            content = path.read_bytes()
        else:
            continue
        name = path.relative_to(root).as_posix().encode(errors="surrogateescape")
        state.update(b"%d:%s%d:" % (len(name), name, len(content)))
        state.update(content)
    return state.hexdigest()
