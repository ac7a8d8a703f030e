"""The only place that forks: a piece of work in a process group of its own, heard through a pipe, ended for certain.

A child runs judged code, its parent must not believe more of it than what comes through its own pipe: a child has none
of the other descriptors of its parent, and cannot look into any process that is shielded.
"""

import contextlib
import os
import selectors
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

READ = 65_536
MOST_HEARD = 16 << 20
"""What a child may have said and its parent not taken yet, in bytes; it is ended when it says more."""

PR_SET_DUMPABLE = 4
PR_SET_CHILD_SUBREAPER = 36
_ROUNDS = 200
"""Times that strays are looked for after a child: a fork bomb that outruns this ends with the run."""

_withheld: set[int] = set()
_running: set[int] = set()


@dataclass(eq=False)
class Fork:
    """A forked piece of work.

    Attributes:
        pid: of the process, and of its group.
        fd: the reading end of its pipe.
        deadline: of ``time.monotonic()``.
        older: children that were there before it.
        heard: what it has written and nobody has taken.
        hung: whether it was still running at its deadline.
        silent: whether it has closed its pipe, or has said too much.
    """

    pid: int
    fd: int
    deadline: float
    older: frozenset[int] = frozenset()
    heard: bytearray = field(default_factory=bytearray)
    hung: bool = False
    silent: bool = False

    def lines(self) -> list[bytes]:
        """Return the complete lines that it wrote."""
        return bytes(self.heard).split(b"\n")[:-1]

    def take(self) -> list[bytes]:
        """Return the complete lines that nobody has taken yet, and forget them."""
        lines = self.lines()
        del self.heard[: sum(len(line) + 1 for line in lines)]
        return lines

    def end(self) -> int:
        """Kill it and whatever it has left running; return the exit status, negative for a signal."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        # The group does not exist yet where the child has not come to make it.
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        withhold(self.fd, False)
        os.close(self.fd)
        status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        _running.discard(self.pid)
        _kill_strays(self.older)
        return status


def withhold(fd: int, wanted: bool = True) -> None:
    """Keep a descriptor from all children, or no longer."""
    (_withheld.add if wanted else _withheld.discard)(fd)


def shield() -> None:
    """Keep others of the same user from looking into this process and its children; adopt orphans among them."""
    with contextlib.suppress(ImportError, OSError, AttributeError):
        import ctypes  # noqa: PLC0415  some builds of Python lack it

        libc = ctypes.CDLL(None)
        libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
        libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def fork(work: Callable[[int], None], limit_s: float) -> Fork:
    """Do ``work`` in a child; it gets the writing end of the pipe. Its standard streams lead nowhere."""
    older = frozenset(_children())
    reading, writing = os.pipe()
    withhold(reading)
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.setsid()
            _forget(writing)
            work(writing)
            code = 0
        finally:
            # Neither atexit functions nor the parent's frames above may run in here.
            os._exit(code)
    os.close(writing)
    _running.add(pid)
    return Fork(pid, reading, time.monotonic() + limit_s, older)


def _forget(writing: int) -> None:
    """Let go of what is the parent's; what is ours, no child of ours may have."""
    for fd in _withheld:
        os.close(fd)
    _withheld.clear()
    _running.clear()
    withhold(writing)


def finished(forks: list[Fork], said_all: Callable[[Fork], bool]) -> list[Fork]:
    """Wait until some of them have said everything, have ended, or are at their deadline; return those."""
    while True:
        timeout = max(0.0, min(each.deadline for each in forks) - time.monotonic())
        with selectors.DefaultSelector() as selector:
            for each in forks:
                selector.register(each.fd, selectors.EVENT_READ, each)
            ready: list[Fork] = [key.data for key, _ in selector.select(timeout)]
        for each in ready:
            _read(each)
        done = [each for each in ready if each.silent or said_all(each)]
        late = [each for each in forks if each not in done and each.deadline <= time.monotonic()]
        for each in late:
            each.hung = True
        if done or late:
            return done + late


def _read(each: Fork) -> None:
    data = os.read(each.fd, READ)
    each.heard += data
    each.silent = not data or len(each.heard) > MOST_HEARD


def _kill_strays(older: frozenset[int]) -> None:
    """Kill the daemons that a child has left to us, and theirs in turn."""
    for _ in range(_ROUNDS):
        strays = [child for child in _children() if child not in older and child not in _running]
        if not strays:
            return
        for stray in strays:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(stray, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(stray, 0)


def _children() -> Iterator[int]:
    # Only Linux shows this, and only Linux lets orphans be adopted.
    with contextlib.suppress(OSError):
        for thread in os.listdir("/proc/self/task"):  # noqa: PTH208  it is done for every test
            with open(f"/proc/self/task/{thread}/children", "rb") as listed:  # noqa: PTH123  as above
                yield from map(int, listed.read().split())
