"""Markdown as the generated pages need it."""

import inspect
import re

GENERATED = "<!-- Generated from the sources: `just reference` writes this page. -->\n"


def cell(text: str) -> str:
    """Return a text as it may stand in a cell of a table."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def prose(thing: object) -> str:
    """Return the docstring of something as Markdown."""
    return re.sub(r"``([^`]+)``", r"`\1`", inspect.getdoc(thing) or "")


def first_paragraph(text: str) -> str:
    """Return the first paragraph of a text, on one line."""
    return " ".join(text.split("\n\n", maxsplit=1)[0].split())


def table(head: list[str], rows: list[list[str]]) -> str:
    """Return a table."""
    lines = [head, ["---"] * len(head), *([cell(text) for text in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
