"""The only place that holds the descriptors of a run, and that ends a run through them."""

import contextlib
import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import anyio


class Pipes:
    """The descriptors of one run; those of the child are closed here once it has them.

    One of them ends the run. The guard of a process group has a ``lifeline``: it kills all others when that is closed
    here. Bubblewrap writes to ``child_info`` when its namespace has a first process; with that one, all of it ends. It
    kills all others, too, when the lifeline is closed, if it has ``child_carried`` to say then what they have written.

    Args:
        stdin: what the run reads.
        guarded: whether its first process is a guard, instead of bubblewrap.
    """

    def __init__(self, stdin: bytes, *, guarded: bool) -> None:
        self.guarded = guarded
        self._stack = contextlib.ExitStack()
        self._childs = self._stack.enter_context(contextlib.ExitStack())
        source = self._childs.enter_context(tempfile.TemporaryFile())  # noqa: SIM115  the stack closes it
        source.write(stdin)
        source.seek(0)
        self.stdin = source.fileno()
        self.out, self.child_out = self._pipe()
        self.err, self.child_err = self._pipe()
        self._info, self.child_info = self._pipe()
        self.carried, self.child_carried = self._pipe()
        self.lifeline, ours = os.pipe()
        self._childs.callback(os.close, self.lifeline)
        self._lifeline = self._stack.enter_context(contextlib.ExitStack())
        self._lifeline.callback(os.close, ours)

    def _pipe(self) -> tuple[int, int]:
        reading, writing = os.pipe()
        os.set_blocking(reading, False)
        self._stack.callback(os.close, reading)
        self._childs.callback(os.close, writing)
        return reading, writing

    def close_childs(self) -> None:
        """Close what the child has by now."""
        self._childs.close()

    def let_go(self) -> None:
        """Close the lifeline."""
        self._lifeline.close()

    async def end(self, pid: int) -> None:
        """Have all processes of the run killed; ``pid`` is the one that was started, and has not been waited for.

        With bubblewrap, all others are gone when this returns; a guard waits for them before it ends itself.
        """
        if self.guarded:
            self.let_go()
            return
        # Before that there is no namespace yet, only a bubblewrap that is about to make one, and would leave it behind.
        await anyio.wait_readable(self._info)
        for child in _children(pid):
            await _end_namespace(child)

    def __enter__(self) -> "Pipes":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stack.close()


async def _end_namespace(first: int) -> None:
    """Kill the first process of a namespace; it counts as ended only when the kernel has ended all others in there."""
    with contextlib.suppress(ProcessLookupError):
        descriptor = os.pidfd_open(first)
        try:
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
            await anyio.wait_readable(descriptor)
        finally:
            os.close(descriptor)


def _children(pid: int) -> Iterator[int]:
    with contextlib.suppress(OSError):
        yield from map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
