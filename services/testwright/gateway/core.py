"""The board: everything the gateway shows now, folded from the one stream of events.

Each row remembers the sequence that changed it last, so whoever has seen the board up to some sequence is brought up to
date with the rows behind it: no row is missed, and none is sent twice. Two boards that have seen the same prefix of the
stream are the same, whoever keeps them.
"""

from collections.abc import Collection, Iterator
from datetime import datetime
from typing import Protocol, TypeVar

from msgspec.structs import replace

from testwright.gateway import rows, runs
from testwright.gateway.rows import TaskRow
from testwright.gateway.runs import RunRow
from testwright_schemas import (
    AttemptFailed,
    AttemptStarted,
    EventMessage,
    Record,
    SuiteGenerated,
    TaskEvent,
    TaskFinished,
    TaskMessage,
    WorkflowEvent,
    WorkflowMessage,
)

MAX_ROWS = 50_000
"""Tasks kept on the board; of more, those that have not changed for longest are left out."""

ALL = "*"
"""Stands for every namespace."""


class WorkerRow(Record, frozen=True, kw_only=True):
    """A generator's worker, by what events tell of it.

    Attributes:
        name: of the worker.
        namespace: of the tasks; a worker that serves several has a row in each.
        engine: of its last attempt.
        tasks: whose attempts it runs now.
        seen_at: when it last began or ended something.
        lost_at: when another worker took over an attempt that this one had not ended; ``None`` once it begins anew.
        lost_to: that other worker.
        sequence: of the last event that changed the row.
    """

    name: str
    namespace: str
    engine: str = ""
    tasks: tuple[str, ...] = ()
    seen_at: datetime
    lost_at: datetime | None = None
    lost_to: str | None = None
    sequence: int


class Change(Record, frozen=True, kw_only=True):
    """The rows that somebody has not seen yet, and the sequence up to which they then know everything.

    ``reset`` says that whatever they knew before is void.
    """

    sequence: int
    reset: bool = False
    tasks: tuple[TaskRow, ...] = ()
    workers: tuple[WorkerRow, ...] = ()
    runs: tuple[RunRow, ...] = ()


class Board:
    """Rows of all namespaces; ``sequence`` is that of the last event it has seen."""

    def __init__(self) -> None:
        self.sequence = 0
        self._tasks: dict[str, TaskRow] = {}
        self._workers: dict[str, WorkerRow] = {}
        self._runs: dict[str, RunRow] = {}

    def apply(self, sequence: int, time: datetime, event: EventMessage) -> None:
        """Take in the next event of the stream; one that was taken in before changes nothing.

        Args:
            sequence: of the event.
            time: when the server stored it.
            event: what happened.
        """
        if sequence <= self.sequence:
            return
        self.sequence = sequence
        match event:
            case TaskEvent():
                self._apply_task(sequence, time, event)
            case WorkflowEvent():
                self._apply_run(sequence, event)
            case _:
                pass

    def task(self, namespace: str, task_id: str) -> TaskRow | None:
        """Return the row of a task, ``None`` where there is none."""
        return self._tasks.get(_key(namespace, task_id))

    def tasks(self, namespaces: Collection[str]) -> Iterator[TaskRow]:
        """Yield the rows of all tasks of these namespaces, the last one that changed first."""
        return _of(reversed(self._tasks.values()), namespaces)

    def runs(self, namespaces: Collection[str]) -> Iterator[RunRow]:
        """Yield the rows of all workflow runs of these namespaces, the last one that changed first."""
        return _of(reversed(self._runs.values()), namespaces)

    def since(self, sequence: int | None, namespaces: Collection[str]) -> Change:
        """Return what changed behind a sequence; everything for ``None``, or where it is not of this stream's past."""
        reset = sequence is None or sequence > self.sequence
        after = 0 if sequence is None or reset else sequence
        return Change(
            sequence=self.sequence,
            reset=reset,
            tasks=_behind(self._tasks, after, namespaces),
            workers=_behind(self._workers, after, namespaces),
            runs=_behind(self._runs, after, namespaces),
        )

    def _apply_task(self, sequence: int, time: datetime, event: TaskMessage) -> None:
        key = _key(event.namespace, event.task_id)
        before = self._tasks.get(key)
        after = rows.evolve(before, sequence, event)
        if after is None or after is before:
            return
        _put(self._tasks, key, after)
        if len(self._tasks) > MAX_ROWS:
            del self._tasks[next(iter(self._tasks))]
        self._apply_worker(sequence, time, event, before)

    def _apply_worker(self, sequence: int, time: datetime, event: TaskMessage, before: TaskRow | None) -> None:
        holder = before.worker if before else None
        if isinstance(event, AttemptStarted):
            if holder and holder != event.worker:
                # An attempt that ends says so: one that is followed by another without a word was cut off.
                self._let_go(sequence, time, event, holder, event.worker)
            self._take(sequence, time, event)
        elif holder and isinstance(event, SuiteGenerated | AttemptFailed | TaskFinished):
            self._let_go(sequence, time, event, holder, None)

    def _take(self, sequence: int, time: datetime, event: AttemptStarted) -> None:
        key = _key(event.namespace, event.worker)
        known = self._workers.get(key)
        tasks = dict.fromkeys((*(known.tasks if known else ()), event.task_id))
        row = WorkerRow(
            name=event.worker,
            namespace=event.namespace,
            engine=event.attempt.engine,
            tasks=tuple(tasks),
            seen_at=time,
            sequence=sequence,
        )
        _put(self._workers, key, row)

    def _let_go(self, sequence: int, time: datetime, event: TaskEvent, worker: str, lost_to: str | None) -> None:
        key = _key(event.namespace, worker)
        row = self._workers.get(key)
        if row is None or event.task_id not in row.tasks:
            return
        row = replace(row, tasks=tuple(one for one in row.tasks if one != event.task_id), sequence=sequence)
        # What another worker says is no sign of life of this one.
        row = replace(row, lost_at=time, lost_to=lost_to) if lost_to else replace(row, seen_at=time)
        _put(self._workers, key, row)

    def _apply_run(self, sequence: int, event: WorkflowMessage) -> None:
        key = _key(event.namespace, event.run_id)
        before = self._runs.get(key)
        after = runs.evolve(before, sequence, event)
        if after is not None and after is not before:
            _put(self._runs, key, after)


Row = TypeVar("Row", bound="_HasPlace")


class _HasPlace(Protocol):
    @property
    def namespace(self) -> str: ...
    @property
    def sequence(self) -> int: ...


def _key(namespace: str, name: str) -> str:
    return f"{namespace}/{name}"


def _put(table: dict[str, Row], key: str, row: Row) -> None:
    """Have the last row of a table be the one that changed last."""
    table.pop(key, None)
    table[key] = row


def _of(found: Iterator[Row], namespaces: Collection[str]) -> Iterator[Row]:
    return (row for row in found if ALL in namespaces or row.namespace in namespaces)


def _behind(table: dict[str, Row], sequence: int, namespaces: Collection[str]) -> tuple[Row, ...]:
    found: list[Row] = []
    for row in reversed(table.values()):
        if row.sequence <= sequence:
            break
        found.append(row)
    return tuple(_of(reversed(found), namespaces))
