"""How deep values of JSON and TOML are nested: whoever looks at each part of one calls itself. Pure."""

from typing import cast

MOST_LEVELS = 100
"""Tables and lists inside each other that others may send."""


def is_deep(value: object) -> bool:
    """Return whether tables and lists are nested deeper than ``MOST_LEVELS``."""
    level = [value]
    for _ in range(MOST_LEVELS + 1):
        level = [each for outer in level for each in _inside(outer)]
    return bool(level)


def _inside(value: object) -> list[object]:
    if isinstance(value, dict):
        return list(cast("dict[str, object]", value).values())
    return cast("list[object]", value) if isinstance(value, list) else []
