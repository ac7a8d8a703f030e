"""Makes of what Hypothesis' ghostwriter wrote tests that can fail for a reason only.

A ghostwritten test mostly calls a function and asserts nothing. Here it asserts that the function returns what its
annotation promises, or raises an error of its own; where nothing is promised the test is dropped, as are tests without
a strategy for an argument and those that call a coroutine function without awaiting it. Runs are made repeatable.
"""

import ast
from collections.abc import Sequence
from dataclasses import dataclass

from testwright.engines._target import bound_names, last_part
from testwright.engines._tidy_body import Qualify
from testwright.engines._tidy_names import RESERVED, dotted, import_of

_PLAIN = frozenset({"bool", "bytes", "dict", "frozenset", "int", "list", "set", "str", "tuple"})
_UNCHECKABLE = frozenset({"Protocol", "TypedDict"})
_REPEATABLE = (
    "repeatable = settings(derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck))"
)


@dataclass(frozen=True, slots=True)
class Promises:
    """What a module's source says of its functions.

    Attributes:
        names: what it defines at its top level.
        returns: an assertion on ``result`` for each function whose return type can be checked.
        coroutines: functions that must be awaited.
        errors: names of what it raises, sorted.
    """

    returns: dict[str, str]
    coroutines: frozenset[str]
    errors: tuple[str, ...]
    names: frozenset[str]


def promises_of(tree: ast.Module) -> Promises:
    """Read them from a module's source."""
    classes = {each.name for each in tree.body if isinstance(each, ast.ClassDef) and _is_checkable(each)}
    functions = [each for each in tree.body if isinstance(each, ast.FunctionDef)]
    checks = {each.name: _check(each.returns, classes) for each in functions}
    raised = (_raised(node) for node in ast.walk(tree) if isinstance(node, ast.Raise))
    return Promises(
        returns={name: check for name, check in checks.items() if check},
        coroutines=frozenset(each.name for each in tree.body if isinstance(each, ast.AsyncFunctionDef)),
        errors=tuple(sorted({name for name in raised if name})),
        names=frozenset(name for each in tree.body for name in bound_names(each)),
    )


def settle(source: str, module: str, promises: Promises, *, shadowed: bool = False) -> str:
    """Return the tests that can fail for a reason; empty where there are none.

    Args:
        source: the file that the ghostwriter wrote.
        module: dotted name of the module under test.
        promises: what that module's source says.
        shadowed: whether ``from package import module`` would yield something else than the module.

    Raises:
        SyntaxError: the file is not valid Python.
    """
    tree = ast.parse(source)
    alias = _alias(tree, module)
    tests = [each for each in tree.body if isinstance(each, ast.FunctionDef)]
    for test in tests:
        _Shorten(module, promises.names, alias).visit(test)
        Qualify(set(), _members(tree, module), alias).visit(test)
    kept = [test for test in tests if _settled(test, alias, promises)]
    if not kept:
        return ""
    shared = _shared(tree, _names(kept))
    used = _names([*kept, *shared])
    imports = [text for each in tree.body if (text := _import(each, module, used))]
    standard = sorted(imports)
    hypothesis = "from hypothesis import HealthCheck, given, settings, strategies as st"
    groups = ["\n".join(standard), hypothesis, "\n".join(import_of(module, alias, shadowed=shadowed)), _REPEATABLE]
    head = "\n\n".join(group for group in groups if group)
    strategies = "\n".join(map(ast.unparse, shared))
    return "\n\n\n".join([head, *([strategies] if strategies else []), *map(ast.unparse, kept)]) + "\n"


def _names(nodes: Sequence[ast.AST]) -> set[str]:
    return {node.id for each in nodes for node in ast.walk(each) if isinstance(node, ast.Name)}


def _shared(tree: ast.Module, used: set[str]) -> list[ast.Assign]:
    """Return the strategies that several tests share, which the ghostwriter gives names of their own."""
    return [each for each in tree.body if isinstance(each, ast.Assign) and _names(each.targets) & used]


class _Shorten(ast.NodeTransformer):
    """Replaces ``package.module.name`` by ``alias.name``: the package's name may be an argument's, too.

    The ghostwriter also writes ``package.name`` for a name that the package gives on.
    """

    def __init__(self, module: str, names: frozenset[str], alias: str) -> None:
        self._parts = tuple(module.split("."))
        self._names = names
        self._alias = alias

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        """Shorten one chain."""
        owner = dotted(node.value)
        given_on = owner and owner == self._parts[: len(owner)] and node.attr in self._names
        if owner == self._parts or given_on:
            return ast.Attribute(ast.Name(self._alias, ast.Load()), node.attr, node.ctx)
        self.generic_visit(node)
        return node


def _alias(tree: ast.Module, module: str) -> str:
    arguments = {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg | ast.keyword)}
    taken = RESERVED | arguments | {"given", "settings", "st", "result", "repeatable"}
    last = last_part(module)
    return f"{last}_module" if last in taken else last


def _members(tree: ast.Module, module: str) -> dict[str, str]:
    froms = [each for each in tree.body if isinstance(each, ast.ImportFrom) and each.module == module]
    return {name.asname or name.name: name.name for each in froms for name in each.names}


def _import(statement: ast.stmt, module: str, used: set[str]) -> str:
    """Return the import if the tests still need it."""
    match statement:
        case ast.ImportFrom(module=origin) if origin in {"hypothesis", module}:
            return ""
        case ast.Import() | ast.ImportFrom():
            needed = any((each.asname or each.name.partition(".")[0]) in used for each in statement.names)
            return ast.unparse(statement) if needed and ast.unparse(statement) != f"import {module}" else ""
        case _:
            return ""


def _settled(test: ast.FunctionDef, alias: str, promises: Promises) -> bool:
    """Make a test repeatable and give it an assertion; say whether it is worth keeping."""
    calls = [dotted(node.func) for node in ast.walk(test) if isinstance(node, ast.Call)]
    if ("st", "nothing") in calls or any(parts == (alias, name) for parts in calls for name in promises.coroutines):
        return False
    test.decorator_list.insert(0, ast.Name("repeatable", ast.Load()))
    _Return().visit(test)
    asserts = any(isinstance(node, ast.Assert) for node in ast.walk(test))
    return asserts or _assert_promise(test, alias, promises.returns)


def _assert_promise(test: ast.FunctionDef, alias: str, returns: dict[str, str]) -> bool:
    block = test.body[0].body if isinstance(test.body[0], ast.Try) else test.body
    match block:
        case [ast.Expr(value=ast.Call(func=function) as call)]:
            check = returns.get(dotted(function)[-1]) if len(dotted(function)) == 2 else None
        case _:
            return False
    if check is None:
        return False
    block[0] = ast.fix_missing_locations(ast.Assign([ast.Name("result", ast.Store())], call, lineno=0))
    test.body += ast.parse(check.format(alias=alias)).body
    test.name = f"test_{test.name.removeprefix('test_fuzz_')}_keeps_its_return_type"
    return True


class _Return(ast.NodeTransformer):
    """Lets a test end where an error of the module's own is raised: Hypothesis would give up after many rejections."""

    def visit_Expr(self, node: ast.Expr) -> ast.stmt:
        """Replace a call of ``reject``."""
        return ast.Return() if isinstance(node.value, ast.Call) and dotted(node.value.func) == ("reject",) else node


def _check(returns: ast.expr | None, classes: set[str]) -> str:
    match returns:
        case ast.Constant(value=None):
            return "assert result is None"
        case ast.Name(id="float"):
            return "assert isinstance(result, int | float)"
        case ast.Name(id=name) | ast.Subscript(value=ast.Name(id=name)) if name in _PLAIN:
            return f"assert isinstance(result, {name})"
        case ast.Name(id=name) | ast.Constant(value=str(name)) if name in classes:
            return f"assert isinstance(result, {{alias}}.{name})"
        case _:
            return ""


def _is_checkable(class_: ast.ClassDef) -> bool:
    bases = {dotted(base)[-1] for base in class_.bases if dotted(base)}
    return not bases & _UNCHECKABLE


def _raised(node: ast.Raise) -> str:
    error = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
    return error.id if isinstance(error, ast.Name) else ""
