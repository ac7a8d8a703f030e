"""Takes a generated test apart: a search strings together calls that have nothing to do with each other."""

import ast
import copy
from collections.abc import Iterator, Sequence

from testwright.engines._tidy_names import dotted


def parts_of(test: ast.FunctionDef, alias: str) -> list[ast.FunctionDef]:
    """Return a test for each group of statements that share variables, in their order; the test itself if it is one.

    What asserts nothing stays with what comes after it, or else before it: that may be about its effect. So does an
    assertion on the module's own state.
    """
    groups = _merged(_groups(test.body, alias))
    if len(groups) < 2:
        return [test]
    result: list[ast.FunctionDef] = []
    for group in groups:
        part = copy.copy(test)
        part.body = [test.body[index] for index in group]
        result.append(copy.deepcopy(part))
    return result


def checks(statement: ast.stmt) -> bool:
    """Say whether a statement can fail a test by what it asserts."""
    return isinstance(statement, ast.Assert | ast.With)


def _groups(body: Sequence[ast.stmt], alias: str) -> list[tuple[list[int], bool]]:
    """Return the indexes of the statements that belong together, and whether they assert something."""
    local = {name for each in body for name in _stored(each)}
    groups: list[tuple[list[int], set[str]]] = []
    for index, statement in enumerate(body):
        used = {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)} & local
        own = [group for group in groups if group[1] & used]
        if not own and groups and isinstance(statement, ast.Assert) and not _calls(statement, alias):
            own = [groups[-1]]
        joined = sorted([index, *(each for indexes, _ in own for each in indexes)])
        names = used.union(*(names for _, names in own))
        groups = [group for group in groups if not any(group is each for each in own)]
        groups.append((joined, names))
    return [
        (indexes, any(checks(body[index]) for index in indexes)) for indexes, _ in sorted(groups, key=lambda g: g[0])
    ]


def _merged(groups: Sequence[tuple[list[int], bool]]) -> list[list[int]]:
    result: list[list[int]] = []
    waiting: list[int] = []
    for indexes, asserts in groups:
        if asserts:
            result.append(sorted([*waiting, *indexes]))
            waiting = []
        else:
            waiting += indexes
    if waiting and result:
        result[-1] = sorted([*result[-1], *waiting])
    return result or ([waiting] if waiting else [])


def _stored(statement: ast.stmt) -> Iterator[str]:
    for node in ast.walk(statement):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


def _calls(statement: ast.Assert, alias: str) -> bool:
    return any(dotted(func)[:1] == (alias,) for func in _functions(statement))


def _functions(statement: ast.stmt) -> Iterator[ast.expr]:
    for node in ast.walk(statement):
        if isinstance(node, ast.Call):
            yield node.func


_MUTATORS = frozenset(
    {"add", "append", "clear", "extend", "insert", "pop", "popitem", "remove", "setdefault", "update"}
)


def has_state(module: ast.Module) -> bool:
    """Say whether functions of a module seem to change what is the module's, so that calls may depend on others."""
    own = {target.id for each in module.body for target in _targets(each) if isinstance(target, ast.Name)}
    return any(isinstance(node, ast.Global) or _changed(node) in own for node in ast.walk(module))


def _targets(statement: ast.stmt) -> list[ast.expr]:
    match statement:
        case ast.Assign(targets=targets):
            return targets
        case ast.AnnAssign(target=target):
            return [target]
        case _:
            return []


def _changed(node: ast.AST) -> str:
    match node:
        case ast.Subscript(value=ast.Name(id=name), ctx=ast.Store() | ast.Del()):
            return name
        case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=attr)) if attr in _MUTATORS:
            return name
        case _:
            return ""
