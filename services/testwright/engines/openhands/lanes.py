"""Which of several models takes the next call: the first that is not closed. Pure: the time comes in."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Literal

DEFAULT_WAIT_S = 20.0
"""How long a model stays closed that says "too many requests" and not for how long."""

MOST_FAILURES = 5
"""Failures in a row after which a model is left alone."""

BREAK_S = 60.0
"""For how long."""


Fault = Literal["fails", "cannot be reached"]
"""How a model could not answer: its server said so, or said nothing to this machine."""

Lane = tuple[str, str]
"""A model, by the address of its server and its name there."""


class Closures:
    """Which models are closed until when, and how often they failed in a row, from one attempt to the next."""

    def __init__(self) -> None:
        self._closed: dict[Lane, tuple[float, Fault | None]] = {}
        self._failures: dict[Lane, int] = {}

    def until(self, lane: Lane) -> float:
        """Return when a model may be asked again."""
        return self._closed.get(lane, (-math.inf, None))[0]

    def broken(self, lane: Lane) -> Fault | None:
        """Return the failure that a model was closed for last, ``None`` where it has asked for it."""
        return self._closed.get(lane, (-math.inf, None))[1]

    def close(self, lane: Lane, until: float, broken: Fault | None = None) -> None:
        """Keep a model closed at least until then."""
        self._closed[lane] = (max(until, self.until(lane)), broken)

    def failed(self, lane: Lane, now: float, fault: Fault) -> None:
        """Count a failure; too many in a row close the model. The next failure after that closes it again."""
        self._failures[lane] = self._failures.get(lane, 0) + 1
        if self._failures[lane] >= MOST_FAILURES:
            self.close(lane, now + BREAK_S, fault)

    def succeeded(self, lane: Lane) -> None:
        """Forget the failures of a model: it has answered."""
        self._failures.pop(lane, None)


class Lanes:
    """Models of one server in order of preference, as one attempt sees them.

    Args:
        models: at least one.
        closures: what other attempts have learned, and learn from this one; none by default.
        server: address of the models' server.

    Attributes:
        preferred: the first of the models.
    """

    def __init__(self, models: Sequence[str], closures: Closures | None = None, server: str = "") -> None:
        self._lanes = {model: (server, model) for model in models}
        self._closures = closures or Closures()
        self._gone: set[str] = set()
        self.preferred = models[0]

    def first(self, now: float) -> str | None:
        """Return the model to ask, ``None`` while all are closed."""
        return next((model for model in self._lanes if self._until(model) <= now), None)

    def close(self, model: str, until: float) -> None:
        """Ask this model no more before ``until``: it wants to be left alone."""
        self._closures.close(self._lanes[model], until)

    def drop(self, model: str) -> None:
        """Ask this model no more in this attempt: its server does not have it."""
        self._gone.add(model)

    def failed(self, model: str, now: float, fault: Fault) -> None:
        """Take note that the model could not answer."""
        self._closures.failed(self._lanes[model], now, fault)

    def succeeded(self, model: str) -> None:
        """Take note that the model has answered."""
        self._closures.succeeded(self._lanes[model])

    def wait_s(self, now: float) -> float:
        """Return the seconds until a model is open, infinite where the server has none of them."""
        return max(0.0, min(map(self._until, self._lanes)) - now)

    @property
    def broken(self) -> Fault | None:
        """The failure that all wait for to pass, ``None`` where a model has asked for it."""
        return self._closures.broken(self._lanes[min(self._lanes, key=self._until)])

    def _until(self, model: str) -> float:
        return math.inf if model in self._gone else self._closures.until(self._lanes[model])


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
    except (ValueError, OverflowError):
        return None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() - now.timestamp()
