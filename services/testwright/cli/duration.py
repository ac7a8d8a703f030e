"""The only place that reads lengths of time as people write them."""

import math
import re

_UNITS = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)?", re.ASCII)


def parse(text: str) -> float:
    """Return seconds: ``90``, ``90s``, ``1.5m``, ``1h30m``; a number without a unit stands alone.

    Raises:
        ValueError: it is none of these.
    """
    compact = text.strip().lower()
    parts: list[tuple[str, str]] = _PART.findall(compact)
    seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
    alone = len(parts) == 1 or all(unit for _, unit in parts)
    # A pattern of the whole would try each number of digits for each part before it refuses a long number.
    if not parts or not alone or compact != "".join(map("".join, parts)) or not math.isfinite(seconds):
        raise ValueError(f"{text!r} is no length of time: write 60s, 5m, 1h or 1h30m")
    return seconds


def spoken(seconds: float) -> str:
    """Return seconds in a few characters: ``7 s``, ``2 m 05 s``, ``1 h 02 m``."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} m {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} m"
