"""The live view of watch, as a terminal shows it."""

import io
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace
from rich.console import Console

from tests.support import tasks
from testwright.bus import Stored
from testwright.cli.overview import TRACK, critical_path
from testwright.cli.view import View
from testwright.gateway.runs import RunRow, StageRow
from testwright.history import status
from testwright_schemas import (
    EventMessage,
    JobFinished,
    LanePaused,
    MessageDeadLettered,
    NoWork,
    OutcomeCounts,
    Plan,
    StageFinished,
    StageSpec,
    StageStarted,
    TaskEvent,
    TaskProgressed,
    WorkflowStarted,
    subjects,
)

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


def noted(view: View, *events: EventMessage) -> None:
    for sequence, event in enumerate(events, start=1):
        view.note(Stored(subjects.EVENTS, sequence, subjects.event(event), b"", tasks.NOW), event)


def test_it_tells_who_is_at_work_who_is_idle_and_who_was_lost(screen: Screen) -> None:
    other = replace(tasks.started(worker="worker-3"), task_id="task-2")
    view = watching(screen)
    with view.shown():
        noted(
            view,
            tasks.submitted(),
            tasks.started(worker="worker-1"),
            tasks.started(worker="worker-2"),
            replace(tasks.submitted(), task_id="task-2"),
            other,
            replace(tasks.generated(), task_id="task-2"),
            replace(progressed(), task_id="task-2", phase="verify", worker="judge"),
        )
        view.take(progressed(), "")
    shown = " ".join(screen.look().split())

    assert "3 workers: generator worker-1 lost, its work went to worker-2; generator worker-2 shop.pricing; " in shown
    assert "verifier judge shop.pricing; generator worker-3 idle" in shown
    assert "tasks: 1 running, 1 verifying" in shown


def test_it_tells_what_waits_and_for_how_long(screen: Screen) -> None:
    until, past = tasks.NOW + timedelta(minutes=5), tasks.NOW - timedelta(minutes=5)
    letter = MessageDeadLettered(
        namespace="default",
        letter_id="letter-1",
        stream="S",
        subject="s",
        sequence=1,
        consumer="collector",
        reason="no\x1b JSON",
        deliveries=3,
        data=b"?",
    )
    view = watching(screen)
    with view.shown():
        noted(
            view,
            tasks.submitted(),
            tasks.started(),
            tasks.failed(),
            LanePaused(namespace="default", lane="openhands", until=until, reason="busy"),
            LanePaused(namespace="default", lane="other", until=past, reason="was busy"),
            letter,
        )
        view.take(letter, "")
    shown = screen.look()

    assert f"paused: openhands until {until.astimezone():%H:%M:%S} (busy)" in shown
    assert "was busy" not in shown
    assert "to be tried again: shop.pricing at " in shown
    assert "1 dead letter, the last one: no  JSON" in shown


def test_a_run_of_a_workflow_is_a_timeline_with_its_critical_path(screen: Screen) -> None:
    ids: dict[str, Any] = {"namespace": "default", "run_id": "run-1"}
    stages = (
        StageSpec(name="build", work=NoWork()),
        StageSpec(name="tests", work=NoWork()),
        StageSpec(name="deliver", work=NoWork(), needs=("build", "tests")),
    )
    began, later = tasks.NOW - timedelta(seconds=80), tasks.NOW - timedelta(seconds=40)
    view = watching(screen)
    with view.shown():
        noted(
            view,
            WorkflowStarted(**ids, plan=Plan(stages=stages, name="release"), root="/project", started_at=began),
            StageStarted(**ids, stage="build", claim_id="c", started_at=began),
            StageFinished(**ids, stage="build", outcome="completed", started_at=began, completed_at=later),
            StageStarted(**ids, stage="tests", claim_id="c", started_at=began),
        )
        view.take(progressed(), "")
    lines = {line.split()[0]: line for line in screen.look().splitlines() if line.split()}

    assert "critical path: tests" in lines["release"]
    assert "█" * TRACK in lines["tests"]
    assert "█" * (TRACK // 2) in lines["build"]
    assert "█" * (TRACK // 2 + 1) not in lines["build"]
    assert "waiting" in lines["deliver"]
    assert "█" not in lines["deliver"]


def test_the_critical_path_leads_through_the_longer_of_two_stages() -> None:
    def stage(name: str, seconds: int, *needs: str) -> StageRow:
        return StageRow(
            name=name,
            kind="no-work",
            needs=needs,
            started_at=tasks.NOW,
            completed_at=tasks.NOW + timedelta(seconds=seconds),
        )

    run = RunRow(
        id="run-1",
        namespace="default",
        name="release",
        stages=(stage("a", 3), stage("b", 5), stage("c", 2, "a", "b")),
        started_at=tasks.NOW,
        sequence=1,
    )

    assert critical_path(run, tasks.NOW) == ("b", "c")
