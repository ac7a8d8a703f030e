"""The live view of ``watch`` on a terminal: tasks, workers, runs and waits change in place, what has ended above.

It is drawn anew when something happens, and only then.
"""

from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from datetime import datetime

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from testwright.bus import Stored
from testwright.cli import overview
from testwright.cli.output import plain, table
from testwright.cli.progress import Row, evolve
from testwright.cli.screen import picture
from testwright.gateway.core import Board
from testwright.gateway.tables import ALL
from testwright.history import TaskStatus
from testwright_schemas import EventMessage, TaskEvent, TaskFinished, TaskSubmitted


class View:
    """What is on the screen.

    Args:
        console: a terminal.
        now: time of day.
        keep: whether tasks stay in the table when they have ended.
    """

    def __init__(self, console: Console, now: Callable[[], datetime], *, keep: bool) -> None:
        self._rows: dict[str, Row] = {}
        self._board = Board()
        self._keep = keep
        self._now = now
        self._live = Live(get_renderable=self._picture, console=console, auto_refresh=False)

    @contextmanager
    def shown(self) -> Generator[None]:
        """Show it for as long as the body runs; what it showed last stays."""
        with self._live:
            self._live.refresh()
            yield

    def begin(self, known: Iterable[TaskStatus]) -> None:
        """Show the tasks that were there before the first event."""
        for task in known:
            if self._keep or task.completed_at is None:
                phase = {"running": "prepare", "verifying": "verify"}.get(task.state, task.state)
                self._rows[task.id] = Row(
                    task.module, phase, task.message, task.tests, task.coverage, task.started_at, task.completed_at
                )
        self._live.refresh()

    def note(self, stored: Stored, event: EventMessage) -> None:
        """Take note of an event for what is shown besides tasks; nothing is drawn."""
        self._board.apply(stored.sequence, stored.time, event)

    def take(self, event: EventMessage, line: str) -> None:
        """Take in an event; ``line`` tells it, above the table, where the table does not."""
        if isinstance(event, TaskSubmitted):
            self._rows.setdefault(event.task_id, Row(event.target.module))
        if isinstance(event, TaskEvent) and (row := self._rows.get(event.task_id)):
            self._rows[event.task_id] = evolve(row, event)
            if isinstance(event, TaskFinished) and not self._keep:
                del self._rows[event.task_id]
        if isinstance(event, TaskFinished) or not isinstance(event, TaskEvent):
            self._live.console.print(Text(plain(line)), soft_wrap=True)
        self._live.refresh()

    def _picture(self) -> Group:
        now, shown = self._now(), picture(list(self._rows.values()), self._now())
        if self._keep:
            return shown
        change = self._board.since(None, [ALL])
        modules = {task.id: task.module for task in change.tasks}
        told = (
            overview.states(change.tasks),
            overview.workers(change.workers, modules),
            *overview.waits(change, now),
        )
        lines = [Text(plain(line), style="dim") for line in told if line]
        stages = [tuple(plain(cell) for cell in line) for line in overview.runs(reversed(change.runs), now)]
        return Group(shown, *([table([""] * 5, stages, short=True)] if stages else []), *lines)
