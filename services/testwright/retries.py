"""When a failed attempt is tried again: the collector sets a timer by it, and whoever watches shows it. Pure."""

import hashlib

from testwright_schemas import AttemptFailed, RetryPolicy

MIN_PAUSE_S = 1.0
"""Seconds for which a provider is left alone at least, so that one that says 0 for ever keeps nobody busy."""

MAX_PAUSE_S = 604_800.0
"""The longest deadline there is."""


def delay_s(retry: RetryPolicy, failed: AttemptFailed) -> float | None:
    """Return the seconds until a failed attempt is repeated, ``None`` where it is not."""
    attempt, failure = failed.attempt, failed.failure
    seed = f"{failed.task_id}/{attempt.number}"
    if failure.retry_after_s is not None:
        return pause_s(failure.retry_after_s, seed)
    if failure.retryable and attempt.engine_try < retry.max_attempts:
        return retry_delay_s(retry, attempt.engine_try, seed)
    return None


def retry_delay_s(policy: RetryPolicy, engine_try: int, seed: str) -> float:
    """Return the seconds between a failed try and the next one; the jitter comes from ``seed``."""
    nominal = min(policy.base_s * policy.factor ** (engine_try - 1), policy.max_s)
    return nominal * (1 + policy.jitter * (2 * _share(seed) - 1))


def pause_s(retry_after_s: float, seed: str) -> float:
    """Return the seconds for which a provider is left alone: what it asked for, and a little more by ``seed``."""
    wanted_s = min(max(retry_after_s, MIN_PAUSE_S), MAX_PAUSE_S)
    return wanted_s + _share(seed) * (0.1 * wanted_s + 1.0)


def _share(seed: str) -> float:
    return int.from_bytes(hashlib.sha256(seed.encode()).digest()[:4], "big") / 0xFFFFFFFF
