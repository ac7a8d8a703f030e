"""Runs inside the sandbox, in Hypothesis' own environment: writes property tests of a module.

Given as text to that interpreter's standard input, so it imports nothing of testwright. Arguments: the module, the
folder for the files, the names of the errors that the module raises on purpose.
"""

import builtins
import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from hypothesis.extra import ghostwriter


def main(module_name: str, folder: Path, error_names: list[str]) -> None:
    """Write one file for the module; where that does not even run, one for each function where it does."""
    module = importlib.import_module(module_name)
    errors = tuple(filter(_is_error, (_named(module, name) for name in error_names)))
    if not _write(folder / "module.py", module, errors):
        for name, member in sorted(vars(module).items()):
            if callable(member) and member.__module__ == module_name and not name.startswith("_"):
                _write(folder / f"{name}.py", member, errors)


def _named(module: ModuleType, name: str) -> object:
    return getattr(module, name, getattr(builtins, name, None))


def _is_error(thing: object) -> bool:
    return isinstance(thing, type) and issubclass(thing, Exception)


def _write(path: Path, subject: ModuleType | Callable[..., object], errors: Any) -> bool:
    try:
        text = ghostwriter.magic(subject, except_=errors, annotate=False)
        exec(compile(text, path.name, "exec"), {"__name__": path.stem})  # noqa: S102  in the sandbox, to see it run
    except Exception as error:  # noqa: BLE001  whatever goes wrong with foreign code, the next one has its turn
        print(f"skipped {path.stem}: {type(error).__name__}: {error}")  # noqa: T201  its way to speak
        return False
    path.write_text(text, encoding="utf-8")
    print(f"wrote {path.stem}")  # noqa: T201  its way to speak
    return True


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])
