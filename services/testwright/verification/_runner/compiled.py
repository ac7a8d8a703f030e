"""The only place that keeps compiled code for the children to come: in memory, where none of them can change it.

A folder for it on disk would be open to each child, and so would be what the next one runs.
"""

import sys
from collections.abc import Callable, Iterable
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType
from typing import Any

from _pytest.assertion import rewrite

_modules: dict[str, CodeType] = {}
_tests: dict[str, Any] = {}


def keep() -> None:
    """Have the imports of this process's children look here first."""
    sys.dont_write_bytecode = True
    _over(SourceFileLoader, "get_code", _get_code)
    _over(rewrite, "_rewrite_test", _rewrite_test)


def add_modules(files: Iterable[str]) -> None:
    """Compile modules, without running them; one that cannot be compiled is left to those that import it."""
    for file in files:
        try:
            _modules[file] = compile(Path(file).read_bytes(), file, "exec", dont_inherit=True)
        except (OSError, SyntaxError, ValueError, RecursionError):
            continue


def add_tests(files: Iterable[str]) -> None:
    """Compile test files as pytest does, without running them."""
    for file in files:
        try:
            _tests[file] = _real_rewrite_test(Path(file), None)
        except (OSError, SyntaxError, ValueError, RecursionError):
            continue


_real_get_code: Callable[[SourceFileLoader, str], CodeType | None] = SourceFileLoader.get_code
_real_rewrite_test: Callable[[Path, Any], Any] = getattr(rewrite, "_rewrite_test")  # noqa: B009  it is pytest's own


def _get_code(loader: SourceFileLoader, name: str) -> CodeType | None:
    return _modules.get(loader.get_filename(name)) or _real_get_code(loader, name)


def _rewrite_test(file: Path, config: Any) -> Any:
    return _tests.get(str(file)) or _real_rewrite_test(file, config)


def _over(owner: object, name: str, function: object) -> None:
    setattr(owner, name, function)
