"""The only place that decides which statements of a test file the kept tests need. Pure."""

import ast
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from testwright.verification.assertions import Function, last_name
from testwright.verification.candidate import is_test_class

Names = tuple[str, ...]
_HOOKS = ("setup", "teardown", "setUp", "tearDown", "pytest_")


@dataclass(frozen=True, slots=True)
class Selection:
    """What stays of a file.

    Attributes:
        statements: top-level statements that stay, in order.
        dropped: test functions and methods that go, wherever they are.
    """

    statements: Sequence[ast.stmt]
    dropped: Sequence[ast.stmt] = ()


def select(tree: ast.Module, kept: Collection[Names]) -> Selection:
    """Return what the kept tests need: themselves, and whatever they use directly or through something used."""
    dropped = [node for names, node in functions(tree.body) if is_test(names, tree) and names not in kept]
    gone = {id(node) for node in dropped}
    definitions = _definitions(tree.body)
    pending = [node for node in tree.body if id(node) not in gone and _is_root(node, {names[0] for names in kept})]
    needed: set[int] = set()
    while pending:
        node = pending.pop()
        if id(node) in needed:
            continue
        needed.add(id(node))
        for name in _used(node, gone):
            pending += definitions.get(name, [])
    statements = [node for node in tree.body if id(node) in needed and id(node) not in gone]
    return Selection(statements, dropped)


def functions(body: Iterable[ast.stmt], outer: Names = ()) -> Iterator[tuple[Names, Function]]:
    """Yield the functions of a module and of its classes, with their names."""
    for node in body:
        if isinstance(node, Function):
            yield (*outer, node.name), node
        elif isinstance(node, ast.ClassDef):
            yield from functions(node.body, (*outer, node.name))


def is_test(names: Names, tree: ast.Module) -> bool:
    """Return whether pytest would take a function for a test."""
    classes = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
    return names[-1].startswith("test") and all(is_test_class(classes[name]) for name in names[:-1])


def bound(node: ast.stmt) -> set[str]:
    """Return the names that a top-level statement defines."""
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return {name}
        case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
            return {alias.asname or alias.name.partition(".")[0] for alias in aliases}
        case _:
            stores = (inner for inner in ast.walk(node) if isinstance(inner, ast.Name))
            names = {inner.id for inner in stores if isinstance(inner.ctx, ast.Store)}
            inside = (inner for inner in ast.iter_child_nodes(node) if isinstance(inner, ast.stmt))
            return names.union(*(bound(inner) for inner in inside))


def is_autouse(node: ast.stmt) -> bool:
    """Return whether a function is a fixture that every test uses."""
    if not isinstance(node, Function):
        return False
    calls = (decorator for decorator in node.decorator_list if isinstance(decorator, ast.Call))
    return any(keyword.arg == "autouse" for call in calls for keyword in call.keywords)


def is_fixture(node: ast.stmt) -> bool:
    """Return whether a function is a fixture: tests name it as an argument."""
    return isinstance(node, Function) and any(last_name(each) == "fixture" for each in node.decorator_list)


def _definitions(body: list[ast.stmt]) -> dict[str, list[ast.stmt]]:
    result: dict[str, list[ast.stmt]] = {}
    for node in body:
        for name in bound(node):
            result.setdefault(name, []).append(node)
    return result


def _is_root(node: ast.stmt, kept: set[str]) -> bool:
    """Return whether a statement stays whoever uses it: tests, what always runs, what has an effect."""
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            return name in kept or is_autouse(node) or name.startswith(_HOOKS)
        case ast.ClassDef(name=name):
            return name in kept
        case ast.ImportFrom(module=module, names=aliases):
            return module == "__future__" or aliases[0].name == "*"
        case ast.Import() | ast.Expr(value=ast.Constant()):
            return False
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
            return name == "pytestmark"
        case ast.If(test=ast.Compare(left=ast.Name(id="__name__"))):
            return False
        case _:
            return True


def _used(node: ast.AST, gone: set[int]) -> Iterator[str]:
    """Yield the names in a statement; texts too, since marks name fixtures that way."""
    if id(node) in gone:
        return
    match node:
        case ast.Name(id=name) | ast.arg(arg=name) | ast.Constant(value=str(name)):
            yield name
        case _:
            pass
    for child in ast.iter_child_nodes(node):
        yield from _used(child, gone)
