"""Adds to a suite what its calls come to with other arguments: ``_vary`` chooses, ``_observe`` runs in the sandbox."""

import ast
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from testwright.engines import Assignment
from testwright.engines._examples import examples
from testwright.engines._target import import_root, readable
from testwright.engines._tidy_names import ordered
from testwright.engines._vary import Observed, Variation, chosen, variations
from testwright.sandbox import Command, Completed, Limits
from testwright_schemas import envelope

WALL_S = 15.0
"""Seconds that all calls together may take; what was observed by then counts."""

MEMORY_MB = 1024

_NUMBERED = re.compile(r"test_\d+")

PROGRAM = Path(__file__).with_name("_observe.py")


async def varied(assignment: Assignment, suite: str, target: ast.Module) -> str:
    """Return a tidied suite with tests of its calls at the values that the module compares with.

    Args:
        assignment: whose module is called.
        suite: source of the tests.
        target: the module.

    Raises:
        SandboxError: the calls cannot be run.
    """
    tree = ast.parse(suite)
    tests = [each for each in tree.body if isinstance(each, ast.FunctionDef)]
    alias = _bound(_prelude(tree)[-1])
    shown = examples(target, assignment.target.module, alias)
    tried = variations([*shown, *tests], target, alias)
    if not tried:
        return suite
    done = await assignment.sandbox.run(_command(assignment, tree, tried))
    added = list(_tests(chosen(tried, dict(_observed(done)))))
    return _joined(tree, tests, added) if added else suite


def _joined(tree: ast.Module, tests: Sequence[ast.FunctionDef], added: Sequence[ast.FunctionDef]) -> str:
    """Return the source of a suite with more tests, each beside those of what it calls."""
    prelude = _prelude(tree)
    if not any(_is_of_pytest(each) for each in prelude):
        prelude.insert(0, ast.Import([ast.alias("pytest")]))
    numbered = [each for each in tests if _NUMBERED.fullmatch(each.name)]
    # The import of the module comes last in a tidied suite.
    inside = ordered([*numbered, *added], _bound(prelude[-1]))
    every = [*(each for each in tests if each not in numbered), *inside]
    return "\n\n\n".join(["\n".join(map(ast.unparse, prelude)), *map(ast.unparse, every)]) + "\n"


def _prelude(tree: ast.Module) -> list[ast.stmt]:
    """Return what comes before the tests; the import of the module is last in a tidied suite."""
    return [each for each in tree.body if not isinstance(each, ast.FunctionDef)]


def _bound(statement: ast.stmt) -> str:
    match statement:
        case ast.Import(names=[alias]) | ast.ImportFrom(names=[alias]):
            return alias.asname or alias.name
        case ast.Assign(targets=[ast.Name(id=name)]):
            return name
        case _:
            return ""


def _command(assignment: Assignment, tree: ast.Module, tried: Sequence[Variation]) -> Command:
    prelude = [each for each in _prelude(tree) if not _is_of_pytest(each)]
    order = {
        "paths": [str(import_root(assignment))],
        "module": assignment.target.module,
        "prelude": "\n".join(map(ast.unparse, prelude)),
        "calls": [each.statements for each in tried],
    }
    return Command(
        argv=[str(assignment.environment.python), "-P", "-c", PROGRAM.read_text("utf-8")],
        cwd=assignment.scratch,
        env={"PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"},
        readable=readable(assignment),
        private=[assignment.scratch],
        stdin=json.dumps(order).encode(),
        limits=Limits(wall_s=min(WALL_S, assignment.policy.timeout_s), memory_mb=MEMORY_MB),
    )


def _is_of_pytest(statement: ast.stmt) -> bool:
    """Say whether a statement imports pytest, which the project's environment may lack."""
    return isinstance(statement, ast.Import) and [each.name for each in statement.names] == ["pytest"]


class _Line(msgspec.Struct, frozen=True):
    index: int
    lines: tuple[str, ...]
    seen: tuple[str, ...]


def _observed(done: Completed) -> Iterator[tuple[int, Observed]]:
    for line in done.stdout.splitlines():
        try:
            said = envelope.decode(line, _Line)
        except msgspec.DecodeError:
            # The module has run in there, and may have written anything.
            continue
        yield said.index, Observed(said.lines, said.seen)


def _tests(found: Sequence[Observed]) -> Iterator[ast.FunctionDef]:
    for each in found:
        text = "\n    ".join(["def test_0():", *each.lines])
        try:
            (test,) = ast.parse(text).body
        except (SyntaxError, ValueError, RecursionError):
            continue
        if isinstance(test, ast.FunctionDef):
            yield test
