"""A short storm, and books that do not balance."""

from pathlib import Path

import pytest

from tests.chaos.__main__ import Storm, storm
from tests.chaos.audit import Audit, check_tasks
from tests.chaos.customers import Book
from tests.support.tasks import finished
from testwright.submission import Job, TaskRef


@pytest.mark.nats
@pytest.mark.slow
@pytest.mark.timeout(420)  # as long as it would take to say what is lost
async def test_whatever_is_killed_every_task_ends_once_and_its_files_are_there(tmp_path: Path) -> None:
    book, toll, found = await storm(Storm(seed=11, seconds=10, clients=2), tmp_path)

    assert found.faults == []
    assert found.outcomes["completed"] > 10
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
