"""The only place that decides, from its source alone, whether a test can fail by what it asserts. Pure.

Counted: ``assert``, ``raise``, ``pytest.raises``, ``warns`` and ``fail``, and calls whose name begins with ``assert``
(``unittest``, mocks, NumPy); also inside helpers of the same file. Not counted: what is always true, cannot be reached,
or is swallowed by an ``except`` or ``suppress`` around it.
"""

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence

Function = ast.FunctionDef | ast.AsyncFunctionDef

_EXPECTATIONS = frozenset({"raises", "warns", "deprecated_call", "fail", "RaisesGroup"})
_SWALLOWERS = frozenset({"Exception", "BaseException", "AssertionError"})
_SAME_SIDES = (ast.Eq, ast.Is, ast.LtE, ast.GtE)
_TRUE_FOR_EQUAL = frozenset({"assertEqual", "assertEquals", "assertIs", "assertLessEqual", "assertGreaterEqual"})


def is_empty(function: Function) -> bool:
    """Return whether a function does nothing at all."""
    return all(
        isinstance(statement, ast.Pass)
        or (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant))
        for statement in function.body
    )


def can_fail(function: Function, helpers: Mapping[str, Function]) -> bool:
    """Return whether a function asserts something that may turn out false.

    Args:
        function: the test.
        helpers: functions and methods of the same file that it may call, by name.
    """
    return _Reader(helpers).function(function)


class _Reader:
    """Follows statements, and calls into helpers, each helper once."""

    def __init__(self, helpers: Mapping[str, Function]) -> None:
        self._helpers = dict(helpers)
        self._visited: set[int] = set()

    def function(self, function: Function) -> bool:
        self._visited.add(id(function))
        inner = (node for node in ast.walk(function) if isinstance(node, Function) and node is not function)
        self._helpers.update({node.name: node for node in inner})
        return self._block(function.body)

    def _block(self, body: Sequence[ast.stmt]) -> bool:
        for statement in body:
            if self._statement(statement):
                return True
            if isinstance(statement, ast.Return | ast.Continue | ast.Break):
                return False
        return False

    def _statement(self, statement: ast.stmt) -> bool:
        match statement:
            case ast.Assert(test=test):
                return not always_true(test)
            case ast.Raise():
                return True
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                return False
            case ast.If(test=ast.Constant(value=value)):
                return self._block(statement.body if value else statement.orelse)
            case ast.With() | ast.AsyncWith():
                return self._with(statement)
            case ast.Try() | ast.TryStar():
                return self._try(statement)
            case _:
                return self._compound(statement)

    def _with(self, statement: ast.With | ast.AsyncWith) -> bool:
        contexts = [item.context_expr for item in statement.items]
        if any(self._expression(context) for context in contexts):
            return True
        return not any(_suppresses(context) for context in contexts) and self._block(statement.body)

    def _try(self, statement: ast.Try | ast.TryStar) -> bool:
        handlers = [handler for handler in statement.handlers if not _is_bare_reraise(handler)]
        swallowed = any(_swallows(handler.type) and not self._block(handler.body) for handler in handlers)
        blocks = [] if swallowed else [statement.body]
        blocks += [statement.orelse, statement.finalbody, *(handler.body for handler in handlers)]
        return any(self._block(block) for block in blocks)

    def _compound(self, statement: ast.stmt) -> bool:
        for _, value in ast.iter_fields(statement):
            if isinstance(value, ast.expr) and self._expression(value):
                return True
        blocks = [getattr(statement, name, []) for name in ("body", "orelse")]
        blocks += [case.body for case in getattr(statement, "cases", [])]
        return any(self._block(block) for block in blocks)

    def _expression(self, expression: ast.expr) -> bool:
        return any(self._call(node) for node in _evaluated(expression) if isinstance(node, ast.Call))

    def _call(self, call: ast.Call) -> bool:
        name = last_name(call.func)
        if name in _EXPECTATIONS:
            return True
        helper = self._helpers.get(name)
        if helper is not None:
            return id(helper) not in self._visited and self.function(helper)
        return name.startswith("assert") and not _empty_assertion(name, call.args)


def last_name(node: ast.expr) -> str:
    """Return the last part of a dotted name, the empty string for anything else."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Call(func=func):
            return last_name(func)
        case _:
            return ""


def always_true(test: ast.expr) -> bool:
    """Return whether an expression is true whatever the code under test does."""
    match test:
        case ast.Constant(value=value):
            return bool(value)
        case ast.Tuple(elts=parts) | ast.List(elts=parts) | ast.Set(elts=parts):
            return bool(parts) and not any(isinstance(part, ast.Starred) for part in parts)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return always_false(operand)
        case ast.BoolOp(op=ast.And(), values=values):
            return all(always_true(value) for value in values)
        case ast.BoolOp(values=values):
            return any(always_true(value) for value in values) or _excludes_nothing(values)
        case ast.Compare(left=left, ops=ops, comparators=others):
            return _same_throughout([left, *others], ops) or _is_no_bound(left, ops, others)
        case ast.Call(func=ast.Name(id="isinstance"), args=[_, kinds]):
            return _names_object(kinds)
        case _:
            return isinstance(test, ast.Lambda)


def always_false(test: ast.expr) -> bool:
    """Return whether an expression is false whatever the code under test does."""
    match test:
        case ast.Constant(value=value):
            return not value
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return always_true(operand)
        case ast.Compare(left=left, ops=[ast.NotEq() | ast.IsNot() | ast.Lt() | ast.Gt()], comparators=[other]):
            return _is_plain(left) and ast.dump(left) == ast.dump(other)
        case _:
            return False


def _same_throughout(sides: list[ast.expr], ops: Iterable[ast.cmpop]) -> bool:
    if not all(isinstance(op, _SAME_SIDES) for op in ops):
        return False
    return len({ast.dump(side) for side in sides}) == 1 and _is_plain(sides[0])


def _is_no_bound(left: ast.expr, ops: list[ast.cmpop], others: list[ast.expr]) -> bool:
    """Return whether a comparison says no more than that a length is one: ``len(x) >= 0``, ``0 <= len(x)``."""
    match left, ops, others:
        case ast.Call(func=ast.Name(id="len")), [ast.GtE()], [ast.Constant(value=0)]:
            return True
        case ast.Call(func=ast.Name(id="len")), [ast.Gt() | ast.NotEq()], [ast.UnaryOp(op=ast.USub())]:
            return True
        case ast.Constant(value=0), [ast.LtE()], [ast.Call(func=ast.Name(id="len"))]:
            return True
        case _:
            return False


def _names_object(kinds: ast.expr) -> bool:
    match kinds:
        case ast.Name(id=name):
            return name == "object"
        case ast.Tuple(elts=parts):
            return any(_names_object(part) for part in parts)
        case ast.BinOp(op=ast.BitOr(), left=left, right=right):
            return _names_object(left) or _names_object(right)
        case _:
            return False


def _excludes_nothing(values: list[ast.expr]) -> bool:
    """Return whether alternatives hold a plain one and its opposite: ``x or not x``."""
    plain = {ast.dump(value) for value in values if _is_plain(value)}
    opposites = (value.operand for value in values if isinstance(value, ast.UnaryOp) and isinstance(value.op, ast.Not))
    return any(ast.dump(value) in plain for value in opposites)


def _is_plain(node: ast.expr) -> bool:
    """Return whether evaluating an expression twice gives the same thing: names and constants, nothing called."""
    return all(isinstance(inner, ast.Name | ast.Constant | ast.expr_context) for inner in ast.walk(node))


def _empty_assertion(name: str, args: list[ast.expr]) -> bool:
    match name, args:
        case "assertTrue", [first, *_]:
            return always_true(first)
        case "assertFalse", [first, *_]:
            return always_false(first)
        case "assertIsInstance", [_, kinds, *_]:
            return _names_object(kinds)
        case _, [first, second, *_] if name in _TRUE_FOR_EQUAL:
            return _is_plain(first) and ast.dump(first) == ast.dump(second)
        case _:
            return False


def _evaluated(expression: ast.expr) -> Iterator[ast.AST]:
    """Yield the parts of an expression, without the bodies of lambdas that may never be called."""
    pending: list[ast.AST] = [expression]
    while pending:
        node = pending.pop()
        if not isinstance(node, ast.Lambda):
            yield node
            pending.extend(ast.iter_child_nodes(node))


def _suppresses(context: ast.expr) -> bool:
    return (
        isinstance(context, ast.Call)
        and last_name(context.func) == "suppress"
        and any(_swallows(argument) for argument in context.args)
    )


def _swallows(caught: ast.expr | None) -> bool:
    if caught is None:
        return True
    if isinstance(caught, ast.Tuple):
        return any(_swallows(part) for part in caught.elts)
    return last_name(caught) in _SWALLOWERS


def _is_bare_reraise(handler: ast.ExceptHandler) -> bool:
    return any(isinstance(statement, ast.Raise) and statement.exc is None for statement in handler.body)
