"""The only place that changes source text by position, so that comments and layout of what stays survive. Pure."""

import ast
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, order=True)
class Edit:
    """Replace the text between two positions; lines count from 1, columns in UTF-8 bytes from 0, as in ``ast``."""

    line: int
    column: int
    end_line: int
    end_column: int
    text: str


def apply(source: str, edits: Iterable[Edit]) -> str:
    """Return the source with all edits made; of edits that overlap, the one that begins first and is longest wins."""
    data = source.encode()
    starts = [0]
    for line in data.split(b"\n"):
        starts.append(starts[-1] + len(line) + 1)
    spans = sorted(
        {(starts[e.line - 1] + e.column, -(starts[e.end_line - 1] + e.end_column), e.text) for e in set(edits)}
    )
    result, position = bytearray(), 0
    for start, negative_end, text in spans:
        if start >= position:
            result += data[position:start] + text.encode()
            position = min(-negative_end, len(data))
    return (bytes(result) + data[position:]).decode()


def first_line(node: Any) -> int:
    """Return the first line of a statement, decorators included."""
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([int(node.lineno), *(decorator.lineno for decorator in decorators)])


def removal(node: ast.stmt, text: str = "") -> Edit:
    """Return the edit that takes out whole lines of a statement, with the line break after it."""
    end = node.end_lineno or node.lineno
    return Edit(first_line(node), 0, end + 1, 0, text)


def replacement(node: Any, text: str) -> Edit:
    """Return the edit that puts text in the place of an expression, an argument's name or an alias."""
    return Edit(node.lineno, node.col_offset, node.end_lineno, node.end_col_offset, text)
