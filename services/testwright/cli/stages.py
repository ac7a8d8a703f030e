"""Shows a run of a workflow while it goes on: all stages at once, and the tasks that one of them has submitted."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import anyio
from rich.console import Console

from testwright import clock
from testwright.cli import output
from testwright.cli.progress import Row, evolve
from testwright.cli.screen import Changed, following
from testwright.client import Client
from testwright.errors import TestwrightError
from testwright.workflow.core import Followed
from testwright.workflow.driver import Heard
from testwright_schemas import StageFinished, StageStarted, TaskEvent, TaskSubmitted, WorkflowStarted


@asynccontextmanager
async def shown(client: Client, console: Console, describe: Callable[[Followed], str]) -> AsyncGenerator[Heard]:
    """Show what is heard for as long as the body runs: in place on a terminal, elsewhere a line for each event.

    Args:
        client: where the tasks of a run are followed, for a terminal.
        console: for people.
        describe: makes a line of an event, an empty one where it says nothing.
    """
    if not console.is_terminal:
        yield lambda event: output.tell(describe(event)) if describe(event) else None
        return
    rows: dict[str, Row] = {}
    with following(console, rows, clock.now) as changed:
        async with anyio.create_task_group() as followers:

            def heard(event: Followed) -> None:
                rows.update(after(rows, event))
                if isinstance(event, StageFinished) and event.task_ids and not event.modules:
                    followers.start_soon(_follow, client, rows, event.task_ids, changed)
                changed("")

            yield heard
            followers.cancel_scope.cancel()


def after(rows: dict[str, Row], event: Followed) -> dict[str, Row]:
    """Return the rows of stages, by name, that an event changes. Pure."""
    match event:
        case WorkflowStarted():
            return {spec.name: Row(spec.name) for spec in event.plan.stages}
        case StageStarted():
            return {event.stage: replace(rows[event.stage], phase="running", since=event.started_at)}
        case StageFinished():
            ended = replace(rows[event.stage], phase=event.outcome, message=event.message, until=event.completed_at)
            tasks = {task: Row(f"  {task}") for task in event.task_ids if task not in rows}
            return {event.stage: replace(ended, since=event.started_at), **tasks}
        case _:
            return {}


async def _follow(client: Client, rows: dict[str, Row], task_ids: tuple[str, ...], changed: Changed) -> None:
    # A picture that stands still is no reason to end the run.
    with suppress(TestwrightError):
        async with client.watch(*task_ids) as events:
            async for _, event in events:
                if isinstance(event, TaskEvent):
                    rows[event.task_id] = _after(rows[event.task_id], event)
                    changed(event.task_id)


def _after(row: Row, event: TaskEvent) -> Row:
    named = replace(row, module=f"  {event.target.module}") if isinstance(event, TaskSubmitted) else row
    return evolve(named, event)
