"""Names for the variables and tests of a generated suite: what they hold, what they call."""

import ast
import builtins
import keyword
import re
from collections.abc import Collection, Iterable, Iterator

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
    """Return the lines that import a module under one name; ``sys`` must be there where its name is ``shadowed``."""
    if shadowed:
        return [f"import {module}", f'{alias} = sys.modules["{module}"]']
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


def name_tests(tests: list[ast.FunctionDef], alias: str, taken: Iterable[str]) -> list[ast.FunctionDef]:
    """Name each test after its last call, and sort them by that; returns them in the new order."""
    used = list(taken)
    for test in tests:
        test.name = _sentence(test, alias)
    tests = sorted(tests, key=lambda test: test.name)
    for test in tests:
        test.name = _free(test.name, used)
        used.append(test.name)
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


def _sentence(test: ast.FunctionDef, alias: str) -> str:
    for statement in reversed(test.body):
        error = _expected_error(statement)
        inner = statement.body[-1] if isinstance(statement, ast.With) else statement
        if isinstance(inner, ast.Expr | ast.Assign):
            subject = _subject(inner.value, alias)
            if subject:
                return f"test_{subject}_raises_{error}" if error else f"test_{subject}"
    return "test_module"


def _subject(value: ast.expr, alias: str) -> str:
    parts = dotted(called(value) or value)
    if not parts:
        return ""
    owner = [] if parts[0] == alias else [re.sub(r"_\d*$", "", parts[0])]
    return "_".join([*owner, *(snake(part) for part in parts[1:])])


def _expected_error(statement: ast.stmt) -> str:
    match statement:
        case ast.With(items=[ast.withitem(context_expr=ast.Call(func=raises, args=[error, *_]))]):
            parts = dotted(error)
            return snake(parts[-1]) if dotted(raises) == ("pytest", "raises") and parts else ""
        case _:
            return ""
