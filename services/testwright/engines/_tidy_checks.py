"""Says with the words of a person what a generated test asserts."""

import ast
import builtins
from collections import Counter
from collections.abc import Sequence

from testwright.engines._tidy_names import dotted, is_class_name
from testwright.engines._tidy_parts import checks

_BUILTIN_CALLS = {"__len__": "len", "__repr__": "repr", "__str__": "str", "__hash__": "hash", "__bool__": "bool"}
_WIDE: set[str | None] = {"abs", "rel"}
_STORED_AND_READ = 2


def reword(test: ast.FunctionDef, module: str, alias: str) -> None:
    """Write builtins instead of special methods, ``isinstance`` instead of names of types, and plain ``approx``."""
    wording = _Wording(module, alias)
    test.body = [wording.visit(each) for each in test.body]
    test.body = _without_repetition(test.body)


def drop_what_goes_without_saying(test: ast.FunctionDef, alias: str) -> None:
    """Drop assertions that what a class returns is of that class, where something else is asserted."""
    made = _made(test.body, alias)
    obvious = [each for each in test.body if _states_class(each, made)]
    if len(obvious) < sum(checks(each) for each in test.body):
        test.body = [each for each in test.body if each not in obvious]


def inline_results(test: ast.FunctionDef) -> None:
    """Assert on a call itself where its result is used for nothing else."""
    names = [node for node in ast.walk(test) if isinstance(node, ast.Name)]
    uses = Counter(node.id for node in names)
    result: list[ast.stmt] = []
    for statement in test.body:
        call = _assigned_call(result[-1]) if result else None
        if call is not None and uses[call[0]] == _STORED_AND_READ and _subject(statement) == call[0]:
            result[-1] = _Substitute(*call).visit(statement)
        else:
            result.append(statement)
    test.body = result


class _Wording(ast.NodeTransformer):
    def __init__(self, module: str, alias: str) -> None:
        self._module = module
        self._alias = alias

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        match node:
            case ast.Call(func=ast.Attribute(value=value, attr=attr), args=[], keywords=[]) if attr in _BUILTIN_CALLS:
                return ast.Call(ast.Name(_BUILTIN_CALLS[attr], ast.Load()), [value], [])
            case ast.Call(func=func, args=[expected], keywords=keywords) if (
                dotted(func) == ("pytest", "approx") and {each.arg for each in keywords} == _WIDE
            ):
                return ast.Call(func, [expected], [])
            case _:
                return node

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        self.generic_visit(node)
        match node:
            case ast.Compare(left=ast.JoinedStr() as left, ops=[ast.Eq()], comparators=[ast.Constant(value=str(name))]):
                subject = _type_of(left)
                return node if subject is None else self._type_check(node, subject, name)
            case _:
                return node

    def _type_check(self, node: ast.Compare, subject: ast.expr, name: str) -> ast.expr:
        home, _, last = name.rpartition(".")
        class_: ast.expr | None = None
        if home == self._module:
            class_ = ast.Attribute(ast.Name(self._alias, ast.Load()), last, ast.Load())
        elif home == "builtins" and hasattr(builtins, last):
            class_ = ast.Name(last, ast.Load())
        if class_ is not None:
            return ast.Call(ast.Name("isinstance", ast.Load()), [subject, class_], [])
        type_ = ast.Call(ast.Name("type", ast.Load()), [subject], [])
        return ast.Compare(ast.Attribute(type_, "__name__", ast.Load()), node.ops, [ast.Constant(last)])


def _type_of(text: ast.JoinedStr) -> ast.expr | None:
    """Return ``x`` of ``f"{type(x).__module__}.{type(x).__qualname__}"``."""
    match text.values:
        case [
            ast.FormattedValue(
                value=ast.Attribute(value=ast.Call(func=ast.Name(id="type"), args=[x]), attr="__module__")
            ),
            ast.Constant(value="."),
            ast.FormattedValue(value=ast.Attribute(attr="__qualname__")),
        ]:
            return x
        case _:
            return None


def _without_repetition(body: Sequence[ast.stmt]) -> list[ast.stmt]:
    """Drop an assertion that was made before, with nothing but assertions in between."""
    result: list[ast.stmt] = []
    seen: set[str] = set()
    for statement in body:
        text = ast.unparse(statement)
        if not isinstance(statement, ast.Assert):
            seen = set()
        elif text in seen:
            continue
        seen.add(text)
        result.append(statement)
    return result


def _made(body: Sequence[ast.stmt], alias: str) -> dict[str, tuple[str, ...]]:
    made: dict[str, tuple[str, ...]] = {}
    for statement in body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call(func=func)):
                parts = dotted(func)
                if parts[:1] == (alias,) and is_class_name(parts[-1]):
                    made[name] = parts
            case _:
                pass
    return made


def _states_class(statement: ast.stmt, made: dict[str, tuple[str, ...]]) -> bool:
    match statement:
        case ast.Assert(test=ast.Call(func=ast.Name(id="isinstance"), args=[ast.Name(id=name), class_])):
            return name in made and dotted(class_) == made[name]
        case _:
            return False


def _assigned_call(statement: ast.stmt) -> tuple[str, ast.expr] | None:
    match statement:
        case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call() | ast.Await() as value):
            return name, value
        case _:
            return None


def _subject(statement: ast.stmt) -> str:
    """Return the variable that an assertion compares, empty for other statements."""
    match statement:
        case ast.Assert(test=ast.Compare(left=ast.Name(id=name))) | ast.Assert(test=ast.Name(id=name)):
            return name
        case ast.Assert(test=ast.Compare(left=ast.Call(func=ast.Name(), args=[ast.Name(id=name)]))):
            return name
        case ast.Assert(test=ast.Call(func=ast.Name(id="isinstance"), args=[ast.Name(id=name), _])):
            return name
        case _:
            return ""


class _Substitute(ast.NodeTransformer):
    def __init__(self, name: str, value: ast.expr) -> None:
        self._name = name
        self._value = value

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self._value if node.id == self._name else node
