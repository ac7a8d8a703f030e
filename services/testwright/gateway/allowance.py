"""How much one caller may ask for in how little time. Pure: the time comes in with each question."""

from dataclasses import dataclass, field

MAX_CALLERS = 10_000
"""Callers that are remembered; the one that was away for longest is forgotten first."""


@dataclass
class Allowance:
    """Tokens that come back with time, for each caller.

    Attributes:
        burst: requests that may come at once.
        per_second: that come back.
    """

    burst: float = 200.0
    per_second: float = 50.0
    _left: dict[str, tuple[float, float]] = field(default_factory=dict[str, tuple[float, float]])

    def take(self, caller: str, now: float) -> float:
        """Take one token; return 0, or the seconds until there will be one."""
        left, since = self._left.pop(caller, (self.burst, now))
        left = min(self.burst, left + (now - since) * self.per_second)
        wait_s = 0.0 if left >= 1 else (1 - left) / self.per_second
        self._left[caller] = (left if wait_s else left - 1, now)
        if len(self._left) > MAX_CALLERS:
            del self._left[next(iter(self._left))]
        return wait_s
