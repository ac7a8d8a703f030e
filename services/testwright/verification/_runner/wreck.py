"""The only place that ruins a module on purpose: a test that still passes does not test it. Pure.

Two ruins: nothing is left of the module, or every function of it raises what no honest test expects.
"""

import ast
import copy
from collections.abc import Collection, Iterator
from types import CodeType

_RUIN = "raise BaseException('this module is ruined on purpose')"

Function = ast.FunctionDef | ast.AsyncFunctionDef


def empty(path: str) -> CodeType:
    """Return a module without anything in it."""
    return compile("", path, "exec")


def raising(tree: ast.Module, path: str, spared: Collection[int]) -> CodeType:
    """Return a module whose functions raise, but for those that run on these lines: it must still be imported."""
    ruined = copy.deepcopy(tree)
    _Ruin(spared).visit(ruined)
    return compile(ast.fix_missing_locations(ruined), path, "exec", dont_inherit=True)


def body_lines(tree: ast.Module, spared: Collection[int]) -> frozenset[int]:
    """Return the lines that run only where a function that is ruined is called."""
    return frozenset(line for node in ast.walk(tree) if _goes(node, spared) for line in _lines(node))


def _goes(node: ast.AST, spared: Collection[int]) -> bool:
    return isinstance(node, Function) and not any(line in spared for line in _lines(node))


def _lines(node: ast.AST) -> Iterator[int]:
    for statement in node.body if isinstance(node, Function) else ():
        yield from range(statement.lineno, (statement.end_lineno or statement.lineno) + 1)


class _Ruin(ast.NodeTransformer):
    def __init__(self, spared: Collection[int]) -> None:
        self._spared = spared

    def visit(self, node: ast.AST) -> ast.AST:
        if isinstance(node, Function) and _goes(node, self._spared):
            node.body = ast.parse(_RUIN).body
            return node
        self.generic_visit(node)
        return node
