"""The only place that serves a mutated module: an import hook for exactly one name; no file changes."""

import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from types import CodeType, ModuleType


class Mutated(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds one module and runs other code for it.

    Args:
        name: dotted name of the module.
        path: its real file, for tracebacks and for ``__file__``.
        code: what to run.
    """

    def __init__(self, name: str, path: str, code: CodeType) -> None:
        self._name = name
        self._path = path
        self._code = code

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Return the spec of our module, ``None`` for any other."""
        del path, target
        if fullname != self._name:
            return None
        file = Path(self._path)
        folders = [str(file.parent)] if file.name == "__init__.py" else None
        return importlib.util.spec_from_file_location(fullname, file, loader=self, submodule_search_locations=folders)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> None:
        """Leave the module object to the import system."""

    def exec_module(self, module: ModuleType) -> None:
        """Run the mutated code."""
        exec(self._code, module.__dict__)  # noqa: S102  this is what importing a module is

    def get_source(self, fullname: str) -> str:
        """Return the unmutated source, for whoever inspects it."""
        del fullname
        return Path(self._path).read_text(encoding="utf-8")


def install(name: str, path: str, code: CodeType) -> None:
    """Have this process import ``code`` as ``name``."""
    sys.meta_path.insert(0, Mutated(name, path, code))
