"""Which of several models takes the next call: the first that is not closed. Pure: the time comes in."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

DEFAULT_WAIT_S = 20.0
"""How long a model stays closed that says "too many requests" and not for how long."""


class Lanes:
    """Models in order of preference; one is closed for a while, or for good.

    Args:
        models: at least one.

    Attributes:
        preferred: the first of them.
    """

    def __init__(self, models: Sequence[str]) -> None:
        self._open_at = dict.fromkeys(models, -math.inf)
        self.preferred = models[0]

    def first(self, now: float) -> str | None:
        """Return the model to ask, ``None`` while all are closed."""
        return next((model for model, open_at in self._open_at.items() if open_at <= now), None)

    def close(self, model: str, until: float = math.inf) -> None:
        """Ask this model no more before ``until``, for good by default."""
        self._open_at[model] = until

    def wait_s(self, now: float) -> float:
        """Return the seconds until a model is open, infinite where all are closed for good."""
        return max(0.0, min(self._open_at.values()) - now)


def retry_after_s(header: str | None, now: datetime) -> float:
    """Return the seconds that a ``Retry-After`` header asks for, given as a number or as a date."""
    seconds = _number(header or "")
    if seconds is None:
        seconds = _until(header or "", now)
    return DEFAULT_WAIT_S if seconds is None or not math.isfinite(seconds) else max(0.0, seconds)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _until(text: str, now: datetime) -> float | None:
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() - now.timestamp()
