"""Parts that run beside a body of code: the only place that keeps exception groups from its callers."""

from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, cast

import anyio

Part = Callable[..., Coroutine[Any, Any, None]]
"""A long-running part that takes ``task_status`` and reports when it stands."""


@asynccontextmanager
async def beside(*parts: Part) -> AsyncGenerator[None]:
    """Run parts for as long as the body runs, each started before the next.

    What the body raises comes out as itself; so does the first error of a part, which ends the body.
    """
    failure: BaseException | None = None
    try:
        async with anyio.create_task_group() as tg:
            for part in parts:
                await tg.start(part)
            try:
                yield
            except (Exception, KeyboardInterrupt, SystemExit) as error:  # noqa: BLE001  raised again below
                failure = error
            tg.cancel_scope.cancel()
    except ExceptionGroup as group:
        raise _first(group) from group
    if failure:
        raise failure


def _first(error: Exception) -> Exception:
    if not isinstance(error, ExceptionGroup):
        return error
    group = cast("ExceptionGroup[Exception]", error)
    return _first(group.exceptions[0])
