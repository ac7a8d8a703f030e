"""A short storm, and books that do not balance."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.chaos.__main__ import Storm, storm
from tests.chaos.audit import check_tasks
from tests.chaos.customers import Book
from tests.chaos.findings import Audit
from tests.chaos.ledger import Account, check_ledger
from tests.support.tasks import finished
from testwright.submission import Job, TaskRef
from testwright_schemas import GateMoved, Usage


@pytest.mark.nats
@pytest.mark.slow
@pytest.mark.timeout(420)  # as long as it would take to say what is lost
async def test_whatever_is_killed_every_task_ends_once_and_its_files_are_there(tmp_path: Path) -> None:
    book, toll, found = await storm(Storm(seed=11, seconds=10, clients=2, real=0), tmp_path)

    assert found.faults == []
    assert found.outcomes["completed"] > 10
    assert found.counts["cents billed"] > 0
    assert toll.killed.total() >= 5
    assert book.submitted.keys() == book.told.keys()


def test_a_task_that_nobody_has_ended_or_somebody_twice_is_an_imbalance() -> None:
    book = Book(jobs=[Job("job-1", (TaskRef("task-1", "m"), TaskRef("task-2", "m")))])
    made = Audit()

    check_tasks(made, book, [], [finished(task_id="task-2"), finished(task_id="task-2")])

    assert [fault.partition(":")[0] for fault in made.faults] == [
        "tasks accepted other than once",
        "tasks ended other than once",
        "tasks whose client was not told",
    ]
    assert "'task-1': 0" in made.faults[1]
    assert "'task-2': 2" in made.faults[1]


def test_money_that_was_billed_and_not_said_or_never_released_is_an_imbalance() -> None:
    usage = Usage(model="m", input_tokens=1, output_tokens=1, cost_usd=0.02)
    ends = [replace(finished(task_id=id_), usage=usage, attempts=1) for id_ in ("told", "cheated", "doubtful")]
    accounts = {"told": Account(0.05, 1), "cheated": Account(0.05, 1), "doubtful": Account(0.05, 2)}
    gate = GateMoved(namespace="default", kind="namespace", gate="default", taken={"told": 0.05}, spent_usd=0.09)
    made = Audit()

    check_ledger(made, {"told": 0.02, "cheated": 0.06, "doubtful": 0.04}, ends, accounts, gate)

    assert made.faults == [
        "costs that are said wrongly: {'cheated': (0.06, 0.02)}, expected {}",
        "tasks that cost more than they may: {'cheated': 0.06}, expected {}",
        "tasks that money is still reserved for: ['told'], expected []",
    ]
    assert made.counts["of these, tasks whose cost is not known in full"] == 1

    check_ledger(made, {}, ends, accounts, replace(gate, spent_usd=0.06))

    assert made.faults[-1] == "dollars spent by the namespace: 0.06, expected 0.09"
