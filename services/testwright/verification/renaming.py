"""The only place that renames what a test file defines, wherever the file refers to it. Pure: it yields edits."""

import ast
import re
from collections.abc import Iterator
from typing import Any

from testwright.verification.assertions import Function
from testwright.verification.edits import Edit, replacement

_Scope = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


def renames(source: str, tree: ast.Module, old: str, new: str, *, fixture: bool = False) -> list[Edit] | None:
    """Return the edits that rename a global name of a file, ``None`` where that cannot be done safely.

    Args:
        source: text of the file.
        tree: its syntax tree.
        old: the name, bound at the top level.
        new: a name that the file does not use.
        fixture: whether arguments of that name refer to it too.
    """
    lines = source.encode().split(b"\n")
    edits: list[Edit] = []
    for node in _references(tree, old, fixture=fixture):
        edit = _edit(lines, node, old, new)
        if edit is None:
            return None
        edits.append(edit)
    return edits


def rename_definition(source: str, node: ast.stmt, old: str, new: str) -> Edit | None:
    """Return the edit that renames a function or class where it is defined."""
    return _definition(source.encode().split(b"\n"), node, old, new)


def _references(node: ast.AST, name: str, *, fixture: bool) -> Iterator[ast.AST]:
    """Yield the nodes that mean the global name; inside a scope that has a local one of that name, none do."""
    if _means(node, name):
        yield node
    hidden = isinstance(node, _Scope | ast.ClassDef) and name in _locals(node) and not fixture
    own = {id(child) for child in _body(node)} if hidden else set[int]()
    for child in ast.iter_child_nodes(node):
        # Methods do not see the names of the class around them.
        local = id(child) in own and not (isinstance(node, ast.ClassDef) and isinstance(child, Function))
        argument = isinstance(child, ast.arg) and child.arg == name and not fixture
        if not local and not argument:
            yield from _references(child, name, fixture=fixture)


def _body(node: Any) -> list[ast.AST]:
    return [node.body] if isinstance(node, ast.Lambda) else list(node.body)


def _means(node: ast.AST, name: str) -> bool:
    match node:
        case ast.Name(id=found) | ast.arg(arg=found):
            return found == name
        case ast.FunctionDef(name=found) | ast.AsyncFunctionDef(name=found) | ast.ClassDef(name=found):
            return found == name and node.col_offset == 0
        case ast.alias():
            return (node.asname or node.name.partition(".")[0]) == name
        case ast.Global(names=names):
            return name in names
        case _:
            return False


def _locals(node: _Scope | ast.ClassDef) -> set[str]:
    arguments = set[str]()
    if not isinstance(node, ast.ClassDef):
        arguments = {inner.arg for inner in ast.walk(node.args) if isinstance(inner, ast.arg)}
    inner = [part for statement in _body(node) for part in ast.walk(statement)]
    stored = {part.id for part in inner if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)}
    declared = {name for part in inner if isinstance(part, ast.Global) for name in part.names}
    return (arguments | stored) - declared


def _edit(lines: list[bytes], node: Any, old: str, new: str) -> Edit | None:
    if isinstance(node, Function | ast.ClassDef):
        return _definition(lines, node, old, new)
    if isinstance(node, ast.alias):
        # ``import a.b`` binds ``a``; no other name can stand for that.
        dotted = "." in node.name and node.asname is None
        return None if dotted else replacement(node, f"{node.name} as {new}")
    if isinstance(node, ast.Global):
        return replacement(node, "global " + ", ".join(new if name == old else name for name in node.names))
    end = node.col_offset + len(old.encode())
    # Before Python 3.12, positions inside f-strings are not to be relied on.
    if lines[node.lineno - 1][node.col_offset : end] != old.encode():
        return None
    return Edit(node.lineno, node.col_offset, node.lineno, end, new)


def _definition(lines: list[bytes], node: ast.stmt, old: str, new: str) -> Edit | None:
    pattern = re.compile(rb"(?:class|(?:async\s+)?def)\s+(" + re.escape(old.encode()) + rb")\b")
    match = pattern.match(lines[node.lineno - 1], node.col_offset)
    return match and Edit(node.lineno, match.start(1), node.lineno, match.end(1), new)
