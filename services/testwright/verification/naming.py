"""The only place that finds a speaking name for a test that an engine only numbered. Pure."""

import ast
import re
from collections.abc import Iterator

from testwright.verification import wording
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
    """Return a name for a test: what of the target it calls last, with what, and what it expects of that.

    Args:
        function: the test.
        module: dotted name of the target.
        tree: of the file, for the names that it imports the target under.
    """
    scope = _Scope(module, tree)
    calls = [*scope.subjects(function)]
    subject, call = calls[-1] if calls else (module.rpartition(".")[2], None)
    error = next(_expected_errors(function), None)
    with_what = wording.circumstance(call) if call else ""
    if error is not None:
        name = snake(last_name(error))
        own = scope.member(error) or name == "value_error"
        outcome = f"_rejects_{with_what}" if own and with_what else f"_raises_{name}"
        with_what = "" if own else with_what
    else:
        returned = wording.outcome(function, call) if call else ""
        outcome = f"_returns_{returned}" if returned else ""
    joint = "_with_" if subject[:1].isupper() and "_" not in subject else "_for_"
    stem = f"test_{snake(subject)}"
    details = f"{outcome}{joint}{with_what}" if with_what else outcome
    return next(name for name in map(_word, (f"{stem}{details}", f"{stem}{outcome}", stem[:LONGEST])) if name)


def _word(text: str) -> str:
    """Return a text as an identifier, the empty string where it is too long."""
    name = re.sub(r"_+", "_", re.sub(r"\W+", "_", text)).rstrip("_")
    return name if len(name) <= LONGEST else ""


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
            elif isinstance(node, ast.Assign):
                self._aliases |= set(self._bound_to_module(node))

    def _bound_to_module(self, node: ast.Assign) -> Iterator[str]:
        """Yield the name that the target is found under by its own: ``importlib.import_module``, ``sys.modules``."""
        match node:
            case ast.Assign(
                targets=[ast.Name(id=name)],
                value=ast.Call(func=ast.Attribute(attr="import_module"), args=[ast.Constant(value=module)])
                | ast.Subscript(value=ast.Attribute(attr="modules"), slice=ast.Constant(value=module)),
            ) if module == self._module:
                yield name
            case _:
                return

    def _take(self, node: ast.ImportFrom) -> None:
        parent, _, own = self._module.rpartition(".")
        for alias in node.names:
            if node.module == self._module:
                self._members[alias.asname or alias.name] = alias.name
            elif node.module == parent and alias.name == own:
                self._aliases.add(alias.asname or alias.name)

    def subjects(self, function: Function) -> Iterator[tuple[str, ast.Call]]:
        """Yield what of the target is called, in order, with the call."""
        instances: dict[str, str] = {}
        calls = [node for node in ast.walk(function) if isinstance(node, ast.Assign | ast.Call)]
        # By their ends, an argument or the object of a method comes before the call: that is the order they run in.
        for node in sorted(calls, key=lambda node: (node.end_lineno or 0, node.end_col_offset or 0)):
            if isinstance(node, ast.Call):
                subject = self._subject(node.func, instances)
                if subject:
                    yield subject, node
            elif isinstance(node.value, ast.Call) and isinstance(node.targets[0], ast.Name):
                made = self.member(node.value.func)
                if made[:1].isupper():
                    instances[node.targets[0].id] = made

    def _subject(self, func: ast.expr, instances: dict[str, str]) -> str:
        match func:
            case ast.Attribute(value=ast.Name(id=owner), attr=method) if owner in instances:
                return f"{instances[owner]}_{method}"
            case ast.Attribute(value=ast.Call(func=made), attr=method) if self.member(made):
                return f"{self.member(made)}_{method}"
            case _:
                return self.member(func)

    def member(self, func: ast.expr) -> str:
        """Return the name in the target that an expression stands for, empty where it is something else."""
        match func:
            case ast.Name(id=name):
                return self._members.get(name, "")
            case ast.Attribute(value=value, attr=name) if ast.unparse(value) in self._aliases:
                return name
            case ast.Attribute(value=value, attr=name) if self.member(value):
                return f"{self.member(value)}_{name}"
            case _:
                return ""


def _expected_errors(function: Function) -> Iterator[ast.expr]:
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and last_name(node.func) in {"raises", "assertRaises"} and node.args:
            yield node.args[0]
