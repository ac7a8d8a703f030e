"""What is known of a task from the last event of each kind."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import tasks
from testwright.history import TaskState, fold, state, status
from testwright_schemas import TaskMessage

STORY: list[tuple[int, TaskMessage]] = [
    (1, tasks.submitted()),
    (2, tasks.started()),
    (3, tasks.failed()),
    (4, tasks.started(tasks.first(2, engine_try=2))),
    (5, tasks.generated(tasks.first(2, engine_try=2), fence=4)),
    (6, tasks.verified(tasks.first(2, engine_try=2))),
    (7, tasks.finished()),
]


@given(st.permutations(STORY))
def test_the_order_in_which_events_are_read_does_not_matter(events: list[tuple[int, TaskMessage]]):
    assert fold(events) == fold(STORY)


def test_the_fence_is_the_sequence_of_the_newest_start():
    assert fold(STORY).fence == 4


@pytest.mark.parametrize(
    ("told", "expected"),
    [(1, "queued"), (2, "running"), (3, "waiting"), (4, "running"), (5, "verifying"), (7, "completed")],
)
def test_a_task_stands_where_its_newest_attempt_stands(told: int, expected: TaskState):
    assert state(fold(STORY[:told])) == expected


def test_the_start_of_a_task_is_that_of_its_first_attempt():
    again = tasks.started(tasks.first(2))

    assert fold([(1, tasks.submitted()), (2, again)]).first_started_at == again.started_at


def test_a_task_nobody_submitted_has_no_status():
    assert status(fold([])) is None
