"""The only place that forks: a piece of work in a process group of its own, heard through a pipe, ended for certain."""

import contextlib
import os
import selectors
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field

READ = 65_536


@dataclass(eq=False)
class Fork:
    """A forked piece of work.

    Attributes:
        pid: of the process, and of its group.
        fd: the reading end of its pipe.
        deadline: of ``time.monotonic()``.
        heard: what it has written so far.
        hung: whether it was still running at its deadline.
    """

    pid: int
    fd: int
    deadline: float
    heard: bytearray = field(default_factory=bytearray)
    hung: bool = False

    def lines(self) -> list[bytes]:
        """Return the complete lines that it wrote."""
        return bytes(self.heard).split(b"\n")[:-1]

    def end(self) -> int:
        """Kill whatever of the group still runs; return the exit status, negative for a signal."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        # The group does not exist yet where the child has not come to make it.
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        os.close(self.fd)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def fork(work: Callable[[int], None], limit_s: float) -> Fork:
    """Do ``work`` in a child; it gets the writing end of the pipe. Its standard streams lead nowhere."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.setsid()
            os.close(reading)
            work(writing)
            code = 0
        finally:
            # Neither atexit functions nor the parent's frames above may run in here.
            os._exit(code)
    os.close(writing)
    return Fork(pid, reading, time.monotonic() + limit_s)


def finished(forks: list[Fork], said_all: Callable[[Fork], bool]) -> list[Fork]:
    """Wait until some of them have said everything, have ended, or are at their deadline; return those."""
    while True:
        timeout = max(0.0, min(each.deadline for each in forks) - time.monotonic())
        with selectors.DefaultSelector() as selector:
            for each in forks:
                selector.register(each.fd, selectors.EVENT_READ, each)
            ready = [key.data for key, _ in selector.select(timeout)]
        done = [each for each in ready if _read(each) or said_all(each)]
        late = [each for each in forks if each not in done and each.deadline <= time.monotonic()]
        for each in late:
            each.hung = True
        if done or late:
            return done + late


def _read(each: Fork) -> bool:
    """Take what there is; say whether it was the end."""
    data = os.read(each.fd, READ)
    each.heard += data
    return not data
