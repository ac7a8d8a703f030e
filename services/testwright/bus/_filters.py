"""Subjects with wildcards, as the server understands them. Pure."""

import re
from collections.abc import Sequence
from functools import lru_cache

_WILDCARDS = {"*": r"[^.]+", ">": r".+"}


def compile_filters(filters: Sequence[str]) -> re.Pattern[str]:
    """Return a pattern whose ``fullmatch`` tells whether a subject matches one of the filters.

    ``*`` stands for one token, ``>`` at the end for one or more.
    """
    return _compiled(tuple(filters))


@lru_cache(4096)
def _compiled(filters: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(
        "|".join(r"\.".join(_WILDCARDS.get(token) or re.escape(token) for token in each.split(".")) for each in filters)
    )


def cover(filters: Sequence[str]) -> str:
    """Return one filter that matches all that these match, and as little more as one can."""
    split = [each.split(".") for each in filters]
    shortest = min(map(len, split))
    covering: list[str] = []
    for index in range(shortest):
        tokens = {each[index] for each in split}
        last_of_some = index == shortest - 1 and len({len(each) for each in split}) > 1
        if ">" in tokens or last_of_some:
            return ".".join((*covering, ">"))
        covering.append(tokens.pop() if len(tokens) == 1 else "*")
    return ".".join(covering)
