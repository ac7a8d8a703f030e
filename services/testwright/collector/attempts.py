"""Which attempt follows another one, and when: tries, rounds, engines. Pure."""

import hashlib

from msgspec.structs import replace

from testwright.history import TaskHistory
from testwright_schemas import Attempt, AttemptFailed, Policy, RetryPolicy

MIN_SEARCH_S = 5.0
"""Seconds of its budget that an engine must have left for another round: below, it has hardly begun when it is over."""

MIN_PAUSE_S = 1.0
"""Seconds for which a provider is left alone at least, so that one that says 0 for ever keeps nobody busy."""

MAX_PAUSE_S = 604_800.0
"""The longest deadline there is."""


def another_round(history: TaskHistory, policy: Policy, last: Attempt) -> Attempt | None:
    """Return the next round of the same engine, ``None`` where it has no use for one or nothing is left for it."""
    generated = history.generated
    if generated is None or generated.attempt.number != last.number or not generated.rounds:
        return None
    searched_s = last.searched_s + generated.usage.wall_s
    if last.round >= policy.rounds or policy.budget_s - searched_s < MIN_SEARCH_S:
        return None
    return replace(last, number=last.number + 1, engine_try=1, round=last.round + 1, searched_s=searched_s)


def next_engine(policy: Policy, last: Attempt) -> Attempt | None:
    """Return the first attempt of the engine behind, ``None`` behind the last one."""
    index = last.engine_index + 1
    if index >= len(policy.engines):
        return None
    return Attempt(number=last.number + 1, engine=policy.engines[index], engine_index=index)


def another_try(failed: AttemptFailed) -> Attempt:
    """Return the attempt that repeats a failed one; one that a provider gave back unspent does not count as a try."""
    last = failed.attempt
    spent = failed.failure.retry_after_s is None
    return replace(last, number=last.number + 1, engine_try=last.engine_try + spent)


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


def budgeted(policy: Policy, attempt: Attempt) -> Policy:
    """Return the policy for one attempt: its budget is what earlier rounds of the engine have left."""
    return replace(policy, budget_s=policy.budget_s - attempt.searched_s) if attempt.searched_s else policy


def _share(seed: str) -> float:
    return int.from_bytes(hashlib.sha256(seed.encode()).digest()[:4], "big") / 0xFFFFFFFF
