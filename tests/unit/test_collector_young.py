"""What a collector knows of young tasks without looking it up."""

from msgspec.structs import replace

from tests.support.tasks import IDS, NOW, failed, finished, first, generated, submitted, verified
from testwright.bus import Stored
from testwright.collector.young import MOST, Young
from testwright.history import JobHistory, TaskHistory, fold, fold_job
from testwright_schemas import JobSubmitted, TaskFinished, TaskMessage, subjects


def heard(young: Young, event: TaskMessage, sequence: int, *, deliveries: int = 1) -> TaskHistory | None:
    stored = Stored(subjects.EVENTS, sequence, subjects.event(event), b"", NOW, deliveries=deliveries)
    return young.history(event, event.task_id, stored)


def test_a_task_that_is_verified_at_once_is_known_from_its_events_alone() -> None:
    young = Young()
    events: list[tuple[int, TaskMessage]] = [(3, submitted()), (5, generated()), (9, verified())]

    told = [heard(young, event, sequence) for sequence, event in events]

    assert told == [fold(events[:1]), fold(events[:2]), fold(events)]


def test_what_was_not_heard_from_the_start_is_looked_up() -> None:
    young = Young()
    assert heard(young, generated(), 5) is None
    assert heard(young, verified(), 9) is None


def test_what_is_delivered_again_is_looked_up_and_so_is_what_follows() -> None:
    young = Young()
    heard(young, submitted(), 3)
    assert heard(young, generated(), 5, deliveries=2) is None
    assert heard(young, verified(), 9) is None


def test_a_task_whose_first_attempt_failed_is_looked_up_from_then_on() -> None:
    young = Young()
    heard(young, submitted(), 3)
    assert heard(young, failed(), 5) is None
    assert heard(young, generated(first(2)), 7) is None
    assert heard(young, verified(first(2)), 9) is None


def test_later_attempts_are_looked_up() -> None:
    young = Young()
    heard(young, submitted(), 3)
    assert heard(young, generated(first(2)), 5) is None


def test_tasks_of_two_namespaces_are_two_tasks() -> None:
    young = Young()
    heard(young, submitted(), 3)
    assert heard(young, replace(generated(), namespace="other"), 5) is None


def end(young: Young, event: TaskFinished, *, deliveries: int = 1) -> JobHistory | None:
    return young.job(event, Stored(subjects.EVENTS, 11, subjects.event(event), b"", NOW, deliveries=deliveries))


def test_the_job_of_a_task_that_is_alone_in_it_is_known_when_that_ends() -> None:
    young = Young()
    task = replace(submitted(), alone=True, concurrency=3, job_cost_usd=2.5)
    heard(young, task, 3)
    heard(young, generated(), 5)
    heard(young, verified(), 9)

    job = end(young, finished())

    assert job == fold_job(
        [
            (
                2,
                JobSubmitted(
                    namespace="default",
                    job_id="job-1",
                    task_ids=("task-1",),
                    created_at=NOW,
                    concurrency=3,
                    max_cost_usd=2.5,
                ),
            )
        ]
    )
    assert end(young, finished()) is None


def test_a_job_is_looked_up_where_it_has_more_tasks_or_the_end_of_one_is_told_again() -> None:
    young = Young()
    heard(young, submitted(), 3)
    assert end(young, finished()) is None
    heard(young, replace(submitted(), alone=True), 3)
    assert end(young, finished(), deliveries=2) is None


def test_only_so_many_tasks_are_remembered() -> None:
    young = Young()
    heard(young, submitted(), 3)
    for number in range(MOST):
        heard(young, replace(submitted(), task_id=f"another-{number}"), 4 + number)
    assert heard(young, generated(), MOST + 5) is None
    assert IDS["task_id"] == generated().task_id
