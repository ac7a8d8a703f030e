"""The only reader of the time of day and of randomness for ids."""

import secrets
from datetime import UTC, datetime

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]


def now() -> datetime:
    """Return the time of day in UTC."""
    return datetime.now(UTC)


def new_id(kind: str) -> str:
    """Return a new id such as ``task-01k9x…``: 48 bits of milliseconds, then 80 random ones, in Crockford's base 32.

    Ids made later sort later (the layout is that of a ULID).
    """
    value = (int(now().timestamp() * 1000) << 80) | secrets.randbits(80)
    digits = [_PAIRS[(value >> shift) & 1023] for shift in range(120, -10, -10)]
    return f"{kind}-{''.join(digits)}"
