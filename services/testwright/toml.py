"""The only place that reads TOML: whatever others wrote is a table, or refused with one error."""

import tomllib
from collections.abc import Mapping
from typing import Any, cast

from testwright import nesting


def parse(text: str) -> dict[str, Any]:
    """Return the table that a document is.

    Raises:
        ValueError: it is no TOML, or nested deeper than ``nesting.MOST_LEVELS``; says where and why.
    """
    try:
        document = tomllib.loads(text)
    except RecursionError as error:
        raise ValueError("brackets are nested too deep") from error
    if nesting.is_deep(document):
        raise ValueError(f"tables are nested deeper than {nesting.MOST_LEVELS} levels")
    return document


def table(document: Mapping[str, Any], *path: str) -> dict[str, Any]:
    """Return the table at a path, an empty one where there is something else or nothing."""
    found: Any = document
    for name in path:
        found = cast("dict[str, Any]", found).get(name)
        if not isinstance(found, dict):
            return {}
    return cast("dict[str, Any]", found)
