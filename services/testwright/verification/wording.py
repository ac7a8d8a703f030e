"""The only place that puts into words what a call was given and what came of it, for the name of a test. Pure."""

import ast
import re
from collections.abc import Iterator

from testwright.verification.assertions import Function

_SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9 .,:_+-]{0,19}")
_MOST_NUMBER = 99_999
_EMPTY: dict[type[ast.expr], str] = {ast.List: "list", ast.Dict: "dict", ast.Tuple: "tuple"}


def outcome(function: Function, call: ast.Call) -> str:
    """Return what a test asserts that a call returns, ``none`` or ``7`` for instance; empty where that takes too long.

    Args:
        function: the test.
        call: in it.
    """
    holders = {target for node in ast.walk(function) for target in _held(node, call)}
    for node in ast.walk(function):
        match node:
            case ast.Assert(test=ast.Compare(left=left, ops=[ast.Eq() | ast.Is()], comparators=[value])):
                if _is_result(left, call) or (isinstance(left, ast.Name) and left.id in holders):
                    return _value(value)
            case _:
                pass
    return ""


def circumstance(call: ast.Call) -> str:
    """Return what is special about a call's arguments, ``negative_weight`` for instance; empty where nothing is."""
    arguments = [("", each) for each in call.args] + [(each.arg or "", each.value) for each in call.keywords]
    special = [words for label, value in arguments if (words := _special(label, value))]
    if special:
        return min(special)[1]
    if len(arguments) == 1:
        return _value(arguments[0][1])
    return ""


def _held(node: ast.AST, call: ast.Call) -> Iterator[str]:
    match node:
        case ast.Assign(targets=[ast.Name(id=name)], value=value) if _is_result(value, call):
            yield name
        case _:
            return


def _is_result(value: ast.expr, call: ast.Call) -> bool:
    """Return whether an expression is what a call returns, awaited if need be."""
    match value:
        case ast.Call(func=ast.Attribute(value=ast.Name(id="asyncio"), attr="run"), args=[inner, *_]):
            return _is_result(inner, call)
        case ast.Await(value=inner):
            return _is_result(inner, call)
        case _:
            return value is call


def _value(node: ast.expr) -> str:
    match node:
        case ast.Constant(value=None):
            return "none"
        case ast.Constant(value=bool(value)):
            return str(value).lower()
        case ast.Constant(value=int(value)) if value <= _MOST_NUMBER:
            return str(value)
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int(value))) if value <= _MOST_NUMBER:
            return f"minus_{value}"
        case ast.Constant(value=str(value) | bytes(value)) if not value:
            return "empty_text" if isinstance(value, str) else "no_bytes"
        case ast.Constant(value=str(value)) if _SLUG.fullmatch(value):
            return re.sub(r"\W+", "_", value).strip("_").lower()
        case _:
            return f"empty_{_EMPTY[type(node)]}" if _is_empty(node) else ""


def _is_empty(node: ast.expr) -> bool:
    match node:
        case ast.List(elts=[]) | ast.Tuple(elts=[]) | ast.Dict(keys=[]):
            return True
        case _:
            return False


def _special(label: str, node: ast.expr) -> tuple[int, str] | None:
    """Return words for an argument that is special, and how little they tell against others."""
    match node:
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float())):
            return 0, f"negative_{label or 'number'}"
        case ast.Constant(value=None):
            return 1, f"missing_{label}" if label else "none"
        case ast.Constant(value=str(value)) if not value.strip():
            return 0, f"{'blank' if value else 'empty'}_{label or 'text'}"
        case ast.Constant(value=bytes(value)) if not value:
            return 0, f"empty_{label or 'bytes'}"
        case ast.Constant(value=bool()):
            return None
        case ast.Constant(value=int(value) | float(value)) if not value:
            return 2, f"zero_{label}" if label else "zero"
        case _:
            return (0, f"empty_{label or _EMPTY[type(node)]}") if _is_empty(node) else None
