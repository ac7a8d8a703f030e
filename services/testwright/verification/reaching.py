"""The only place that tells tests which reach, in plain sight, for what judges them. Pure.

What hides its way there is not seen: see docs/sandbox.md for what holds against that, and what does not.
"""

import ast
from collections.abc import Iterator

_JUDGES = ("_pytest", "_testwright_runner", "coverage")


def reached(tree: ast.Module, module: str = "") -> str:
    """Return the first part of the test runner that a test file names as a module; empty where it names none.

    Args:
        tree: the file.
        module: the target; its own package may have such a name.
    """
    own = module.partition(".")[0]
    return next((name for name in _modules(tree) if name in _JUDGES and name != own), "")


def _modules(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (each.name.partition(".")[0] for each in names)
            case ast.ImportFrom(module=str(name), level=0):
                yield name.partition(".")[0]
            case (
                ast.Call(func=ast.Name(id="__import__"), args=[ast.Constant(value=str(name)), *_])
                | ast.Call(func=ast.Attribute(attr="import_module"), args=[ast.Constant(value=str(name)), *_])
                | ast.Subscript(value=ast.Attribute(attr="modules"), slice=ast.Constant(value=str(name)))
            ):
                yield name.partition(".")[0]
            case _:
                pass
