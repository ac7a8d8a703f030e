"""Names for the variables of a generated suite: what they hold; and the order of its tests: what they call."""

import ast
import builtins
import keyword
import re
from collections.abc import Collection, Iterator, Sequence

RESERVED = frozenset(dir(builtins)) | frozenset(keyword.kwlist) | frozenset(keyword.softkwlist)


def snake(name: str) -> str:
    """Return a name in lower case with underscores: ``HTTPError`` becomes ``http_error``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower().strip("_")


def dotted(node: ast.expr) -> tuple[str, ...]:
    """Return the parts of ``a.b.c``; empty for anything else."""
    if isinstance(node, ast.Name):
        return (node.id,)
    if isinstance(node, ast.Attribute) and (head := dotted(node.value)):
        return (*head, node.attr)
    return ()


def is_class_name(name: str) -> bool:
    """Say whether a name is written like a class."""
    return name.lstrip("_")[:1].isupper() and not name.isupper()


def called(node: ast.expr) -> ast.expr | None:
    """Return what an expression calls, looking through ``asyncio.run``."""
    if not isinstance(node, ast.Call):
        return None
    if dotted(node.func) == ("asyncio", "run") and node.args:
        return called(node.args[0])
    return node.func


def import_of(module: str, alias: str, *, shadowed: bool) -> list[str]:
    """Return the lines that import a module under one name, whatever its package has under that if ``shadowed``."""
    if shadowed:
        # Of ``import a.b``, which nothing seems to use, the next tool that sorts imports would make nothing.
        return ["import importlib", f'{alias} = importlib.import_module("{module}")']
    package, _, last = module.rpartition(".")
    renamed = "" if alias == last else f" as {alias}"
    return [f"from {package} import {last}{renamed}" if package else f"import {last}{renamed}"]


def rename_variables(test: ast.FunctionDef, alias: str, taken: Collection[str]) -> None:
    """Name each local variable after what it holds."""
    names: dict[str, str] = {}
    for target, value in _assignments(test):
        if target not in names:
            base = _held(value, alias)
            base = f"{base}_" if base in RESERVED or base in taken else base
            names[target] = _free(base, names.values())
    for node in ast.walk(test):
        if isinstance(node, ast.Name):
            node.id = names.get(node.id, node.id)


def ordered(tests: Sequence[ast.FunctionDef], alias: str) -> list[ast.FunctionDef]:
    """Return the tests sorted by what of the module they call last, and numbered; verification finds speaking names."""
    tests = sorted(tests, key=lambda test: _subject(test, alias))
    for number, test in enumerate(tests, start=1):
        test.name = f"test_{number}"
    return tests


def _assignments(test: ast.FunctionDef) -> Iterator[tuple[str, ast.expr]]:
    for node in ast.walk(test):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                yield name, value
            case _:
                pass


def _held(value: ast.expr, alias: str) -> str:
    parts = dotted(called(value) or value)
    if isinstance(value, ast.Call):
        return snake(parts[-1]) if parts and parts[0] == alias and is_class_name(parts[-1]) else "result"
    if len(parts) > 1 and parts[0] == alias:
        return snake(parts[-2] if len(parts) > 2 else parts[-1])
    return "items" if isinstance(value, ast.List | ast.Tuple | ast.Set | ast.Dict) else "value"


def _free(base: str, used: Collection[str]) -> str:
    name, number = base, 1
    while name in used:
        number += 1
        name = f"{base}_{number}"
    return name


def _subject(test: ast.FunctionDef, alias: str) -> str:
    calls = [node for node in ast.walk(test) if isinstance(node, ast.Call) and dotted(node.func)[:1] == (alias,)]
    # Where it is its own class that a method belongs to, the class is called last.
    calls.sort(key=lambda node: (node.end_lineno or 0, node.end_col_offset or 0))
    return ".".join(dotted(calls[-1].func)) if calls else ""
