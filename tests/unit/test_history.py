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


IN_VAIN: list[tuple[int, TaskMessage]] = [
    (1, tasks.submitted()),
    (2, tasks.started(item=1)),
    (3, tasks.failed()),
    (4, tasks.started(tasks.first(2), item=1)),
]


@given(st.permutations(IN_VAIN))
def test_an_attempt_at_an_item_that_was_concluded_already_counts_for_nothing(events: list[tuple[int, TaskMessage]]):
    told = fold(events)

    assert told.in_vain
    assert (told.attempts, told.last_number, told.fence) == (1, 2, 4)


def test_an_attempt_behind_one_in_vain_counts_again():
    told = fold([*IN_VAIN, (5, tasks.started(tasks.first(3), item=2))])

    assert not told.in_vain
    assert told.attempts == 3


def test_an_attempt_that_replaced_one_before_that_was_concluded_counts():
    told = fold([*IN_VAIN[:2], (3, tasks.started(tasks.first(2), item=1)), (4, tasks.failed(tasks.first(2)))])

    assert not told.in_vain
    assert told.attempts == 2


def test_an_attempt_that_was_announced_behind_the_end_counts_for_nothing():
    told = fold([(1, tasks.submitted()), (2, tasks.finished("cancelled")), (3, tasks.started(item=1))])

    assert told.in_vain
    assert told.attempts == 0
