"""What a commit of generated tests says of itself; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from testwright_schemas import TaskFinished

COLUMNS = ("module", "outcome", "kept", "dropped", "line", "branch", "mutants")
WIDTH = 72


@dataclass(frozen=True, slots=True)
class Entry:
    """What a commit says of one task.

    Attributes:
        end: of the task.
        files: of its suite, by their names in the commit.
        note: what else there is to be known, in one line.
    """

    end: TaskFinished
    files: Sequence[str] = ()
    note: str = ""


def message(entries: Sequence[Entry], facts: Mapping[str, str]) -> str:
    """Return the message of a commit.

    Args:
        entries: one for each task, also those without tests.
        facts: trailers that hold for all of them, by their keys.
    """
    delivered = [entry for entry in entries if entry.files]
    parts = [_subject(delivered), _table(entries), _files(delivered), _notes(entries), _trailers(entries, facts)]
    return "\n\n".join(filter(None, parts)) + "\n"


def _subject(delivered: Sequence[Entry]) -> str:
    modules = [_plain(entry.end.module) for entry in delivered]
    named = f"Add generated tests for {modules[0]}" if len(modules) == 1 else ""
    counted = f"{len(modules)} module" + ("" if len(modules) == 1 else "s")
    return named if named and len(named) <= WIDTH else f"Add generated tests for {counted}"


def _table(entries: Sequence[Entry]) -> str:
    rows = [COLUMNS, *(_cells(entry.end) for entry in entries)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    lines = (
        "  ".join(
            cell.ljust(width) if column < 2 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)


def _cells(end: TaskFinished) -> tuple[str, ...]:
    kept = end.kept
    short = end.outcome == "completed" and not end.threshold_met
    return (
        _plain(end.module),
        "below threshold" if short else end.outcome,
        str(kept),
        str(len(end.tests) + end.omitted - kept),
        _percent(end.coverage.line if end.coverage else None),
        _percent(end.coverage.branch if end.coverage else None),
        f"{end.mutation.killed}/{end.mutation.total}" if end.mutation.total else "-",
    )


def _files(delivered: Sequence[Entry]) -> str:
    return "\n".join(name for entry in delivered for name in entry.files)


def _notes(entries: Sequence[Entry]) -> str:
    lines = [f"{entry.end.module}: {entry.note or _error(entry.end)}" for entry in entries]
    return "\n".join(_plain(line) for line in lines if not line.endswith(": "))


def _error(end: TaskFinished) -> str:
    return f"{end.error.cause}: {end.error.message}" if end.error else ""


def _trailers(entries: Sequence[Entry], facts: Mapping[str, str]) -> str:
    told = [f"{key}: {_plain(value)}" for key, value in facts.items() if value]
    tasks = [f"Testwright-Task: {entry.end.task_id}" for entry in entries]
    jobs = [f"Testwright-Job: {job}" for job in dict.fromkeys(entry.end.job_id for entry in entries)]
    return "\n".join([*told, *jobs, *tasks])


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.0f} %"


def _plain(text: str) -> str:
    """Return text in one line: engines and projects choose some of it."""
    return "".join(char if char.isprintable() else " " for char in text)
