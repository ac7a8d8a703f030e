"""Shows progress: on a terminal as lines that change in place, elsewhere as one plain line a change."""

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from testwright.cli.output import plain, table
from testwright.cli.progress import Row, cells, summary

MAX_ROWS = 12
"""Tasks shown at a time; of more than that those that are running come first."""

Changed = Callable[[str], None]
"""Says that the row of a task has changed."""


def following(
    console: Console, rows: dict[str, Row], now: Callable[[], datetime], *, in_place: bool = True
) -> AbstractContextManager[Changed]:
    """Show rows, by task id, for as long as the body runs; it calls what it gets whenever it has changed one.

    ``in_place`` is ``False`` where other lines come between, such as a log.
    """
    return _live(console, rows, now) if in_place and console.is_terminal else _lines(console, rows, now)


@contextmanager
def _live(console: Console, rows: dict[str, Row], now: Callable[[], datetime]) -> Generator[Changed]:
    def drawn() -> Group:
        # The thread that redraws may read while a row is replaced; a copy of the values is whole.
        return picture(list(rows.values()), now())

    with Live(get_renderable=drawn, console=console, refresh_per_second=4, transient=True) as live:
        yield lambda _: live.refresh()


@contextmanager
def _lines(console: Console, rows: dict[str, Row], now: Callable[[], datetime]) -> Generator[Changed]:
    def changed(task_id: str) -> None:
        texts = (plain(text) for text in cells(rows[task_id], now()) if text)
        console.print(Text("  ".join(texts)), soft_wrap=True)

    yield changed


def picture(rows: list[Row], now: datetime) -> Group:
    """Return rows as a table, at most ``MAX_ROWS`` of them, with a summary below."""
    shown = rows if len(rows) <= MAX_ROWS else sorted(rows, key=_rank)[:MAX_ROWS]
    lines = table([""] * 6, [cells(row, now) for row in shown], short=True)
    return Group(lines, Text(summary(rows), style="dim"))


def _rank(row: Row) -> int:
    return 2 if row.ended else 1 if row.phase == "queued" else 0
