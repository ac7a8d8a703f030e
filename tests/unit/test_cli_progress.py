"""What is seen of a task while it runs."""

from datetime import datetime, timedelta

import pytest

from tests.support import tasks
from testwright.cli.output import plain
from testwright.cli.progress import Row, cells, evolve, seconds, summary
from testwright_schemas import Phase, TaskEvent, TaskProgressed

ROW = Row("shop.pricing")


def progressed(phase: Phase = "generate", message: str = "", tests: int | None = None) -> TaskProgressed:
    return TaskProgressed(**tasks.IDS, attempt=1, phase=phase, message=message, tests=tests)


def told(*events: TaskEvent) -> Row:
    row = ROW
    for event in events:
        row = evolve(row, event)
    return row


@pytest.mark.parametrize(
    ("events", "phase"),
    [
        ((tasks.submitted(),), "queued"),
        ((tasks.started(),), "prepare"),
        ((tasks.started(), progressed("generate")), "generate"),
        ((tasks.started(), tasks.generated()), "verify"),
        ((tasks.started(), tasks.generated(), tasks.verified()), "verified"),
        ((tasks.started(), tasks.failed()), "waiting"),
        ((tasks.started(), tasks.cancel_requested()), "cancelling"),
        ((tasks.started(), tasks.cancel_requested(), progressed()), "cancelling"),
        ((tasks.started(), tasks.finished()), "completed"),
    ],
)
def test_the_phase_is_what_the_newest_event_says(events: tuple[TaskEvent, ...], phase: str) -> None:
    assert told(*events).phase == phase


def test_nothing_after_the_end_changes_a_row() -> None:
    ended = told(tasks.started(), tasks.finished())

    assert evolve(ended, progressed(message="I am a zombie")) == ended


def test_a_report_without_a_number_keeps_the_one_before() -> None:
    assert told(tasks.started(), progressed(tests=12), progressed(message="on it")).tests == 12


def test_a_new_attempt_starts_counting_anew() -> None:
    row = told(tasks.started(), progressed(tests=12), tasks.failed(), tasks.started(tasks.first(2)))

    assert (row.tests, row.message) == (None, "echo on worker-1, attempt 2")


def test_time_runs_from_the_first_attempt_to_the_end() -> None:
    later = datetime.max.replace(tzinfo=tasks.NOW.tzinfo)
    running = told(tasks.started())

    assert seconds(ROW, later) == 0
    assert seconds(running, tasks.NOW + timedelta(seconds=31)) == 30
    assert seconds(told(tasks.started(), tasks.finished()), later) < 3600


def test_a_clock_behind_the_servers_shows_no_negative_time() -> None:
    assert seconds(told(tasks.started()), tasks.NOW - timedelta(hours=1)) == 0


def test_a_line_says_module_phase_tests_coverage_time_and_message() -> None:
    row = Row("shop.pricing", "generate", "searching", 12, 81.4, tasks.NOW)

    line = cells(row, tasks.NOW + timedelta(seconds=95))

    assert line == ("shop.pricing", "generate", "12 tests", "81 %", "1 m 35 s", "searching")


def test_the_summary_counts_what_is_done_running_and_queued() -> None:
    rows = [ROW, Row("a", "failed"), Row("b", "verify"), Row("c", "waiting")]

    assert summary(rows) == "1 of 4 done, 2 running, 1 queued"


def test_what_an_engine_says_cannot_steer_the_terminal() -> None:
    assert plain("\x1b[2Jgone\r\nor not") == " [2Jgone  or not"
