"""The only place that says which small changes of a module its tests should notice. Pure: syntax trees in and out.

Left alone, because a change there is no change of behaviour that a test should see: docstrings, annotations, blocks
for type checkers or for running as a script, ``__all__`` and its like, the texts of exceptions, the fixed parts of
f-strings.
"""

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

Change = tuple[str, str, int | None, Any]
"""Operator, field of the node, index where the field is a list, what comes there."""

_COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitAnd,
}
_METADATA = frozenset({"__all__", "__version__", "__author__", "__slots__"})
_BLOCKS = ("body", "orelse", "finalbody")


@dataclass(frozen=True, eq=False)
class Mutant:
    """One change, not made yet.

    Attributes:
        line: where it is, counted from 1.
        operator: what is changed, in words.
        node: the node that gets another field.
        field: which.
        index: place in the field, where that is a list.
        value: what comes there.
    """

    line: int
    operator: str
    node: ast.AST
    field: str
    index: int | None
    value: Any

    def swap(self, value: Any) -> Any:
        """Put a value in the place of the change; return what was there."""
        old = getattr(self.node, self.field)
        if self.index is None:
            setattr(self.node, self.field, value)
            return old
        was = old[self.index]
        old[self.index] = value
        return was


def mutants(tree: ast.Module) -> Iterator[Mutant]:
    """Yield every change of a tree, each once, in no particular order. Apply one at a time."""
    untouched = _untouched(tree)
    for node in ast.walk(tree):
        if id(node) in untouched:
            continue
        for operator, field, index, value in _changes(node, untouched):
            line = _line(node, field, index)
            yield Mutant(line, operator, node, field, index, value)


def statement_lines(tree: ast.Module) -> dict[int, int]:
    """Return, for each line of code, the first line of the innermost statement (or compound header) it belongs to."""
    result: dict[int, int] = {}
    for node in ast.walk(tree):
        # ast.walk goes outside in, so that inner statements overwrite what outer ones claimed.
        if isinstance(node, ast.stmt | ast.ExceptHandler | ast.match_case):
            first = node.pattern.lineno if isinstance(node, ast.match_case) else node.lineno
            result.update(dict.fromkeys(range(first, _last_line(node, first) + 1), first))
    return result


def _last_line(node: Any, first: int) -> int:
    last = getattr(node, "end_lineno", None)
    return last if last is not None else max((child.end_lineno or first for child in node.body), default=first)


def _line(node: Any, field: str, index: int | None) -> int:
    if field in _BLOCKS and index is not None:
        return int(getattr(node, field)[index].lineno)
    if field == "ops":
        return int(node.left.lineno)
    return int(node.lineno)


def _changes(node: ast.AST, untouched: set[int]) -> Iterator[Change]:
    operator = _OPERATORS.get(type(node))
    if operator is not None:
        yield from operator(node)
    # Their body is an expression.
    if not isinstance(node, ast.Lambda | ast.IfExp):
        for field in _BLOCKS:
            yield from _deletions(field, getattr(node, field, []), untouched)


def _compare(node: ast.Compare) -> Iterator[Change]:
    for index, op in enumerate(node.ops):
        for other in _COMPARISONS[type(op)]:
            yield f"{type(op).__name__} to {other.__name__}", "ops", index, other()


def _arithmetic(node: ast.BinOp | ast.AugAssign) -> Iterator[Change]:
    other = _ARITHMETIC.get(type(node.op))
    formatting = isinstance(node.op, ast.Mod) and isinstance(node, ast.BinOp) and _is_text(node.left)
    if other is not None and not formatting:
        yield f"{type(node.op).__name__} to {other.__name__}", "op", None, other()


def _boolean(node: ast.BoolOp) -> Iterator[Change]:
    if isinstance(node.op, ast.And):
        yield "and to or", "op", None, ast.Or()
    else:
        yield "or to and", "op", None, ast.And()


def _unary(node: ast.UnaryOp) -> Iterator[Change]:
    if isinstance(node.op, ast.USub):
        yield "drop minus", "op", None, ast.UAdd()
    elif isinstance(node.op, ast.Not):
        yield "drop not", "operand", None, _at(node, ast.UnaryOp(ast.Not(), node.operand))


def _constant(node: ast.Constant) -> Iterator[Change]:
    match node.value:
        case bool():
            yield "flip constant", "value", None, not node.value
        case int() | float():
            yield "constant plus one", "value", None, node.value + 1
        case str():
            yield "change text", "value", None, f"XX{node.value}"
        case bytes():
            yield "change bytes", "value", None, b"XX" + node.value
        case _:
            return


def _return(node: ast.Return) -> Iterator[Change]:
    if node.value is not None and not (isinstance(node.value, ast.Constant) and node.value.value is None):
        yield "return None", "value", None, _at(node.value, ast.Constant(None))


def _condition(node: ast.If | ast.While | ast.IfExp) -> Iterator[Change]:
    if isinstance(node.test, ast.Constant):
        return
    if not isinstance(node, ast.While):
        yield "condition always true", "test", None, _at(node.test, ast.Constant(value=True))
    yield "condition always false", "test", None, _at(node.test, ast.Constant(value=False))


_OPERATORS: dict[type[ast.AST], Callable[[Any], Iterator[Change]]] = {
    ast.Compare: _compare,
    ast.BinOp: _arithmetic,
    ast.AugAssign: _arithmetic,
    ast.BoolOp: _boolean,
    ast.UnaryOp: _unary,
    ast.Constant: _constant,
    ast.Return: _return,
    ast.If: _condition,
    ast.While: _condition,
    ast.IfExp: _condition,
}


def _deletions(field: str, block: list[Any], untouched: set[int]) -> Iterator[Change]:
    for index, statement in enumerate(block):
        if id(statement) in untouched:
            continue
        if isinstance(statement, ast.Break):
            yield "break to continue", field, index, _at(statement, ast.Continue())
        elif _has_effect(statement):
            yield f"delete {type(statement).__name__.lower()}", field, index, _at(statement, ast.Pass())


def _has_effect(statement: ast.stmt) -> bool:
    match statement:
        case ast.Raise() | ast.AugAssign() | ast.Delete() | ast.Continue():
            return True
        case ast.Expr(value=ast.Call() | ast.Await()):
            return True
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript(), *_]):
            return True
        case _:
            return False


def _untouched(tree: ast.Module) -> set[int]:
    """Return the ids of all nodes in parts that are no behaviour."""
    result: set[int] = set()
    for node in ast.walk(tree):
        for part in _no_behaviour(node):
            result.update(id(inner) for inner in ast.walk(part))
    return result


def _no_behaviour(node: ast.AST) -> Iterator[ast.AST]:
    yield from _annotations(node)
    match node:
        case ast.Module() | ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
            yield from node.body[: ast.get_docstring(node, clean=False) is not None]
        case ast.If(test=test) if _is_guard(test):
            yield node
        case ast.Assign(targets=[ast.Name(id=name)]) if name in _METADATA:
            yield node
        case ast.JoinedStr():
            yield from (part for part in node.values if isinstance(part, ast.Constant))
            yield from (part.format_spec for part in _formatted(node) if part.format_spec is not None)
        case ast.Raise(exc=ast.Call(args=args)):
            yield from (arg for arg in args if isinstance(arg, ast.Constant | ast.JoinedStr))
        case _:
            pass


def _annotations(node: ast.AST) -> Iterator[ast.AST]:
    for field in ("annotation", "returns"):
        annotation = getattr(node, field, None)
        if isinstance(annotation, ast.expr):
            yield annotation


def _formatted(node: ast.JoinedStr) -> list[ast.FormattedValue]:
    return [part for part in node.values if isinstance(part, ast.FormattedValue)]


def _is_guard(test: ast.expr) -> bool:
    names = {inner.id for inner in ast.walk(test) if isinstance(inner, ast.Name)}
    attributes = {inner.attr for inner in ast.walk(test) if isinstance(inner, ast.Attribute)}
    return "__name__" in names or "TYPE_CHECKING" in names | attributes


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str | bytes))


def _at(old: ast.expr | ast.stmt, new: Any) -> Any:
    """Give a new node the place of the one it stands for."""
    for inner in ast.walk(new):
        if not hasattr(inner, "lineno") and "lineno" in inner._attributes:  # noqa: SLF001  ast's documented field
            ast.copy_location(inner, old)
    return new


def compile_mutant(tree: ast.Module, mutant: Mutant, path: str) -> Any:
    """Return the code of the tree with one change in it; the tree is as before afterwards.

    Raises:
        SyntaxError, ValueError: the change makes no program.
    """
    old = mutant.swap(mutant.value)
    try:
        return compile(tree, path, "exec", dont_inherit=True)
    finally:
        mutant.swap(old)
