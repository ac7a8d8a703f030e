"""What the gateway shows, as functions of events."""

from datetime import datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.support import tasks
from testwright.bus import Stored
from testwright.gateway import core, frames
from testwright.gateway.core import Board, Change
from testwright.gateway.rows import TaskRow
from testwright.gateway.selection import Wanted, page
from testwright.gateway.tables import ALL
from testwright.gateway.workers import WorkerRow
from testwright_schemas import (
    EventMessage,
    Plan,
    RunCommand,
    StageFinished,
    StageSpec,
    StageStarted,
    TaskProgressed,
    Timing,
    WorkflowCancelRequested,
    WorkflowFinished,
    WorkflowStarted,
)

RUN: dict[str, Any] = {"namespace": tasks.IDS["namespace"], "run_id": "run-1"}
PLAN = Plan(
    stages=(
        StageSpec(name="build", work=RunCommand(argv=("make",))),
        StageSpec(name="check", work=RunCommand(argv=("make", "check")), needs=("build",)),
    )
)


def told(*events: EventMessage, board: Board | None = None) -> Board:
    board = board or Board()
    for event in events:
        board.apply(board.sequence + 1, tasks.NOW, event)
    return board


def named(event: EventMessage, task_id: str) -> Any:
    return replace(event, task_id=task_id)


def the_task(board: Board) -> TaskRow:
    [row] = board.tasks((ALL,))
    return row


def progressed(message: str) -> TaskProgressed:
    return TaskProgressed(**tasks.IDS, attempt=1, phase="generate", message=message, tests=3, coverage=50.0)


def judging(worker: str, for_s: float = 0.0) -> TaskProgressed:
    """Return what a verifier says that has judged for so many seconds when the event is stored."""
    return TaskProgressed(**tasks.IDS, attempt=1, phase="verify", worker=worker, elapsed_s=for_s)


def the_workers(board: Board) -> dict[str, WorkerRow]:
    return {row.name: row for row in board.since(None, (ALL,)).workers}


@pytest.mark.parametrize(
    ("events", "state", "phase"),
    [
        ((), "queued", ""),
        ((tasks.started(),), "running", "prepare"),
        ((tasks.started(), progressed("on it")), "running", "generate"),
        ((tasks.started(), tasks.cancel_requested(), progressed("on it")), "running", "cancelling"),
        ((tasks.started(), tasks.generated()), "verifying", "verify"),
        ((tasks.started(), tasks.generated(), tasks.verified()), "verifying", "verify"),
        ((tasks.started(), tasks.failed()), "waiting", ""),
        ((tasks.started(), tasks.failed(), tasks.started(tasks.first(2))), "running", "prepare"),
        ((tasks.started(), tasks.finished("failed")), "failed", ""),
        ((tasks.finished(), tasks.started()), "completed", ""),
    ],
)
def test_a_task_is_in_the_state_of_its_last_event(events: tuple[EventMessage, ...], state: str, phase: str) -> None:
    row = the_task(told(tasks.submitted(), *events))

    assert (row.state, row.phase) == (state, phase)


def test_a_worker_has_the_tasks_whose_attempts_it_runs() -> None:
    board = told(tasks.submitted(), tasks.started())
    [busy] = board.since(None, (ALL,)).workers

    told(tasks.generated(), board=board)
    [idle] = board.since(None, (ALL,)).workers

    assert (busy.name, busy.tasks, idle.tasks, idle.lost_at) == ("worker-1", ("task-1",), (), None)


def test_a_worker_whose_attempt_another_one_takes_over_is_lost_until_it_begins_anew() -> None:
    board = told(tasks.submitted(), tasks.started(), tasks.started(tasks.first(2), worker="worker-2"))
    workers = {row.name: row for row in board.since(None, (ALL,)).workers}

    assert (workers["worker-1"].lost_to, workers["worker-1"].tasks) == ("worker-2", ())
    assert workers["worker-2"].tasks == ("task-1",)

    told(named(tasks.submitted(), "task-2"), named(tasks.started(), "task-2"), board=board)
    assert [row.lost_at for row in board.since(None, (ALL,)).workers if row.name == "worker-1"] == [None]


def test_a_worker_that_failed_before_another_tries_again_is_not_lost() -> None:
    again = tasks.started(tasks.first(2), worker="worker-2")

    board = told(tasks.submitted(), tasks.started(), tasks.failed(), again)

    assert [row.lost_to for row in board.since(None, (ALL,)).workers] == [None, None]


def test_what_was_taken_in_before_changes_nothing() -> None:
    board = told(tasks.submitted(), tasks.started())

    board.apply(1, tasks.NOW, tasks.finished())

    assert the_task(board).state == "running"


def test_namespaces_are_kept_apart() -> None:
    board = told(tasks.submitted(), replace(tasks.submitted(), namespace="other"))

    assert [row.namespace for row in board.tasks(("other",))] == ["other"]
    assert len(board.since(None, (ALL,)).tasks) == 2
    assert board.since(None, ("nobody",)).tasks == ()


def test_the_board_forgets_what_has_not_changed_for_longest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core, "MAX_ROWS", 2)

    board = told(*(named(tasks.submitted(), f"task-{number}") for number in range(3)))

    assert [row.id for row in board.tasks((ALL,))] == ["task-2", "task-1"]


EVENTS = st.lists(
    st.builds(
        named,
        st.sampled_from(
            (
                tasks.submitted(),
                tasks.started(),
                tasks.started(worker="worker-2"),
                tasks.generated(),
                judging("judge-1"),
                judging("judge-2", for_s=-1.0),
                tasks.verified(),
                tasks.failed(),
                tasks.cancel_requested(),
                tasks.finished(),
            )
        ),
        st.sampled_from(("a", "b", "c")),
    ),
    max_size=30,
)


@given(EVENTS, st.sets(st.integers(3, 33)))
def test_whoever_is_cut_off_anywhere_ends_up_with_the_same_rows_as_whoever_never_was(
    events: list[EventMessage], cuts: set[int]
) -> None:
    board, mirror, cursor = Board(), dict[str, Any](), None
    begun = [named(tasks.submitted(), task_id) for task_id in ("a", "b", "c")]
    for index, event in enumerate(begun + events):
        told(event, board=board)
        if index in cuts:
            cursor = copied(mirror, board.since(cursor, (ALL,)), cursor)
    copied(mirror, board.since(cursor, (ALL,)), cursor)

    assert mirror == copied_anew(board)


def copied(mirror: dict[str, Any], change: Change, cursor: int | None) -> int:
    rows: dict[str, TaskRow | WorkerRow] = {f"task {row.id}": row for row in change.tasks}
    rows |= {f"{row.role} {row.name}": row for row in change.workers}
    assert all(row.sequence > (cursor or 0) for row in rows.values())
    mirror.update(rows)
    return change.sequence


def copied_anew(board: Board) -> dict[str, Any]:
    mirror: dict[str, Any] = {}
    copied(mirror, board.since(None, (ALL,)), None)
    return mirror


def test_the_last_event_of_each_kind_is_enough() -> None:
    again, second = tasks.started(tasks.first(2), worker="worker-2"), tasks.verified(tasks.first(2))
    events: list[EventMessage] = [
        tasks.submitted(),
        tasks.started(),
        progressed("early"),
        tasks.verified(),
        tasks.failed(),
    ]
    events += [again, progressed("late"), tasks.generated(tasks.first(2)), second]
    last = {type(event): place for place, event in enumerate(events)}
    whole, brief = Board(), Board()
    for place, event in enumerate(events):
        whole.apply(place + 1, tasks.NOW, event)
        if last[type(event)] == place:
            brief.apply(place + 1, tasks.NOW, event)

    assert the_task(brief) == the_task(whole)


def test_a_run_shows_its_stages_and_at_its_end_the_critical_path() -> None:
    begun = StageStarted(**RUN, stage="build", claim_id="claim-1", started_at=tasks.NOW)
    done = StageFinished(**RUN, stage="build", outcome="completed", started_at=tasks.NOW, completed_at=tasks.NOW)
    timing = Timing(critical_path=("build",), parallel_execution_savings_ms=5)
    end = WorkflowFinished(**RUN, outcome="completed", timing=timing, completed_at=tasks.NOW)
    board = told(WorkflowStarted(**RUN, plan=PLAN, root="/x", started_at=tasks.NOW), begun)
    [running] = board.runs((ALL,))

    told(done, WorkflowCancelRequested(**RUN, command_id="c"), board=board)
    [cancelling] = board.runs((ALL,))
    told(end, board=board)
    [ended] = board.runs((ALL,))

    assert [stage.state for stage in running.stages] == ["running", "waiting"]
    assert running.stages[1].needs == ("build",)
    assert (cancelling.state, [stage.state for stage in cancelling.stages]) == ("cancelling", ["completed", "waiting"])
    assert (ended.state, ended.critical_path, ended.savings_ms) == ("completed", ("build",), 5)


def test_pages_cover_every_task_once_in_order() -> None:
    board = told(*(named(tasks.submitted(), f"task-{number}") for number in range(7)))
    found: list[str] = []
    after = None
    while True:
        one = page(board.tasks((ALL,)), Wanted(limit=3, after=after))
        found += [row.id for row in one.tasks]
        after = one.next
        if after is None:
            break

    assert found == [f"task-{number}" for number in reversed(range(7))]


@pytest.mark.parametrize(
    ("wanted", "fits"),
    [
        (Wanted(), True),
        (Wanted(state="queued"), True),
        (Wanted(state="failed"), False),
        (Wanted(module="calc"), True),
        (Wanted(module="cal"), False),
        (Wanted(text="CALC"), True),
        (Wanted(text="task-1"), True),
        (Wanted(job="job-1"), True),
        (Wanted(job="job-2"), False),
        (Wanted(text="nothing"), False),
    ],
)
def test_a_filter_lets_through_what_fits_all_of_it(wanted: Wanted, fits: bool) -> None:
    submitted = tasks.submitted()
    board = told(replace(submitted, target=replace(submitted.target, module="calc.add")))

    assert bool(page(board.tasks((ALL,)), wanted).tasks) is fits


def lines(chunk: bytes) -> dict[str, str]:
    return dict(line.split(": ", 1) for line in chunk.decode().strip().split("\n"))


def test_only_the_last_frame_of_a_change_can_be_resumed_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "CHUNK", 2)
    board = told(*(named(tasks.submitted(), f"task-{number}") for number in range(3)), named(tasks.started(), "task-2"))

    first, last = map(lines, frames.changes(board.since(None, (ALL,))))

    assert "id" not in first
    assert last["id"] == "4"
    read = [msgspec.json.decode(frame["data"], type=Change) for frame in (first, last)]
    assert [len(change.tasks) for change in read] == [2, 1]
    assert [change.reset for change in read] == [True, False]
    assert [len(change.workers) for change in read] == [0, 1]


def test_an_event_is_one_frame_whatever_it_says() -> None:
    event = progressed("two\n\nlines\r\nid: 7\u2028")
    stored = Stored("S", 42, "subject", b"", datetime.fromisoformat("2026-01-01T00:00:00+00:00"))

    chunk = frames.happened(stored, event)

    assert chunk.count(b"\n") == 4
    assert b"\r" not in chunk
    frame = lines(chunk)
    assert (frame["id"], frame["event"]) == ("42", "task-progressed")
    assert msgspec.json.decode(frame["data"])["message"] == event.message


@pytest.mark.parametrize(
    ("text", "sequence"), [("7", 7), (None, None), ("", None), ("-1", None), ("x", None), ("٣", None), ("9" * 30, None)]
)
def test_a_strange_last_event_id_begins_anew(text: str | None, sequence: int | None) -> None:
    assert frames.resumed(text) == sequence
