"""Which attempt follows another one: tries, rounds, engines. Pure."""

from msgspec.structs import replace

from testwright.history import TaskHistory
from testwright_schemas import Attempt, AttemptFailed, Policy

MIN_SEARCH_S = 5.0
"""Seconds of its budget that an engine must have left for another round: below, it has hardly begun when it is over."""


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


def budgeted(policy: Policy, attempt: Attempt) -> Policy:
    """Return the policy for one attempt: its budget is what earlier rounds of the engine have left."""
    return replace(policy, budget_s=policy.budget_s - attempt.searched_s) if attempt.searched_s else policy
