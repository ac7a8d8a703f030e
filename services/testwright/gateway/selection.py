"""Which tasks a list shows: filters and pages. Pure."""

from collections.abc import Iterable

from testwright.gateway.rows import TaskRow
from testwright.history import TaskState
from testwright_schemas import Record

MAX_PAGE = 1000
"""Tasks in one page."""


class Wanted(Record, frozen=True, kw_only=True):
    """What a list is asked for; what is ``None`` or empty filters nothing.

    Attributes:
        state: of the tasks.
        module: the target, or a package above it.
        job: its id.
        text: part of the module, the id, the job's id, the engine, the worker or the message, whatever its case.
        after: id of the last task of the page before.
        limit: tasks in the page.
    """

    state: TaskState | None = None
    module: str | None = None
    job: str | None = None
    text: str = ""
    after: str | None = None
    limit: int = 100


class TaskPage(Record, frozen=True, kw_only=True):
    """Tasks, newest first. ``next`` is the ``after`` of the next page, ``None`` on the last one."""

    tasks: tuple[TaskRow, ...]
    next: str | None
    total: int


def page(tasks: Iterable[TaskRow], wanted: Wanted) -> TaskPage:
    """Return one page of the tasks that are wanted; ``total`` counts all pages."""
    found = sorted((row for row in tasks if _fits(row, wanted)), key=_age, reverse=True)
    ids = [row.id for row in found]
    start = ids.index(wanted.after) + 1 if wanted.after in ids else 0
    shown = found[start : start + wanted.limit]
    more = start + len(shown) < len(found)
    return TaskPage(tasks=tuple(shown), next=shown[-1].id if shown and more else None, total=len(found))


def _age(row: TaskRow) -> tuple[object, str]:
    return (row.created_at, row.id)


def _fits(row: TaskRow, wanted: Wanted) -> bool:
    return (
        wanted.state in {None, row.state}
        and wanted.job in {None, row.job}
        and (wanted.module is None or f"{row.module}.".startswith(f"{wanted.module}."))
        and wanted.text.casefold() in _text(row)
    )


def _text(row: TaskRow) -> str:
    return "\n".join((row.module, row.id, row.job, row.engine or "", row.worker or "", row.message)).casefold()
