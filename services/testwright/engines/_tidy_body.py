"""What is done to the body of one generated test: say the same with less."""

import ast
import copy
from collections import Counter
from collections.abc import Mapping

from testwright.engines._tidy_names import dotted, is_class_name

_ABOUT = {("len",), ("isinstance",), ("type",)}

_LONG = 40
"""Characters above which a literal that is used more than once keeps its variable."""


class Qualify(ast.NodeTransformer):
    """Gives the module under test one name, and reaches all its members through it.

    Args:
        aliases: names that stand for the module so far.
        members: names imported from it, by local name.
        alias: its new name.
    """

    def __init__(self, aliases: set[str], members: Mapping[str, str], alias: str) -> None:
        self._aliases = aliases
        self._members = members
        self._alias = alias

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """Rename a reference."""
        if node.id in self._aliases:
            return ast.Name(self._alias, node.ctx)
        if node.id in self._members and isinstance(node.ctx, ast.Load):
            return ast.Attribute(ast.Name(self._alias, ast.Load()), self._members[node.id], node.ctx)
        return node


class _Replace(ast.NodeTransformer):
    def __init__(self, values: Mapping[str, ast.expr]) -> None:
        self._values = values

    def visit_Name(self, node: ast.Name) -> ast.expr:
        value = self._values.get(node.id)
        return copy.deepcopy(value) if value is not None and isinstance(node.ctx, ast.Load) else node


def inline_plain_values(test: ast.FunctionDef, alias: str) -> None:
    """Put literals and enum members where they are used, and drop the assertions that a literal is itself."""
    stores = Counter(node.id for node in _names(test) if isinstance(node.ctx, ast.Store))
    loads = Counter(node.id for node in _names(test) if isinstance(node.ctx, ast.Load))
    values: dict[str, ast.expr] = {}
    literals: set[str] = set()
    for statement in test.body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if stores[name] == 1:
                if _is_literal(value) and (len(ast.unparse(value)) <= _LONG or loads[name] <= 2):
                    values[name] = value
                    literals.add(name)
                elif _is_member(value, alias):
                    values[name] = value
            case _:
                pass
    kept = [each for each in test.body if not _assigns(each, values) and not _is_about(each, literals)]
    test.body = [_Replace(values).visit(each) for each in kept]


def drop_tautologies(test: ast.FunctionDef) -> None:
    """Drop assertions that compare an expression with itself."""
    test.body = [each for each in test.body if not _is_tautology(each)]


def drop_unused_variables(test: ast.FunctionDef) -> None:
    """Turn an assignment that nobody reads into its call, or into nothing where there is no call; drop bare values."""
    kept: list[ast.stmt] = []
    read: set[str] = set()
    for statement in reversed(test.body):
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if name not in read:
                if not any(isinstance(node, ast.Call | ast.Await) for node in ast.walk(value)):
                    continue
                kept.append(ast.copy_location(ast.Expr(value), statement))
            case ast.Expr(value=value) if isinstance(value, ast.Lambda) or _is_literal(value) or dotted(value):
                continue
            case _:
                kept.append(statement)
        read |= {node.id for node in _names(kept[-1]) if isinstance(node.ctx, ast.Load)}
    test.body = kept[::-1]


def state_of(statement: ast.stmt, alias: str) -> tuple[str, ...]:
    """Return what an assertion on the module's own state is about, as ``(alias, name, ...)``; empty for others."""
    if not isinstance(statement, ast.Assert):
        return ()
    subject = statement.test.left if isinstance(statement.test, ast.Compare) else statement.test
    if isinstance(subject, ast.Attribute) and subject.attr == "__name__":
        subject = subject.value
    if isinstance(subject, ast.Call) and subject.args and dotted(subject.func) in _ABOUT:
        subject = subject.args[0]
    parts = dotted(subject)
    return parts if len(parts) > 1 and parts[0] == alias else ()


def _names(node: ast.AST) -> list[ast.Name]:
    return [each for each in ast.walk(node) if isinstance(each, ast.Name)]


def _is_literal(value: ast.expr) -> bool:
    if isinstance(value, ast.UnaryOp):
        value = value.operand
    return isinstance(value, ast.Constant)


def _is_member(value: ast.expr, alias: str) -> bool:
    parts = dotted(value)
    return len(parts) == 3 and parts[0] == alias and is_class_name(parts[1]) and parts[2].isupper()


def _assigns(statement: ast.stmt, names: Mapping[str, ast.expr]) -> bool:
    match statement:
        case ast.Assign(targets=[ast.Name(id=name)]):
            return name in names
        case _:
            return False


def _is_about(statement: ast.stmt, names: set[str]) -> bool:
    match statement:
        case ast.Assert(test=ast.Compare(left=ast.Name(id=name))):
            return name in names
        case _:
            return False


def _is_tautology(statement: ast.stmt) -> bool:
    match statement:
        case ast.Assert(test=ast.Compare(left=left, ops=[ast.Eq() | ast.Is()], comparators=[right])):
            return bool(dotted(left)) and ast.dump(left) == ast.dump(right)
        case _:
            return False
