"""What was stored from this process a moment ago, for others in it: they need not fetch it from the server."""

from collections import OrderedDict

MOST_BYTES = 16 << 20
"""Bytes that are kept: what was put there first goes first."""


class Shelf:
    """Content by its namespace and digest. What is not here is where it was stored.

    Args:
        most_bytes: how much is kept.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._kept: OrderedDict[tuple[str, str], bytes] = OrderedDict()
        self._size = 0

    def put(self, namespace: str, digest: str, data: bytes) -> None:
        """Keep content for a while."""
        if (namespace, digest) in self._kept:
            return
        self._kept[namespace, digest] = data
        self._size += len(data)
        while self._size > self._most_bytes:
            _, oldest = self._kept.popitem(last=False)
            self._size -= len(oldest)

    def get(self, namespace: str, digest: str) -> bytes | None:
        """Return content of a namespace, if it is still here."""
        return self._kept.get((namespace, digest))
