"""The only place that writes to standard output and standard error."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec
import typer

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

NONE = "-"
"""What stands where there is no value."""

PIPE_WIDTH = 10_000
"""Columns of a table that no terminal shows: enough for it never to be cut."""


def document(value: Any) -> None:
    """Print one JSON document."""
    typer.echo(msgspec.json.format(msgspec.json.encode(value), indent=2))


def line(value: Any) -> None:
    """Print one line of JSON."""
    typer.echo(msgspec.json.encode(value))


def say(text: str) -> None:
    """Print one line for people."""
    typer.echo(plain(text))


def tell(text: str) -> None:
    """Print one line on standard error, where it is in no program's way."""
    typer.echo(plain(text), err=True)


def console(*, stderr: bool = False) -> "Console":
    """Return a console that colours on terminals only, and cuts nothing elsewhere."""
    from rich.console import Console  # noqa: PLC0415  takes longer to load than all of a verb that shows no table

    made = Console(stderr=stderr, highlight=False)
    return made if made.is_terminal else Console(stderr=stderr, highlight=False, width=PIPE_WIDTH)


def show(table: "Table") -> None:
    """Print a table."""
    console().print(table)


def table(
    columns: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[str] = (), *, short: bool = False
) -> "Table":
    """Return a table of plain texts; the columns in ``right`` are set flush right.

    A ``short`` one has no header, and one line a row: what does not fit is cut.
    """
    from rich.table import Table  # noqa: PLC0415  as above
    from rich.text import Text  # noqa: PLC0415  as above

    made = Table(box=None, pad_edge=False, header_style="bold", show_header=not short)
    for column in columns:
        made.add_column(
            column,
            justify="right" if column in right else "left",
            no_wrap=short,
            overflow="ellipsis" if short else "fold",
        )
    for row in rows:
        made.add_row(*(Text(plain(cell), style=_STYLES.get(cell, "")) for cell in row))
    return made


def plain(text: str) -> str:
    """Return text in one line that cannot steer a terminal: engines and projects choose some of it."""
    return "".join(char if char.isprintable() else " " for char in text)


def counted(number: int, noun: str) -> str:
    """Return a number of things: ``1 task``, ``2 tasks``."""
    return f"{number} {noun}" + ("" if number == 1 else "s")


def percent(share: float | None) -> str:
    """Return a share in percent, a dash where there is none."""
    return NONE if share is None else f"{share:.0f} %"


def moment(time: datetime | None) -> str:
    """Return a time of day in the user's zone, a dash where there is none."""
    return NONE if time is None else f"{time.astimezone():%Y-%m-%d %H:%M:%S}"


_STYLES = {
    "completed": "green",
    "failed": "red",
    "cancelled": "yellow",
    "below threshold": "yellow",
    "ok": "green",
    "warn": "yellow",
    "fail": "red",
    "yes": "green",
    "no": "yellow",
}
