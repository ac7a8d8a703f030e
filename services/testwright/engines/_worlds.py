"""Knows values of the types that a module deals in: the standard library's, by what it imports, and its own. Pure.

Without annotations a search hardly ever comes by a date: it would have to hit on the class, and on arguments for it.
With them it still has to hit on a valid object, where another test may have one.
"""

import ast
import copy
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

VALUES = {
    "datetime": (
        "datetime.date(2024, 2, 29)",
        "datetime.datetime(2023, 12, 31, 23, 59)",
        "datetime.timedelta(days=40)",
    ),
    "decimal": ("decimal.Decimal('2.5')",),
    "fractions": ("fractions.Fraction(1, 3)",),
    "io": ("io.StringIO('one\\ntwo\\n')",),
    "pathlib": ("pathlib.PurePosixPath('one/two.tar.gz')",),
    "uuid": ("uuid.UUID(int=1)",),
}
"""Sources of values, by the module that they need; dates at the ends of a month and of a year."""


MOST = 4
"""Values of one class of the module."""

_SEVERAL = {"Sequence", "Iterable", "Collection", "list", "List"}


def values(target: ast.Module) -> list[tuple[str, str]]:
    """Return the names of modules to import, and the sources of values that they make."""
    imported = dict.fromkeys(_imported(target))
    return [(name, source) for name in imported for source in VALUES.get(name, ())]


def own_values(target: ast.Module, tests: Iterable[ast.FunctionDef], alias: str) -> dict[str, list[str]]:
    """Return, for each parameter that is annotated with a class of the module, sources of values for it.

    Args:
        target: the module.
        tests: whose objects may serve as well.
        alias: what they call the module.

    Returns:
        By callable and parameter, as in ``"quote: parcel"``.
    """
    classes = [node for node in target.body if isinstance(node, ast.ClassDef)]
    made = _made([*tests], alias)
    known = {each.name: _members(each, alias) or made.get(each.name, []) for each in classes}
    return {
        f"{name}: {parameter}": found
        for name, parameter, annotation in _annotated(target)
        if (found := list(_fitting(annotation, known)))
    }


def filled(actions: Sequence[ast.stmt], own: Mapping[str, Sequence[str]]) -> list[ast.stmt]:
    """Return statements with a value of its class for each parameter that has one and was given something else."""
    result = [copy.deepcopy(action) for action in actions]
    for call in (node for action in result for node in ast.walk(action) if isinstance(node, ast.Call)):
        name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
        for keyword in call.keywords:
            known = own.get(f"{name}: {keyword.arg}", ())
            if known and ast.unparse(keyword.value) not in known:
                keyword.value = ast.parse(known[0], mode="eval").body
    return result


def _members(node: ast.ClassDef, alias: str) -> list[str]:
    """Return the members of an enumeration; none of anything else."""
    if not any(ast.unparse(base).endswith(("Enum", "Flag")) for base in node.bases):
        return []
    names = [name for each in node.body if isinstance(each, ast.Assign) for name in map(ast.unparse, each.targets)]
    return [f"{alias}.{node.name}.{name}" for name in names]


def _made(tests: Sequence[ast.FunctionDef], alias: str) -> dict[str, list[str]]:
    """Return the calls with plain arguments that make something of the module, by the name of what is called."""
    found: dict[str, list[str]] = {}
    for node in (node for test in tests for node in ast.walk(test)):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=word)) if name == alias:
                arguments = (*node.args, *(each.value for each in node.keywords))
                if not any(isinstance(each, ast.Name) for argument in arguments for each in ast.walk(argument)):
                    found.setdefault(word, []).append(ast.unparse(node))
            case _:
                pass
    return {word: list(dict.fromkeys(calls)) for word, calls in found.items()}


def _annotated(target: ast.Module) -> Iterator[tuple[str, str, str]]:
    for node in target.body:
        inner = node.body if isinstance(node, ast.ClassDef) else [node]
        for each in inner:
            if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef):
                name = node.name if isinstance(node, ast.ClassDef) and each.name == "__init__" else each.name
                for argument in (*each.args.args, *each.args.kwonlyargs):
                    if argument.annotation is not None:
                        yield name, argument.arg, ast.unparse(argument.annotation)


def _fitting(annotation: str, known: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Yield values for an annotation: of its classes, in a list where it stands for several."""
    first, *words = re.findall(r"\w+", annotation) or [""]
    several = first in _SEVERAL
    for word in words if several else (first, *words):
        yield from (f"[{source}]" if several else source for source in known.get(word, ())[:MOST])


def _imported(target: ast.Module) -> Iterator[str]:
    for node in ast.walk(target):
        match node:
            case ast.Import(names=names):
                yield from (each.name for each in names)
            case ast.ImportFrom(module=str(module), level=0):
                yield module
            case _:
                pass
