"""The only place that has JSON Schemas made of structs, for whatever document they go into."""

import inspect
from collections.abc import Iterable
from typing import Any, cast

import msgspec


def definitions(types: Iterable[Any], ref_template: str) -> dict[str, Any]:
    """Return the schemas of structs, and of what they are made of, by name.

    Args:
        types: structs.
        ref_template: how one refers to another, with ``{name}`` in it.
    """
    _, found = msgspec.json.schema_components(tuple(types), ref_template=ref_template)
    return {name: _dedented(schema) for name, schema in found.items()}


def _dedented(value: Any) -> Any:
    """Take the source's indentation out of descriptions; Python 3.13 has done so already, 3.11 has not."""
    if not isinstance(value, dict):
        return value
    return {
        name: inspect.cleandoc(item) if name == "description" and isinstance(item, str) else _dedented(item)
        for name, item in cast("dict[str, Any]", value).items()
    }
