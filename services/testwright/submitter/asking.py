"""What a submission may ask for, whatever else was submitted: refused with the field and the reason. Pure."""

from collections.abc import Collection

from msgspec.structs import replace

from testwright_schemas import LimitsSet, Policy, SubmitJob

Refusal = tuple[str, str]
"""The field that is wrong, and why."""


def refusal(command: SubmitJob, engines: Collection[str], limits: LimitsSet | None) -> Refusal | None:
    """Return what is wrong with a submission in itself, or under the limits of its namespace, if anything is."""
    return (
        unserved(command.policy, engines)
        or _uncounted(command)
        or unpaid(command.namespace, command.policy, limits, of_job=command.max_cost_usd)
    )


def unserved(policy: Policy, engines: Collection[str]) -> Refusal | None:
    """Return the engine of a policy that this bus has no queue for, as a refusal."""
    for index, engine in enumerate(policy.engines):
        if engine not in engines:
            return f"policy.engines[{index}]", f"no engine {engine!r} here: there are {', '.join(sorted(engines))}"
    return None


def _uncounted(command: SubmitJob) -> Refusal | None:
    """Return a key without a number as a refusal."""
    if command.concurrency_key is None or command.concurrency is not None:
        return None
    return "concurrency", f"say how many tasks with key {command.concurrency_key!r} may be worked on at a time"


def priced(command: SubmitJob) -> SubmitJob:
    """Return a submission in which each task has a limit on its cost, if the job has one: an equal share."""
    if command.max_cost_usd is None or command.policy.max_cost_usd is not None:
        return command
    share = command.max_cost_usd / len(command.tasks)
    return replace(command, policy=replace(command.policy, max_cost_usd=share))


def unpaid(namespace: str, policy: Policy, limits: LimitsSet | None, *, of_job: float | None = None) -> Refusal | None:
    """Return a limit on the cost of a task that can never be met, or is missing, as a refusal.

    Args:
        namespace: of the task.
        policy: of the task.
        limits: of the namespace.
        of_job: dollars that all tasks of its job may cost.
    """
    price = policy.max_cost_usd
    money = [each for each in (of_job, limits.max_cost_usd if limits else None) if each is not None]
    if not money:
        return None
    if price is None:
        return "policy.max_cost_usd", f"namespace {namespace!r} has a budget: say what a task may cost"
    if price > min(money):
        return "policy.max_cost_usd", f"a task may cost {price:g} USD, and all together {min(money):g} USD"
    return None
