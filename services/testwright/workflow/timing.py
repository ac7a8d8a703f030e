"""How long a run took, what running stages side by side has saved, and which chain of stages it waited for; pure."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from testwright_schemas import CollectSuites, Plan, StageFinished, Timing


def durations(plan: Plan, ended: Mapping[str, StageFinished]) -> dict[str, float]:
    """Return the seconds that each stage took, 0 for those that never began.

    A submitted job counts from its submission until its results were there, if a stage has collected it; that stage
    counts from then on only, so that waiting is counted once.
    """
    ready = {
        spec.work.stage: ended[spec.name].ready_at
        for spec in plan.stages
        if isinstance(spec.work, CollectSuites) and spec.name in ended
    }
    found: dict[str, float] = {}
    for spec in plan.stages:
        end = ended.get(spec.name)
        if end is None or end.started_at is None:
            found[spec.name] = 0.0
            continue
        begun = max(end.started_at, end.ready_at or end.started_at)
        until = max(end.completed_at, ready.get(spec.name) or end.completed_at)
        found[spec.name] = max(0.0, (until - begun) / timedelta(seconds=1))
    return found


def critical_path(plan: Plan, taken: Mapping[str, float]) -> tuple[tuple[str, ...], float]:
    """Return the longest chain of stages that need each other, and its seconds; the plan is in a valid order."""
    longest: dict[str, tuple[tuple[str, ...], float]] = {}
    for spec in plan.stages:
        chain, seconds = max((longest[need] for need in spec.needs), key=lambda one: one[1], default=((), 0.0))
        longest[spec.name] = ((*chain, spec.name), seconds + taken[spec.name])
    return max(longest.values(), key=lambda one: one[1])


def timing(plan: Plan, ended: Mapping[str, StageFinished], started_at: datetime, completed_at: datetime) -> Timing:
    """Return the timing of a run."""
    taken = durations(plan, ended)
    wall_s = max(0.0, (completed_at - started_at) / timedelta(seconds=1))
    sequential_s = sum(taken.values())
    chain, chain_s = critical_path(plan, taken)
    return Timing(
        wall_s=round(wall_s, 3),
        sequential_s=round(sequential_s, 3),
        parallel_execution_savings_ms=round(max(0.0, sequential_s - wall_s) * 1000, 1),
        critical_path=tuple(name for name in chain if taken[name] > 0),
        critical_path_s=round(chain_s, 3),
    )
