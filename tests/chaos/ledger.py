"""Whether every cent is accounted for: what was billed, what tasks are said to cost, what their namespace has spent."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.findings import Audit
from testwright_schemas import GateMoved, TaskFinished

LIMIT_USD = 1000.0
"""What the namespace may spend: it is counted, and never too little."""

DECIMALS = 6
"""Decimals by which sums are compared."""


def billed(path: Path) -> dict[str, float]:
    """Return what each task has really cost, by its id; a file that is not there bills nothing."""
    costs = defaultdict[str, float](float)
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        task_id, usd = line.split()
        costs[task_id] += float(usd)
    return dict(costs)


@dataclass(frozen=True, slots=True)
class Account:
    """What a task may cost, and how many attempts at it were begun."""

    price_usd: float
    attempts: int


def check_ledger(
    made: Audit,
    bills: Mapping[str, float],
    ends: Sequence[TaskFinished],
    accounts: Mapping[str, Account],
    gate: GateMoved,
) -> None:
    """Compare the three.

    Args:
        made: takes note of what does not balance.
        bills: dollars that each task has really cost.
        ends: of all tasks.
        accounts: of all tasks.
        gate: the last state of the namespace's.
    """
    said = {end.task_id: _said_usd(end, accounts[end.task_id]) for end in ends}
    known = {id_: (usd, said[id_]) for id_, usd in bills.items() if said[id_] is not None}
    made.expect("costs that are said wrongly", {id_: two for id_, two in known.items() if not _equal(*two)}, {})
    dear = {id_: usd for id_, usd in bills.items() if usd > accounts[id_].price_usd}
    made.expect("tasks that cost more than they may", dear, {})
    made.expect("tasks that money is still reserved for", sorted(gate.taken), [])
    spent = sum(accounts[id_].price_usd if usd is None else usd for id_, usd in said.items())
    made.expect("dollars spent by the namespace", round(gate.spent_usd, DECIMALS), round(spent, DECIMALS))
    made.counts["tasks that cost money"] = len(bills)
    made.counts["of these, tasks whose cost is not known in full"] = len(bills.keys() - known.keys())
    made.counts["cents billed"] = round(100 * sum(bills.values()))
    made.counts["cents accounted for"] = round(100 * gate.spent_usd)


def _said_usd(end: TaskFinished, account: Account) -> float | None:
    """Return what a task is said to have cost; ``None`` where that is not known of each attempt."""
    if end.unsettled or account.attempts > end.attempts:
        return None
    return 0.0 if end.usage.model is None else end.usage.cost_usd


def _equal(one: float, other: float | None) -> bool:
    return other is not None and round(one - other, DECIMALS) == 0
