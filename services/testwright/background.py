"""What runs at the same time: the only place that keeps exception groups from its callers."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar, cast

import anyio

T = TypeVar("T")

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


async def together(calls: Sequence[Callable[[], Awaitable[T]]], *, at_a_time: int = 16) -> list[T]:
    """Return what calls return, in their order; they are made at the same time, so many of them.

    All come to their end, whatever becomes of the others; then the first error comes out as itself.
    """
    if len(calls) == 1:
        return [await calls[0]()]
    results: dict[int, T] = {}
    errors: list[Exception] = []
    left = iter(enumerate(calls))

    async def make() -> None:
        for index, call in left:
            try:
                results[index] = await call()
            except Exception as error:  # noqa: BLE001  raised below, when the others have ended
                errors.append(error)

    async with anyio.create_task_group() as tasks:
        for _ in range(1, min(len(calls), at_a_time)):
            tasks.start_soon(make)
        await make()
    if errors:
        raise errors[0]
    return [results[index] for index in range(len(calls))]


def _first(error: Exception) -> Exception:
    if not isinstance(error, ExceptionGroup):
        return error
    group = cast("ExceptionGroup[Exception]", error)
    return _first(group.exceptions[0])
