"""The only place that turns what goes into an environment into its digest: pure."""

import hashlib
from collections.abc import Iterable

FORMAT = "1"
"""Changes when environments are laid out differently, so that older ones are built anew."""


def digest(parts: Iterable[str]) -> str:
    """Return a digest of 32 hexadecimal characters; the boundaries between the parts count."""
    state = hashlib.sha256(FORMAT.encode())
    for part in parts:
        data = part.encode(errors="surrogateescape")
        state.update(b"%d:" % len(data))
        state.update(data)
    return state.hexdigest()[:32]
