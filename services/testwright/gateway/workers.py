"""What the gateway shows of workers: who generates and who verifies what, folded from the events of tasks. Pure.

A generator is known by the attempts that it begins, and a verifier by the first thing that it says of a candidate.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from msgspec.structs import replace

from testwright.gateway.rows import TaskRow
from testwright.gateway.tables import Table
from testwright_schemas import (
    AttemptFailed,
    AttemptStarted,
    Record,
    SuiteGenerated,
    SuiteVerified,
    TaskFinished,
    TaskMessage,
    TaskProgressed,
)

WorkerRole = Literal["generator", "verifier"]


class WorkerRow(Record, frozen=True, kw_only=True):
    """A worker, by what events tell of it.

    Attributes:
        name: of the process; one that generates and verifies is two workers.
        role: what it does.
        namespace: of the tasks; a worker that serves several has a row in each.
        engine: of the last attempt that it has made or judged.
        tasks: that it works on now.
        seen_at: when it last began or ended something.
        lost_at: when another worker took over what this one had not ended; ``None`` once it begins anew.
        lost_to: that other worker.
        sequence: of the last event that changed the row.
    """

    name: str
    role: WorkerRole = "generator"
    namespace: str
    engine: str = ""
    tasks: tuple[str, ...] = ()
    seen_at: datetime
    lost_at: datetime | None = None
    lost_to: str | None = None
    sequence: int


@dataclass(frozen=True, slots=True)
class Told:
    """An event of a task, and its row before and after it."""

    sequence: int
    time: datetime
    event: TaskMessage
    before: TaskRow | None
    after: TaskRow


def follow(table: Table[WorkerRow], told: Told) -> None:
    """Bring workers up to date with an event."""
    before = told.before
    generator, verifier = (before.worker, before.verifier) if before else (None, None)
    match told.event:
        case AttemptStarted(worker=worker):
            # An attempt that ends says so: one that is followed by another without a word was cut off.
            _hand_over(table, told, "generator", generator, worker)
        case TaskProgressed() if told.after.verifier and told.after.verifier != verifier:
            _hand_over(table, told, "verifier", verifier, told.after.verifier)
        case SuiteGenerated():
            _let_go(table, told, "generator", generator)
        case SuiteVerified():
            _let_go(table, told, "verifier", verifier)
        case AttemptFailed() | TaskFinished():
            _let_go(table, told, "generator", generator)
            _let_go(table, told, "verifier", verifier)
        case _:
            pass


def _hand_over(table: Table[WorkerRow], told: Told, role: WorkerRole, from_: str | None, to: str) -> None:
    if from_ and from_ != to:
        _let_go(table, told, role, from_, lost_to=to)
    known = table.get(_key(told, role, to))
    row = WorkerRow(
        name=to,
        role=role,
        namespace=told.after.namespace,
        engine=told.after.engine or "",
        tasks=tuple(dict.fromkeys((*(known.tasks if known else ()), told.after.id))),
        seen_at=told.time,
        sequence=told.sequence,
    )
    table.put(_key(told, role, to), row)


def _let_go(
    table: Table[WorkerRow], told: Told, role: WorkerRole, worker: str | None, lost_to: str | None = None
) -> None:
    row = table.get(_key(told, role, worker)) if worker else None
    if row is None or told.after.id not in row.tasks:
        return
    row = replace(row, tasks=tuple(one for one in row.tasks if one != told.after.id), sequence=told.sequence)
    # What another worker says is no sign of life of this one.
    row = replace(row, lost_at=told.time, lost_to=lost_to) if lost_to else replace(row, seen_at=told.time)
    table.put(_key(told, role, row.name), row)


def _key(told: Told, role: WorkerRole, name: str) -> str:
    return f"{told.after.namespace}/{role}/{name}"
