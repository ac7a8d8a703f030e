"""Who may pass a gate, as functions from its state to the next one: places, prices, queues. Pure.

A gate lets at most so many tasks in at a time, and no task that could cost more than is left. Its whole state is one
event, published on the condition of the one before. Tasks wait in the order in which they came, those of a higher
priority first, as events of their own: a gate remembers only up to where each queue was let in and is known.
"""

from collections.abc import Iterable
from typing import Literal

from msgspec.structs import replace

from testwright.history import TaskHistory
from testwright_schemas import PRIORITIES, GateKind, GateMoved, LimitsSet, Priority, Record, TaskFinished, TaskSubmitted

ORDER: tuple[GateKind, ...] = ("job", "key", "namespace")
"""Gates in the order in which a task passes them."""

CENT = 0.000_001
"""Dollars by which sums of prices may differ from what they should be."""

Answer = Literal["yes", "wait", "never"]


class Limit(Record, frozen=True, kw_only=True):
    """What may be inside a gate, see ``GateMoved``; ``None`` is no limit, and for ``period`` the one that it is in."""

    places: int | None = None
    max_cost_usd: float | None = None
    period: str | None = ""


class Gate(Record, frozen=True, kw_only=True):
    """Which gate, and its limit."""

    namespace: str
    kind: GateKind
    name: str
    limit: Limit = Limit()


def gates_of(task: TaskSubmitted, of_namespace: Gate | None) -> tuple[Gate, ...]:
    """Return the gates that a task passes before it is begun, in this order.

    Args:
        task: its submission.
        of_namespace: the gate of its namespace, if it has any.
    """
    asked = Asked(places=task.concurrency, key=task.concurrency_key, max_cost_usd=task.job_cost_usd)
    return ways(task.namespace, task.job_id, asked, of_namespace)


class Asked(Record, frozen=True, kw_only=True):
    """What a job has asked for: ``places`` of its own, or those of a ``key``, and what all its tasks may cost."""

    places: int | None = None
    key: str | None = None
    max_cost_usd: float | None = None


def ways(namespace: str, job_id: str, asked: Asked, of_namespace: Gate | None) -> tuple[Gate, ...]:
    """Return the gates that tasks of a job pass: its own, then that of its key, then that of the namespace."""
    places = None if asked.key else asked.places
    own = Gate(
        namespace=namespace, kind="job", name=job_id, limit=Limit(places=places, max_cost_usd=asked.max_cost_usd)
    )
    gates = [own] if own.limit != Limit() else []
    if asked.key:
        gates.append(Gate(namespace=namespace, kind="key", name=asked.key, limit=Limit(places=asked.places)))
    if of_namespace:
        gates.append(of_namespace)
    return tuple(gates)


def gate_of_namespace(namespace: str, limits: LimitsSet | None, places: int | None = None) -> Gate:
    """Return the gate of a namespace.

    Args:
        namespace: its name.
        limits: that were set for it, if any.
        places: that it has where none were; ``None`` for as many as it wants.
    """
    limit = Limit(places=places, period=None)
    if limits:
        limit = Limit(places=limits.places, max_cost_usd=limits.max_cost_usd, period=limits.period)
    return Gate(namespace=namespace, kind="namespace", name=namespace, limit=limit)


def under(state: GateMoved | None, gate: Gate) -> GateMoved:
    """Return what a gate's next move starts from: its state under the limits of now."""
    limit = gate.limit
    if state is None:
        state = GateMoved(namespace=gate.namespace, kind=gate.kind, gate=gate.name, period=limit.period or "")
    period = state.period if limit.period is None else limit.period
    return replace(
        state,
        places=limit.places,
        max_cost_usd=limit.max_cost_usd,
        spent_usd=state.spent_usd if state.period == period else 0.0,
        period=period,
        admitted=(),
        refused=(),
    )


def price(task: TaskSubmitted) -> float:
    """Return the dollars that are reserved for a task: all that it may cost."""
    return task.policy.max_cost_usd or 0.0


def answer(state: GateMoved, price_usd: float) -> Answer:
    """Return whether a task may pass now, has to wait, or can never be paid for."""
    if state.places is not None and len(state.taken) >= state.places:
        return "wait"
    if state.max_cost_usd is None or price_usd == 0:
        return "yes"
    left = state.max_cost_usd - state.spent_usd
    if price_usd > left + CENT:
        return "never"
    return "yes" if price_usd <= left - sum(state.taken.values()) + CENT else "wait"


def is_open(state: GateMoved, price_usd: float) -> bool:
    """Return whether a task that comes need not queue."""
    return next_queue(state) is None and answer(state, price_usd) != "wait"


def let_in(state: GateMoved, task_id: str, price_usd: float) -> GateMoved:
    """Return a gate that has let a task in, or has refused it where it can never be paid for."""
    if answer(state, price_usd) == "never":
        return replace(state, refused=(*state.refused, task_id))
    return replace(state, taken=state.taken | {task_id: price_usd}, admitted=(*state.admitted, task_id))


def known(state: GateMoved, priority: Priority, sequence: int) -> GateMoved:
    """Return a gate that knows of queued tasks up to a sequence."""
    return replace(state, tails=state.tails | {priority: max(state.tails.get(priority, 0), sequence)})


def passed(state: GateMoved, priority: Priority, sequence: int) -> GateMoved:
    """Return a gate that is done with queued tasks up to a sequence."""
    return replace(state, heads=state.heads | {priority: sequence})


def waits(state: GateMoved, priority: Priority) -> bool:
    """Return whether tasks of a priority may be queued."""
    return state.heads.get(priority, 0) < state.tails.get(priority, 0)


def next_queue(state: GateMoved) -> Priority | None:
    """Return the highest priority of which tasks may be queued."""
    return next((priority for priority in PRIORITIES if waits(state, priority)), None)


def settled(end: TaskFinished, history: TaskHistory) -> TaskFinished:
    """Return an end that knows of attempts which were announced between the look that led to it and itself.

    Args:
        end: of a task.
        history: of the task, with everything that was stored before the end.
    """
    return replace(end, unsettled=end.unsettled or history.attempts > end.attempts)


def left(state: GateMoved, end: TaskFinished) -> GateMoved:
    """Return a gate that a task has left; what is not known of its cost counts as what was reserved."""
    if end.task_id not in state.taken:
        return state
    reserved = state.taken[end.task_id]
    usage = end.usage
    unknown = end.unsettled or (usage.model is not None and usage.cost_usd is None)
    cost = max(reserved, usage.cost_usd or 0.0) if unknown else (usage.cost_usd or 0.0)
    taken = {task_id: price_usd for task_id, price_usd in state.taken.items() if task_id != end.task_id}
    return replace(state, taken=taken, spent_usd=state.spent_usd + cost)


def behind(gates: Iterable[Gate], kind: GateKind) -> tuple[Gate, ...]:
    """Return the gates that lie behind the one of a kind."""
    return tuple(gate for gate in gates if ORDER.index(gate.kind) > ORDER.index(kind))
