"""The only place that takes signals: the first asks for the end, the second does not ask any more."""

import signal
from collections.abc import Callable, Coroutine
from typing import Any

import anyio
from anyio.abc import TaskStatus


class Interruption:
    """What Ctrl-C (SIGINT) and SIGTERM lead to.

    Args:
        scope: of everything that runs; the second signal cancels it, and so does the first before ``ask`` is set.

    Attributes:
        ask: what the first signal does.
        count: signals so far.
    """

    def __init__(self, scope: anyio.CancelScope) -> None:
        self._scope = scope
        self.ask: Callable[[], Coroutine[Any, Any, None]] | None = None
        self.count = 0

    async def follow(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Take signals until cancelled; reports started when they are taken."""
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            task_status.started()
            async with anyio.create_task_group() as asking:
                async for _ in signals:
                    self.count += 1
                    if self.count > 1 or self.ask is None:
                        self._scope.cancel()
                    else:
                        # Beside this loop, so that the second signal need not wait for what the first one asks.
                        asking.start_soon(self.ask)
