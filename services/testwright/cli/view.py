"""The live view of ``watch`` on a terminal: tasks in a table that changes in place, what has ended in lines above it.

It is drawn anew when something happens, and only then.
"""

from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from datetime import datetime

from rich.console import Console
from rich.live import Live
from rich.text import Text

from testwright.cli.output import plain
from testwright.cli.progress import Row, evolve
from testwright.cli.screen import picture
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
        self._keep = keep
        self._live = Live(
            get_renderable=lambda: picture(list(self._rows.values()), now()), console=console, auto_refresh=False
        )

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
