"""Tables of what the gateway shows: rows by name, each with the sequence of the event that changed it last. Pure."""

from collections.abc import Collection, Iterator
from typing import Generic, Protocol, TypeVar

ALL = "*"
"""Stands for every namespace."""


class _HasPlace(Protocol):
    @property
    def namespace(self) -> str: ...
    @property
    def sequence(self) -> int: ...


Row = TypeVar("Row", bound=_HasPlace)


class Table(Generic[Row]):
    """Rows in the order of their last change.

    Args:
        most: rows kept; of more, those that have not changed for longest are left out. ``None`` is no limit.
    """

    def __init__(self, most: int | None = None) -> None:
        self._rows: dict[str, Row] = {}
        self._most = most

    def __len__(self) -> int:
        return len(self._rows)

    def get(self, key: str) -> Row | None:
        """Return a row, ``None`` where there is none."""
        return self._rows.get(key)

    def put(self, key: str, row: Row) -> str | None:
        """Have a row, or one in its place, be the last one that changed; return the key of the one that is left out."""
        self._rows.pop(key, None)
        self._rows[key] = row
        if self._most is None or len(self._rows) <= self._most:
            return None
        oldest = next(iter(self._rows))
        del self._rows[oldest]
        return oldest

    def of(self, namespaces: Collection[str]) -> Iterator[Row]:
        """Yield the rows of these namespaces, the last one that changed first."""
        return _of(reversed(self._rows.values()), namespaces)

    def behind(self, sequence: int, namespaces: Collection[str]) -> tuple[Row, ...]:
        """Return the rows of these namespaces that have changed behind a sequence, in the order of their changes."""
        found: list[Row] = []
        for row in reversed(self._rows.values()):
            if row.sequence <= sequence:
                break
            found.append(row)
        return tuple(_of(reversed(found), namespaces))


def _of(found: Iterator[Row], namespaces: Collection[str]) -> Iterator[Row]:
    return (row for row in found if ALL in namespaces or row.namespace in namespaces)
