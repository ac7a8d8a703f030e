"""The only place that improves a finished test file as a reviewer would: fixtures, approximate floats. Pure.

It may be wrong about what is safe, so whoever calls it runs the file again and goes back where that shows.
"""

import ast
from collections.abc import Collection, Iterator

from testwright.verification import edits
from testwright.verification.assertions import Function
from testwright.verification.candidate import parse
from testwright.verification.edits import Edit
from testwright.verification.selection import bound

LEAST = 3
"""Tests that must begin alike for a fixture to be worth it."""

LONG = 12
"""Characters from which on a fraction looks computed."""


def polished(text: str) -> str:
    """Return a formatted test file with repeated set-up in fixtures, and computed floats compared approximately."""
    tree = parse(text)
    changes = [*_fixtures(text, tree), *_approximate(tree)]
    if not changes:
        return text
    return _with_import(edits.apply(text, changes))


def _with_import(text: str) -> str:
    """Import pytest, if it is not, before all else but a docstring and what must come first."""
    tree = parse(text)
    if any(isinstance(each, ast.Import) and "pytest" in bound(each) for each in tree.body):
        return text
    first = next((each for each in tree.body if not _must_be_first(each)), tree.body[-1])
    line = edits.first_line(first)
    return edits.apply(text, [Edit(line, 0, line, 0, "import pytest\n")])


def _must_be_first(statement: ast.stmt) -> bool:
    match statement:
        case ast.Expr(value=ast.Constant()) | ast.ImportFrom(module="__future__"):
            return True
        case _:
            return False


def _fixtures(text: str, tree: ast.Module) -> Iterator[Edit]:
    """Yield the edits that take out of tests what several of them make first."""
    functions = [each for each in tree.body if isinstance(each, Function)]
    tests = [each for each in functions if _is_plain_test(each, text)]
    starts: dict[str, list[Function]] = {}
    for test in tests:
        if _made(test.body[0]) and len(test.body) > 1:
            starts.setdefault(ast.unparse(test.body[0]), []).append(test)
    taken = {name for statement in tree.body for name in bound(statement)}
    for users in sorted(starts.values(), key=len, reverse=True):
        name = _made(users[0].body[0])
        if len(users) >= LEAST and name not in taken and all(_stores(each, name) == 1 for each in users):
            taken.add(name)
            yield _definition(text, name, users[0].body[0], tests[0])
            for user in users:
                yield edits.removal(user.body[0])
                yield _argument(text, user, name)


def _is_plain_test(function: Function, text: str) -> bool:
    """Return whether a function is a test without marks and arguments, written as ruff formats it."""
    if not function.name.startswith("test") or function.decorator_list:
        return False
    return f"def {function.name}():" in text.split("\n")[function.lineno - 1]


def _made(statement: ast.stmt) -> str:
    """Return the variable of a statement that makes an instance of a class from plain values; else the empty string."""
    match statement:
        case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call(func=func, args=args, keywords=keywords)):
            values = [*args, *(keyword.value for keyword in keywords)]
            own_word = ast.unparse(func).rpartition(".")[2].lstrip("_")
            return name if own_word[:1].isupper() and all(map(_is_plain, values)) else ""
        case _:
            return ""


def _is_plain(node: ast.expr) -> bool:
    """Return whether an expression has the same value wherever it stands: literals and members of what is imported."""
    match node:
        case ast.Constant() | ast.Attribute(value=ast.Attribute() | ast.Name()):
            return True
        case ast.UnaryOp(operand=operand):
            return _is_plain(operand)
        case _:
            return False


def _stores(test: Function, name: str) -> int:
    names = (node for node in ast.walk(test) if isinstance(node, ast.Name) and node.id == name)
    return sum(not isinstance(node.ctx, ast.Load) for node in names)


def _definition(text: str, name: str, start: ast.stmt, before: Function) -> Edit:
    value = start.value if isinstance(start, ast.Assign) else start
    source = ast.get_source_segment(text, value) or ""
    return Edit(before.lineno, 0, before.lineno, 0, f"@pytest.fixture\ndef {name}():\n    return {source}\n\n\n")


def _argument(text: str, test: Function, name: str) -> Edit:
    line = text.split("\n")[test.lineno - 1]
    column = len(line[: line.index("():") + 1].encode())
    return Edit(test.lineno, column, test.lineno, column, name)


def _approximate(tree: ast.Module) -> Iterator[Edit]:
    for test in (node for node in ast.walk(tree) if isinstance(node, Function)):
        results = {name for node in ast.walk(test) for name in _computed(node)}
        for node in ast.walk(test):
            match node:
                case ast.Assert(test=ast.Compare(left=left, ops=[ast.Eq()], comparators=[value])) if (
                    _is_result(left, results) and _has_fractions(value)
                ) or _is_long(value):
                    yield edits.replacement(value, f"pytest.approx({ast.unparse(value)})")
                case _:
                    pass


def _is_result(node: ast.expr, results: Collection[str]) -> bool:
    return isinstance(node, ast.Call) or (isinstance(node, ast.Name) and node.id in results)


def _has_fractions(node: ast.expr) -> bool:
    """Return whether a value is a fraction, or holds nothing but numbers, fractions among them."""
    match node:
        case ast.List(elts=members) | ast.Tuple(elts=members) | ast.Dict(values=members):
            return any(map(_is_fraction, members)) and all(map(_is_number, members))
        case _:
            return _is_fraction(node)


def _is_long(node: ast.expr) -> bool:
    """Return whether a fraction has more digits than anybody would write: it was computed, wherever it is found."""
    return _is_fraction(node) and len(ast.unparse(node)) >= LONG


def _is_number(node: ast.expr) -> bool:
    match node:
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return _is_number(operand)
        case ast.Constant(value=int() | float() as value):
            return not isinstance(value, bool)
        case _:
            return False


def _computed(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call()):
            yield name
        case _:
            return


def _is_fraction(node: ast.expr) -> bool:
    match node:
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return _is_fraction(operand)
        case ast.Constant(value=float(value)):
            return value != int(value) if abs(value) < float("inf") else False
        case _:
            return False
