"""The only place that takes signals: the first asks for the end, the second does not ask any more."""

import os
import signal
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import anyio
from anyio.abc import TaskStatus


class Interruption:
    """What Ctrl-C (SIGINT), SIGTERM and the closing of the terminal (SIGHUP) lead to.

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
        terminals = [stream for stream in _OUTPUTS if os.isatty(stream)]
        with anyio.open_signal_receiver(*taken()) as signals:
            task_status.started()
            async with anyio.create_task_group() as asking:
                async for number in signals:
                    if number == signal.SIGHUP:
                        let_go(terminals)
                    self.count += 1
                    if self.count > 1 or self.ask is None:
                        self._scope.cancel()
                    else:
                        # Beside this loop, so that the second signal need not wait for what the first one asks.
                        asking.start_soon(self.ask)


_OUTPUTS = (1, 2)


def taken() -> Iterator[signal.Signals]:
    """Yield the signals to take."""
    yield from (signal.SIGINT, signal.SIGTERM)
    # Whoever starts us with nohup wants us to outlive the terminal.
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        yield signal.SIGHUP


def let_go(terminals: list[int]) -> None:
    """Send what is still said to nowhere where a terminal has gone: writing to it would be an error."""
    for stream in terminals:
        if not os.isatty(stream):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream)
            os.close(nowhere)
