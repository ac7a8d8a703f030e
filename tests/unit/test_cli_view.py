"""The live view of watch, as a terminal shows it."""

import io

import pytest
from rich.console import Console

from tests.support import tasks
from testwright.cli.view import View
from testwright.history import status
from testwright_schemas import JobFinished, OutcomeCounts, TaskEvent, TaskProgressed

LEFT = tasks.IDS["job_id"]


class Screen:
    """A terminal, and what it was sent since it was last looked at."""

    def __init__(self) -> None:
        self._out = io.StringIO()
        self.console = Console(file=self._out, force_terminal=True, width=120, color_system=None, _environ={})

    def look(self) -> str:
        found = self._out.getvalue()
        self._out.seek(0)
        self._out.truncate()
        return found


@pytest.fixture
def screen() -> Screen:
    return Screen()


def watching(screen: Screen, *, keep: bool = False) -> View:
    return View(screen.console, lambda: tasks.NOW, keep=keep)


def progressed() -> TaskProgressed:
    return TaskProgressed(**tasks.IDS, attempt=1, phase="generate", message="searching", tests=3, coverage=42.0)


def test_a_task_is_one_line_that_changes_in_place(screen: Screen) -> None:
    view = watching(screen)
    with view.shown():
        for event in (tasks.submitted(), tasks.started()):
            view.take(event, "told")
        screen.look()

        view.take(progressed(), "told")
        shown = screen.look()

    assert all(word in shown for word in ("shop.pricing", "generate", "3 tests", "42 %", "searching"))
    assert "told" not in shown


def test_what_has_ended_leaves_the_table_for_a_line_above_it(screen: Screen) -> None:
    view = watching(screen)
    with view.shown():
        view.take(tasks.submitted(), "")
        screen.look()
        view.take(tasks.finished(), "it has ended")
        shown = screen.look()

    assert "it has ended" in shown
    assert "0 of 0 done" in shown


def test_whoever_names_tasks_keeps_them_in_the_table(screen: Screen) -> None:
    view = watching(screen, keep=True)
    with view.shown():
        for event in (tasks.submitted(), tasks.started(), tasks.finished("failed")):
            view.take(event, "")

    assert "1 of 1 done" in screen.look()


def test_what_happens_to_jobs_is_told_above(screen: Screen) -> None:
    view = watching(screen)
    with view.shown():
        counts = OutcomeCounts(completed=1)
        view.take(JobFinished(namespace="default", job_id=LEFT, total=1, counts=counts), "job-1  1 completed")

    assert "job-1  1 completed" in screen.look()


def test_it_begins_with_what_is_under_way(screen: Screen) -> None:
    def standing(*events: TaskEvent) -> str:
        known = status(tasks.history(tasks.submitted(), *events))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  of a task
        assert known is not None
        view = watching(screen)
        with view.shown():
            view.begin([known])
        return screen.look()

    assert "prepare" in standing(tasks.started())
    assert "shop.pricing" not in standing(tasks.started(), tasks.finished())
