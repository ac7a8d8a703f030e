"""What the attempts of a task may still cost: the policy's limits less what was spent. Pure.

Attempts of a task follow each other, so all that is left is reserved for the one that is next. What is not known of the
cost counts as all that was reserved: then nothing is left.
"""

from msgspec.structs import replace

from testwright.collector.gates import CENT
from testwright_schemas import Policy, TaskError, Usage


def left(policy: Policy, spent: Usage) -> Policy:
    """Return the policy with its limits on money and tokens lowered to what is left.

    Args:
        policy: of the task.
        spent: by its attempts so far.
    """
    return replace(policy, max_cost_usd=_left_usd(policy, spent), max_tokens=_left_tokens(policy, spent))


def exhausted(policy: Policy, spent: Usage) -> TaskError | None:
    """Return why no attempt may begin any more, ``None`` if one may; before the first, one always may."""
    if spent.model is None:
        return None
    usd, tokens = _left_usd(policy, spent), _left_tokens(policy, spent)
    if usd is not None and usd <= CENT:
        what = "an unknown amount is" if spent.cost_usd is None else f"{spent.cost_usd:g} USD are"
        return _error(f"{what} spent of the {policy.max_cost_usd:g} USD that the task may cost")
    if tokens == 0:
        used = _tokens(spent)
        what = "an unknown number is" if used is None else f"{used} are"
        return _error(f"{what} used of the {policy.max_tokens} tokens that the task may use")
    return None


def _left_usd(policy: Policy, spent: Usage) -> float | None:
    if policy.max_cost_usd is None or spent.model is None:
        return policy.max_cost_usd
    return 0.0 if spent.cost_usd is None else max(0.0, policy.max_cost_usd - spent.cost_usd)


def _left_tokens(policy: Policy, spent: Usage) -> int | None:
    if policy.max_tokens is None or spent.model is None:
        return policy.max_tokens
    used = _tokens(spent)
    return 0 if used is None else max(0, policy.max_tokens - used)


def _tokens(spent: Usage) -> int | None:
    if spent.input_tokens is None or spent.output_tokens is None:
        return None
    return spent.input_tokens + spent.output_tokens


def _error(message: str) -> TaskError:
    return TaskError(cause="budget-exhausted", message=message)
