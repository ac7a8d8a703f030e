"""What the live view shows besides tasks, as pure functions from the board's rows to texts: as the page has it."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from testwright.cli.duration import spoken
from testwright.cli.output import counted, moment
from testwright.gateway.core import Change
from testwright.gateway.rows import TaskRow
from testwright.gateway.runs import RunRow, StageRow
from testwright.gateway.workers import WorkerRow

MAX_WORKERS = 12
"""Workers in the line; those that are lost or busy come first."""

MAX_WAITS = 3
"""Things of one kind in the line about what waits: those that come first."""

MAX_RUNS = 3
"""Runs shown with their stages: those that go on, the newest first."""

TRACK = 32
"""Width of a run's time, in characters."""


def states(tasks: Iterable[TaskRow]) -> str:
    """Return how many tasks are in each state, states without any left out."""
    counts: dict[str, int] = {}
    for task in tasks:
        counts[task.state] = counts.get(task.state, 0) + 1
    order = ("queued", "running", "verifying", "waiting", "completed", "failed", "cancelled")
    return "tasks: " + (", ".join(f"{counts[state]} {state}" for state in order if state in counts) or "none")


def workers(rows: Iterable[WorkerRow], modules: dict[str, str]) -> str:
    """Return one line about workers: who works on what, who is idle, and who was lost.

    Args:
        rows: of one namespace.
        modules: by id of the task.
    """
    known = sorted(rows, key=lambda row: (row.lost_at is None, not row.tasks, row.role, row.name))
    told = [_worker(row, modules) for row in known[:MAX_WORKERS]]
    more = [f"and {len(known) - len(told)} more"] if len(known) > len(told) else []
    here = sum(row.lost_at is None for row in known)
    return f"{counted(here, 'worker')}: " + "; ".join([*told, *more]) if known else ""


def waits(change: Change, now: datetime) -> Iterator[str]:
    """Yield a line for each kind of what waits: lanes that rest, tries and submissions to come, dead letters.

    Args:
        change: everything that the board shows, of one namespace.
        now: time of day.
    """
    lanes = [row for row in change.lanes if row.until > now]
    if lanes:
        yield "paused: " + _told([f"{row.name} until {_clock(row.until)} ({row.reason})" for row in lanes])
    tries = sorted((row.retry_at, row.module) for row in change.tasks if row.retry_at)
    if tries:
        yield "to be tried again: " + _told([f"{module} at {_clock(at)}" for at, module in tries])
    due = sorted((row.status.next_at, row.id) for row in change.schedules if row.status.next_at)
    if due:
        yield f"{counted(len(due), 'schedule')}: " + _told([f"{id_} at {moment(at)}" for at, id_ in due])
    if change.letters:
        yield f"{counted(len(change.letters), 'dead letter')}, the last one: {change.letters[-1].reason}"


def runs(rows: Iterable[RunRow], now: datetime) -> Iterator[tuple[str, ...]]:
    """Yield the lines of runs that go on: name, state and seconds, and for each stage its part of the run's time."""
    for run in [row for row in rows if row.completed_at is None][:MAX_RUNS]:
        path = critical_path(run, now)
        taken_s = (now - run.started_at).total_seconds()
        yield (run.name, run.state, spoken(taken_s), "", " → ".join(path) and f"critical path: {' → '.join(path)}")
        for stage in run.stages:
            span = _span(stage, now)
            took = spoken(span[1] - span[0]) if span else ""
            mark = "on the critical path" if stage.name in path else stage.message
            yield (f"  {stage.name}", stage.state, took, _bar(run, stage, now), mark)


def critical_path(run: RunRow, now: datetime) -> tuple[str, ...]:
    """Return the chain of stages that has taken longest so far; at the end of the run it is the run's own."""
    if run.completed_at:
        return run.critical_path
    longest: dict[str, tuple[float, tuple[str, ...]]] = {}
    for stage in run.stages:
        before = max((longest[name] for name in stage.needs if name in longest), default=(0.0, ()))
        begin, end = _span(stage, now) or (0.0, 0.0)
        chain = (*before[1], stage.name) if end > begin else before[1]
        longest[stage.name] = (before[0] + end - begin, chain)
    return max(longest.values(), default=(0.0, ()))[1]


def _told(parts: list[str]) -> str:
    more = [f"and {len(parts) - MAX_WAITS} more"] if len(parts) > MAX_WAITS else []
    return "; ".join([*parts[:MAX_WAITS], *more])


def _clock(time: datetime) -> str:
    return f"{time.astimezone():%H:%M:%S}"


def _worker(row: WorkerRow, modules: dict[str, str]) -> str:
    who = f"{row.role} {row.name}"
    if row.lost_at:
        return f"{who} lost, its work went to {row.lost_to}"
    return f"{who} " + (", ".join(modules.get(task, task) for task in row.tasks) or "idle")


def _span(stage: StageRow, now: datetime) -> tuple[float, float] | None:
    """Return when a stage began to count and ended; collecting counts from when there was something to collect."""
    if stage.started_at is None:
        return None
    begin = max(stage.started_at, stage.ready_at or stage.started_at)
    return begin.timestamp(), max(begin, stage.completed_at or now).timestamp()


def _bar(run: RunRow, stage: StageRow, now: datetime) -> str:
    span = _span(stage, now)
    if span is None:
        return ""
    start = run.started_at.timestamp()
    scale = TRACK / max(now.timestamp() - start, 1.0)
    first, last = (min(TRACK, max(0, round((moment - start) * scale))) for moment in span)
    return " " * min(first, TRACK - 1) + "█" * max(1, last - first)
