"""The only place that says how a file of a project is imported: its dotted name and the folder for ``sys.path``.

The rules:

1. A folder with ``__init__.py`` is a package and is never cut in two, so relative imports keep working.
2. Below a folder ``src`` that is no package, imports start at the nearest such folder.
3. Elsewhere they start at the project's root; folders in between without ``__init__.py`` are namespace packages.
4. Where what the file imports says otherwise, it is believed: in ``backend/app/api.py``, ``import app.models`` means
   that imports start at ``backend``; and a folder whose name no import statement can spell is never part of a module.
5. No module begins with the name of one of the standard library: whoever imports that name first gets the other one.
"""

import keyword
import re
import sys
from collections.abc import Mapping
from pathlib import PurePosixPath

from testwright.errors import SnapshotError
from testwright_schemas import Target

INIT = "__init__.py"
ROOT = PurePosixPath()

_TAKEN = sys.stdlib_module_names - {"test"}
"""Python's own tests are never imported beside a project's package of that name."""

_IMPORTED = re.compile(rb"^[ \t]*(?:from|import)[ \t]+([A-Za-z_]\w*)", re.MULTILINE)


class Layout:
    """A project as import statements see it.

    Args:
        files: the whole project by name relative to its root, with ``/``.
    """

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._files = files
        self._folders = frozenset(str(parent) for name in files for parent in PurePosixPath(name).parents)

    def target(self, path: str) -> Target:
        """Return how a file of the project is imported.

        Raises:
            SnapshotError: no import statement can name the file, or another module takes its name.
        """
        file = PurePosixPath(path)
        if file.suffix != ".py":
            raise SnapshotError(f"{file} is no Python module: its name does not end in .py")
        roots = [root for root in self._roots(file) if _spellable(_parts(file, root))]
        if not roots:
            raise SnapshotError(f"no import statement can name {file}: rename it, or its folder, to an identifier")
        roots = [root for root in roots if _parts(file, root)[0] not in _TAKEN]
        if not roots:
            raise SnapshotError(
                f"{file} cannot be told from the standard library's module of that name: "
                "rename it, or put it into a package"
            )
        if file.name != INIT and self._is_package(file.with_suffix("")):
            raise SnapshotError(f"{file} is never imported: the package {file.with_suffix('')} takes its name")
        # max takes the first of equals: the rules' choice stands unless the imports speak against it.
        imported = {name.decode() for name in _IMPORTED.findall(self._files[path])}
        root = max(roots, key=lambda root: sum(self._is_importable(root / name) for name in imported))
        return Target(module=".".join(_parts(file, root)), path=path, import_root=str(root))

    def _roots(self, file: PurePosixPath) -> list[PurePosixPath]:
        """Return the folders where imports of a file may start, the rules' choice first."""
        lowest = file.parent
        while lowest != ROOT and self._is_package(lowest):
            lowest = lowest.parent
        upwards = [lowest, *lowest.parents]
        sources = [folder for folder in upwards if folder.name == "src"]
        return (upwards[: upwards.index(sources[0]) + 1] if sources else upwards)[::-1]

    def _is_package(self, folder: PurePosixPath) -> bool:
        return str(folder / INIT) in self._files

    def _is_importable(self, place: PurePosixPath) -> bool:
        return str(place) in self._folders or f"{place}.py" in self._files


def _parts(file: PurePosixPath, root: PurePosixPath) -> tuple[str, ...]:
    relative = file.relative_to(root)
    return relative.parent.parts if file.name == INIT else relative.with_suffix("").parts


def _spellable(parts: tuple[str, ...]) -> bool:
    return bool(parts) and all(part.isidentifier() and not keyword.iskeyword(part) for part in parts)
