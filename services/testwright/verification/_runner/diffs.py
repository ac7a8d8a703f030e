"""The only place that puts a mutant into words: the statement that it changes, before and after. Pure."""

import ast

from .mutants import Mutant

LENGTH = 600
"""Characters of a statement that are kept."""

_BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")


class Diffs:
    """Shows changes of one tree.

    Args:
        tree: of the module, unchanged.
    """

    def __init__(self, tree: ast.Module) -> None:
        self._around: dict[int, ast.AST] = {}
        pending: list[tuple[ast.AST, ast.AST]] = [(tree, tree)]
        while pending:
            node, statement = pending.pop()
            own = node if isinstance(node, ast.stmt | ast.ExceptHandler | ast.match_case) else statement
            self._around[id(node)] = own
            pending += [(child, own) for child in ast.iter_child_nodes(node)]

    def of(self, mutant: Mutant) -> tuple[str, str]:
        """Return the changed statement as it was and as it is in a mutant; of a compound one only the header."""
        old = getattr(mutant.node, mutant.field)
        if mutant.field in _BLOCKS and mutant.index is not None:
            return _text(old[mutant.index]), _text(mutant.value)
        statement = self._around[id(mutant.node)]
        before = _text(statement)
        was = mutant.swap(mutant.value)
        try:
            return before, _text(statement)
        finally:
            mutant.swap(was)


def _text(node: ast.AST) -> str:
    """Return the source of a statement, in the spelling that Python itself gives it."""
    blocks = {name: getattr(node, name) for name in _BLOCKS if getattr(node, name, None)}
    try:
        for name in blocks:
            setattr(node, name, [ast.Pass()] if name == "body" else [])
        text = ast.unparse(node)
    finally:
        for name, block in blocks.items():
            setattr(node, name, block)
    head = text.removesuffix("\n    pass") if "body" in blocks else text
    return head.strip()[:LENGTH]
