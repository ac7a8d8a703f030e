"""The board: everything the gateway shows now, folded from the one stream of events.

Each row remembers the sequence that changed it last, so whoever has seen the board up to some sequence is brought up to
date with the rows behind it: no row is missed, and none is sent twice. Two boards that have seen the same prefix of the
stream are the same, whoever keeps them.
"""

from collections.abc import Collection, Iterator
from datetime import datetime

from msgspec.structs import replace

from testwright.gateway import rows, runs, waits, workers
from testwright.gateway.rows import TaskRow
from testwright.gateway.runs import RunRow
from testwright.gateway.tables import Table
from testwright.gateway.waits import Calendar, LaneRow, LetterRow, ScheduleRow
from testwright.gateway.workers import Told, WorkerRow
from testwright_schemas import (
    AttemptFailed,
    EventMessage,
    LanePaused,
    MessageDeadLettered,
    Record,
    RetryPolicy,
    ScheduleEvent,
    TaskEvent,
    TaskMessage,
    TaskSubmitted,
    WorkflowEvent,
    WorkflowMessage,
)

MAX_ROWS = 50_000
"""Tasks kept on the board; of more, those that have not changed for longest are left out."""


class Change(Record, frozen=True, kw_only=True):
    """The rows that somebody has not seen yet, and the sequence up to which they then know everything.

    ``reset`` says that whatever they knew before is void.
    """

    sequence: int
    reset: bool = False
    tasks: tuple[TaskRow, ...] = ()
    workers: tuple[WorkerRow, ...] = ()
    runs: tuple[RunRow, ...] = ()
    lanes: tuple[LaneRow, ...] = ()
    letters: tuple[LetterRow, ...] = ()
    schedules: tuple[ScheduleRow, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether there are no rows in it."""
        return not any((self.tasks, self.workers, self.runs, self.lanes, self.letters, self.schedules))


class Board:
    """Rows of all namespaces; ``sequence`` is that of the last event it has seen."""

    def __init__(self) -> None:
        self.sequence = 0
        self._tasks: Table[TaskRow] = Table(MAX_ROWS)
        self._workers: Table[WorkerRow] = Table()
        self._runs: Table[RunRow] = Table()
        self._lanes: Table[LaneRow] = Table()
        self._letters: Table[LetterRow] = Table(waits.MAX_LETTERS)
        self._calendar = Calendar()
        self._retry: dict[str, RetryPolicy] = {}

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
            case ScheduleEvent():
                self._calendar.take(sequence, time, event)
            case LanePaused():
                waits.rest(self._lanes, sequence, event)
            case MessageDeadLettered():
                waits.bury(self._letters, sequence, time, event)
            case _:
                pass

    def task(self, namespace: str, task_id: str) -> TaskRow | None:
        """Return the row of a task, ``None`` where there is none."""
        return self._tasks.get(_key(namespace, task_id))

    def tasks(self, namespaces: Collection[str]) -> Iterator[TaskRow]:
        """Yield the rows of all tasks of these namespaces, the last one that changed first."""
        return self._tasks.of(namespaces)

    def runs(self, namespaces: Collection[str]) -> Iterator[RunRow]:
        """Yield the rows of all workflow runs of these namespaces, the last one that changed first."""
        return self._runs.of(namespaces)

    def since(self, sequence: int | None, namespaces: Collection[str]) -> Change:
        """Return what changed behind a sequence; everything for ``None``, or where it is not of this stream's past."""
        reset = sequence is None or sequence > self.sequence
        after = 0 if sequence is None or reset else sequence
        return Change(
            sequence=self.sequence,
            reset=reset,
            tasks=self._tasks.behind(after, namespaces),
            workers=self._workers.behind(after, namespaces),
            runs=self._runs.behind(after, namespaces),
            lanes=self._lanes.behind(after, namespaces),
            letters=self._letters.behind(after, namespaces),
            schedules=self._calendar.rows.behind(after, namespaces),
        )

    def _apply_task(self, sequence: int, time: datetime, event: TaskMessage) -> None:
        key = _key(event.namespace, event.task_id)
        before = self._tasks.get(key)
        if isinstance(event, TaskSubmitted):
            self._retry[key] = event.policy.retry
        after = rows.evolve(before, sequence, time, event)
        if after is None or after is before:
            return
        if isinstance(event, AttemptFailed) and (retry := self._retry.get(key)):
            after = replace(after, retry_at=rows.retry_at(event, retry, time))
        if forgotten := self._tasks.put(key, after):
            self._retry.pop(forgotten, None)
        workers.follow(self._workers, Told(sequence, time, event, before, after))

    def _apply_run(self, sequence: int, event: WorkflowMessage) -> None:
        key = _key(event.namespace, event.run_id)
        before = self._runs.get(key)
        after = runs.evolve(before, sequence, event)
        if after is not None and after is not before:
            self._runs.put(key, after)


def _key(namespace: str, name: str) -> str:
    return f"{namespace}/{name}"
