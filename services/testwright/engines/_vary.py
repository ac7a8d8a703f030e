"""Chooses other arguments for calls that a search found: those around the values that the module compares with. Pure.

A search is content with any argument that takes a branch; whether ``< 5000`` or ``<= 5000`` stands there shows only at
5000. So each literal that a test passes to the module is replaced by the constants of what is called and by their
neighbours, a number also by zero and by one that is larger than any table. Each parameter is also given values of the
types that the module deals in. What is called with these is observed, and becomes a test where the outcome changes from
one to the next.
"""

import ast
import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from testwright.engines._worlds import filled, own_values, values

Value = bool | int | float | str
Place = tuple[int, int]
"""A statement, and a node in it as ``ast.walk`` counts."""

MOST = 500
"""Lists of statements that are tried."""

MOST_CHOSEN = 120
"""Tests that are made of them."""

MOST_TRIES = 3
"""Tests in which a parameter is given values of its class: whatever else a test passes may be wrong."""

MOST_CONSTANTS = 12
"""Constants of what is called that are tried for one argument, those in comparisons first."""

LARGE = 10**40
"""Beyond all tables of units, and of what a loop can count to."""

LONGEST = 30
"""Characters of a text that is taken for a word that the module knows."""

_PLAIN = ast.Assign | ast.Expr | ast.Import | ast.ImportFrom


@dataclass(frozen=True, slots=True)
class Variation:
    """Statements of a test with one literal replaced; those of one ``family`` differ in that literal only."""

    family: str
    value: Value
    statements: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Observed:
    """The lines of a test that such statements became, and the values and errors in them."""

    lines: tuple[str, ...]
    seen: tuple[str, ...]


def variations(tests: Sequence[ast.FunctionDef], target: ast.Module, alias: str = "") -> list[Variation]:
    """Return what to try, fairly many of each family.

    Args:
        tests: whose calls are varied.
        target: the module under test.
        alias: what the tests call it; where there is none, its own classes are left alone.
    """
    constants, worldly = _Constants(target), values(target)
    own = own_values(target, tests, alias) if alias else {}
    typed: dict[str, list[Variation]] = {}
    families: dict[str, list[Variation]] = {}
    times: dict[str, int] = {}
    for test in tests:
        actions = _actions(test)
        for place, parameter in _parameters(actions, constants) if worldly else ():
            typed.setdefault(parameter, list(_of_types(actions, place, worldly)))
        valid = filled(actions, own) if own else []
        for place, parameter in _parameters(valid, constants):
            if parameter in own and (tries := times.setdefault(parameter, 0)) < MOST_TRIES:
                of_class = list(_of_types(valid, place, [("", source) for source in own[parameter]]))
                times[parameter] = tries + (of_class[0].family not in typed)
                typed.setdefault(of_class[0].family, of_class)
        if actions and not any(isinstance(each, ast.Assert | ast.With) for each in test.body):
            # It asserts nothing, and may as it is once it was seen what comes of it.
            same = tuple(map(ast.unparse, actions))
            families["\n".join(same)] = [Variation("\n".join(same), "", same)]
        for place, callee in _places(actions, constants):
            for each in _variants(actions, place, constants.of(callee)):
                families.setdefault(each.family, []).append(each)
    distinct = [list({each.value: each for each in family}.values()) for family in families.values()]
    share = max(1, MOST // max(1, len(distinct)))
    first = [each for family in typed.values() for each in family][: MOST // 2]
    return [*first, *(each for family in distinct for each in family[:share])][:MOST]


def chosen(tried: Sequence[Variation], observed: Mapping[int, Observed]) -> list[Observed]:
    """Return what is worth a test: outcomes on both sides of a change, and texts with an outcome of their own.

    Args:
        tried: variations.
        observed: what came of them, by their place in ``tried``.
    """
    families: dict[str, list[tuple[Value, Observed]]] = {}
    for index, each in enumerate(tried):
        if index in observed:
            families.setdefault(each.family, []).append((each.value, observed[index]))
    result: dict[tuple[str, ...], Observed] = {}
    for family in families.values():
        result |= {each.lines: each for each in (*_at_changes(family), *_of_texts(family))}
    return list(result.values())[:MOST_CHOSEN]


def _at_changes(family: Sequence[tuple[Value, Observed]]) -> Iterator[Observed]:
    numbers = sorted(((value, each) for value, each in family if not isinstance(value, str)), key=lambda pair: pair[0])
    for (_, before), (_, after) in pairwise(numbers):
        if before.seen != after.seen:
            yield before
            yield after


def _of_texts(family: Sequence[tuple[Value, Observed]]) -> Iterator[Observed]:
    yield from {each.seen: each for value, each in family if isinstance(value, str)}.values()


def _actions(test: ast.FunctionDef) -> list[ast.stmt]:
    """Return what a test does, what it asserts something of included; empty where it is no plain sequence."""
    actions: list[ast.stmt] = []
    for statement in test.body:
        match statement:
            case ast.Assert(test=ast.Compare(left=left, ops=[ast.Eq() | ast.Is()])) if not _is_type(left):
                actions.append(ast.Expr(left))
            case ast.Assert():
                continue
            case ast.With(body=body):
                actions += body
            case _:
                actions.append(statement)
    return actions if all(isinstance(each, _PLAIN) for each in actions) else []


def _is_type(node: ast.expr) -> bool:
    return any(isinstance(each, ast.Name) and each.id == "type" for each in ast.walk(node))


def _places(actions: Sequence[ast.stmt], constants: "_Constants") -> Iterator[tuple[Place, str]]:
    """Yield where literals are passed to the module, and to what."""
    for place, call, argument in _arguments(actions, constants):
        if _literal(argument.value) is not None:
            yield place, _called(call)


def _parameters(actions: Sequence[ast.stmt], constants: "_Constants") -> Iterator[tuple[Place, str]]:
    """Yield where anything is passed to the module, and the parameter that takes it."""
    for place, call, argument in _arguments(actions, constants):
        name = argument.arg or str([*call.args, argument.value].index(argument.value))
        yield place, f"{_called(call)}: {name}"


def _arguments(actions: Sequence[ast.stmt], constants: "_Constants") -> Iterator[tuple[Place, ast.Call, ast.keyword]]:
    for row, action in enumerate(actions):
        nodes = list(ast.walk(action))
        for call in nodes:
            if isinstance(call, ast.Call) and _called(call) in constants:
                for argument in (*(ast.keyword(None, each) for each in call.args), *call.keywords):
                    yield (row, nodes.index(argument.value)), call, argument


def _of_types(actions: Sequence[ast.stmt], place: Place, worldly: Sequence[tuple[str, str]]) -> Iterator[Variation]:
    """Yield the statements up to there with values of the types that the module deals in, and a look at the result."""
    actions = actions[: place[0] + 1]
    family = "\n".join(("of a type", *_with(actions, place, ast.Name("_"))))
    result: tuple[str, ...] = ()
    match actions[-1]:
        case ast.Assign(targets=[ast.Name(id=name)]):
            result = (name,)
        case _:
            pass
    for module, source in worldly:
        statements = _with(actions, place, ast.parse(source, mode="eval").body)
        needed = (f"import {module}",) if module else ()
        yield Variation(family, source, (*needed, *statements, *result))


def _called(node: ast.AST) -> str:
    match node:
        case ast.Call(func=ast.Attribute(attr=name)) | ast.Call(func=ast.Name(id=name)):
            return name
        case _:
            return ""


def _literal(node: ast.AST) -> Value | None:
    match node:
        case ast.Constant(value=bool() | int() | float() | str() as value):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=(int() | float()) as value)):
            return -value
        case _:
            return None


def _variants(actions: Sequence[ast.stmt], place: Place, known: Sequence[Value]) -> Iterator[Variation]:
    row, column = place
    old = _literal(list(ast.walk(actions[row]))[column])
    family = "\n".join(_with(actions, place, ast.Name("_")))
    if old is not None:
        for value in (old, *_alternatives(old, known)):
            yield Variation(family, value, _with(actions, place, ast.parse(repr(value), mode="eval").body))


def _with(actions: Sequence[ast.stmt], place: Place, new: ast.expr) -> tuple[str, ...]:
    row, column = place
    action = copy.deepcopy(actions[row])
    changed = _Replacement(list(ast.walk(action))[column], new).visit(action)
    return tuple(map(ast.unparse, (*actions[:row], changed, *actions[row + 1 :])))


class _Replacement(ast.NodeTransformer):
    def __init__(self, old: ast.AST, new: ast.expr) -> None:
        self._old = old
        self._new = new

    def visit(self, node: ast.AST) -> ast.AST:
        return self._new if node is self._old else super().visit(node)


def _alternatives(old: Value, known: Sequence[Value]) -> Iterator[Value]:
    match old:
        case bool():
            yield not old
        case str():
            yield from ("", *(each for each in known if isinstance(each, str)))
        case _:
            numbers = [each for each in known if not isinstance(each, str)]
            yield from map(type(old), (*_around((*numbers, 0)), LARGE, -LARGE, *_around(-each for each in numbers)))


def _around(numbers: Iterable[float]) -> Iterator[float]:
    return (number + step for number in numbers for step in (-1, 0, 1))


class _Constants:
    """The constants of each function, method and class of a module, and of what it uses of the module."""

    def __init__(self, target: ast.Module) -> None:
        self._definitions: dict[str, list[ast.AST]] = {}
        self._callable: set[str] = set()
        self._found: dict[str, list[Value]] = {}
        for node in ast.walk(target):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                self._callable.add(node.name)
                self._definitions.setdefault(node.name, []).append(node)
        for statement in target.body:
            if isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value is not None:
                targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
                for name in (each.id for each in targets if isinstance(each, ast.Name)):
                    self._definitions.setdefault(name, []).append(statement.value)

    def __contains__(self, name: str) -> bool:
        return name in self._callable

    def of(self, name: str) -> list[Value]:
        """Return those of a callable, the ones that it compares with first."""
        if name not in self._found:
            nodes = list(self._reached(name))
            compared = (each for node in nodes if isinstance(node, ast.Compare) for each in ast.walk(node))
            values = [value for node in (*compared, *nodes) for value in _constant(node)]
            self._found[name] = list({(type(value), value): value for value in values}.values())[:MOST_CONSTANTS]
        return self._found[name]

    def _reached(self, name: str) -> Iterator[ast.AST]:
        """Yield the nodes of a definition and of all that it names, nearest first."""
        waiting, known = [name], {name}
        while waiting:
            for definition in self._definitions.get(waiting.pop(0), []):
                for node in _walk(definition):
                    yield node
                    word = node.id if isinstance(node, ast.Name) else getattr(node, "attr", "")
                    if word not in known and word in self._definitions:
                        known.add(word)
                        waiting.append(word)


def _walk(definition: ast.AST) -> Iterator[ast.AST]:
    """Walk a definition, without texts that are statements: they document."""
    statements = (each.value for each in ast.walk(definition) if isinstance(each, ast.Expr))
    left_out = {id(each) for each in statements if isinstance(each, ast.Constant)}
    return (each for each in ast.walk(definition) if id(each) not in left_out)


def _constant(node: ast.AST) -> Iterator[Value]:
    match node:
        case ast.Constant(value=bool()):
            return
        case ast.Constant(value=int() | float() as value) if abs(value) < 1e12:
            yield value
        case ast.Constant(value=str(text)) if len(text) <= LONGEST:
            yield text
        case _:
            return
