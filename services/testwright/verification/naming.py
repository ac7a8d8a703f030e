"""The only place that finds a speaking name for a test that an engine only numbered. Pure."""

import ast
import re
from collections.abc import Iterator

from testwright.verification.assertions import Function, last_name

_NUMBERED = re.compile(r"test_?(case)?_?\d*")
_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
LONGEST = 70


def is_numbered(name: str) -> bool:
    """Return whether a test's name says nothing: ``test_0``, ``test_case_12``."""
    return _NUMBERED.fullmatch(name) is not None


def snake(name: str) -> str:
    """Return a name in lower case with underscores: ``ValueError`` becomes ``value_error``."""
    return _WORDS.sub("_", name).lower().strip("_")


def unique(name: str, taken: set[str]) -> str:
    """Return the name, numbered from 2 if it is taken, and take it."""
    candidate, number = name, 1
    while candidate in taken:
        number += 1
        candidate = f"{name}_{number}"
    taken.add(candidate)
    return candidate


def speaking(function: Function, module: str, tree: ast.Module) -> str:
    """Return a name for a test from what it calls in the target and which error it expects.

    Args:
        function: the test.
        module: dotted name of the target.
        tree: of the file, for the names that it imports the target under.
    """
    scope = _Scope(module, tree)
    subjects = [*dict.fromkeys(scope.subjects(function))]
    expected = next(_expected_errors(function), "")
    subject = subjects[-1] if subjects else module.rpartition(".")[2]
    name = f"test_{snake(subject)}" + (f"_raises_{snake(expected)}" if expected else "")
    return re.sub(r"\W+", "_", name)[:LONGEST].rstrip("_")


class _Scope:
    """Names that stand for the target, for what is in it, and for instances of its classes."""

    def __init__(self, module: str, tree: ast.Module) -> None:
        self._module = module
        self._aliases: set[str] = set()
        self._members: dict[str, str] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                self._aliases |= {alias.asname or alias.name for alias in node.names if alias.name == module}
            elif isinstance(node, ast.ImportFrom):
                self._take(node)

    def _take(self, node: ast.ImportFrom) -> None:
        parent, _, own = self._module.rpartition(".")
        for alias in node.names:
            if node.module == self._module:
                self._members[alias.asname or alias.name] = alias.name
            elif node.module == parent and alias.name == own:
                self._aliases.add(alias.asname or alias.name)

    def subjects(self, function: Function) -> Iterator[str]:
        """Yield what of the target is called, in order."""
        instances: dict[str, str] = {}
        calls = [node for node in ast.walk(function) if isinstance(node, ast.Assign | ast.Call)]
        # By their ends, an argument or the object of a method comes before the call: that is the order they run in.
        for node in sorted(calls, key=lambda node: (node.end_lineno or 0, node.end_col_offset or 0)):
            if isinstance(node, ast.Call):
                subject = self._subject(node.func, instances)
                if subject:
                    yield subject
            elif isinstance(node.value, ast.Call) and isinstance(node.targets[0], ast.Name):
                made = self._member(node.value.func)
                if made[:1].isupper():
                    instances[node.targets[0].id] = made

    def _subject(self, func: ast.expr, instances: dict[str, str]) -> str:
        match func:
            case ast.Attribute(value=ast.Name(id=owner), attr=method) if owner in instances:
                return f"{instances[owner]}_{method}"
            case ast.Attribute(value=ast.Call(func=made), attr=method) if self._member(made):
                return f"{self._member(made)}_{method}"
            case _:
                return self._member(func)

    def _member(self, func: ast.expr) -> str:
        match func:
            case ast.Name(id=name):
                return self._members.get(name, "")
            case ast.Attribute(value=value, attr=name) if ast.unparse(value) in self._aliases:
                return name
            case ast.Attribute(value=value, attr=name) if self._member(value):
                return f"{self._member(value)}_{name}"
            case _:
                return ""


def _expected_errors(function: Function) -> Iterator[str]:
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and last_name(node.func) in {"raises", "assertRaises"} and node.args:
            yield last_name(node.args[0])
