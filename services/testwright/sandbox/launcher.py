"""The last step before foreign code: joins control groups, sets limits, then runs the command.

Run as a script (``python -I -S launcher.py [--join FD]... [--init | --carry ORDER | --lifeline FD] NAME=VALUE... --
PROGRAM ARGUMENT...``, where ``NAME`` is a resource, or ``CONFINE``), never imported by the service: limits set between
fork and exec (``preexec_fn``) may deadlock in a process that has threads.
"""

import _thread
import contextlib
import os
import resource
import signal
import sys

TYPE_CHECKING = False  # typing takes longer to start than all of this
if TYPE_CHECKING:
    from typing import Any

PR_SET_CHILD_SUBREAPER = 36


def _processes_of_user() -> int | None:
    # RLIMIT_NPROC counts every thread of the user on the machine, so the limit goes on top of those already there.
    if not sys.platform.startswith("linux"):
        return None
    total = 0
    try:
        with os.scandir("/proc") as entries:
            for entry in entries:
                if entry.name.isdigit():
                    total += _threads_if_ours(entry.path)
    except OSError:
        return None
    return total


def _threads_if_ours(process: str) -> int:
    try:
        ours = os.stat(process).st_uid == os.getuid()  # noqa: PTH116  pathlib triples the start of every run
        return len(os.listdir(process + "/task")) if ours else 0  # noqa: PTH208  as above
    except OSError:
        return 0


def _limit(name: str, value: int) -> None:
    kind: int = getattr(resource, "RLIMIT_" + name, -1)
    if kind < 0:
        return
    if name == "NPROC":
        present = _processes_of_user()
        if present is None:
            return
        value += present
    _, hard = resource.getrlimit(kind)
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    try:
        resource.setrlimit(kind, (value, value))
    except (OSError, ValueError) as error:
        # macOS refuses RLIMIT_AS; the wall limit still holds there.
        if sys.platform.startswith("linux"):
            raise SystemExit(f"testwright: cannot limit {name}: {error}") from error


def _neighbour(name: str) -> "Any":
    """Return a module beside this script, where an isolated interpreter does not look."""
    import importlib  # noqa: PLC0415  few runs need it

    sys.path.insert(0, os.path.dirname(__file__))  # noqa: PTH120  pathlib is slow to start, see below
    try:
        return importlib.import_module(name)
    finally:
        # The names of others in there must not be found after.
        sys.path.pop(0)


def _confine(rules: str) -> None:
    import json  # noqa: PLC0415  few runs need it

    confine = _neighbour("confine")
    try:
        confine.confine(json.loads(rules))
    except OSError as error:
        raise SystemExit(f"testwright: cannot confine the run: {error}") from error


def _execute(limits: list[str], argv: list[str]) -> None:
    for limit in limits:
        name, _, value = limit.partition("=")
        if name == "CONFINE":
            _confine(value)
        else:
            _limit(name, int(value))
    # Python ignores these two, and what is ignored stays so across exec.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    try:
        os.execvp(argv[0], argv)  # noqa: S606  a shell is what this must not be
    except OSError as error:
        os.write(2, f"testwright: cannot run {argv[0]}: {error.strerror}\n".encode())
        os._exit(127 if isinstance(error, FileNotFoundError) else 126)


def _start(limits: list[str], argv: list[str], *ours: int) -> int:
    """Start the command; it runs once this process has let go of the run's pipes, for it could open them here."""
    waiting, going = os.pipe()
    child = os.fork()
    if child == 0:
        for fd in (going, *ours):
            os.close(fd)
        os.read(waiting, 1)
        os.close(waiting)
        _execute(limits, argv)
    os.close(waiting)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(nowhere, fd)
    os.close(going)
    return child


def _wait(child: int) -> int:
    """Wait for the command, and for any orphan that ends before it; return how the command ended."""
    while True:
        ended, status = os.waitpid(-1, 0)
        if ended == child:
            return os.waitstatus_to_exitcode(status)


def _init(limits: list[str], argv: list[str]) -> None:
    # When the first process of a namespace ends, the kernel kills all others.
    code = _wait(_start(limits, argv))
    os._exit(code if code >= 0 else 128 - code)


def _carry(order: str, limits: list[str], argv: list[str]) -> None:
    """Run the command in folders that are filled before, and send what is left in them when all in here are dead."""
    import json  # noqa: PLC0415  few runs need it

    carry, told = _neighbour("carry"), json.loads(order)
    try:
        seen = carry.fill(told["places"])
    except OSError as error:
        raise SystemExit(f"testwright: the folders cannot be filled: {error}") from error
    child = _start(limits, argv, told["lifeline"], told["fd"])
    _thread.start_new_thread(_kill_others_at_end, (told["lifeline"],))
    code = _wait(child)
    _kill_others()
    with contextlib.suppress(ChildProcessError):
        while True:
            os.waitpid(-1, 0)
    carry.send(told["fd"], told["places"], seen, told["bytes"])
    os._exit(code if code >= 0 else 128 - code)


def _kill_others_at_end(lifeline: int) -> None:
    os.read(lifeline, 1)
    _kill_others()


def _kill_others() -> None:
    """Kill all processes but this one, the first of a namespace."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(-1, signal.SIGKILL)


def _guard(lifeline: int, limits: list[str], argv: list[str]) -> None:
    _adopt_orphans()
    child = _start(limits, argv, lifeline)
    _thread.start_new_thread(_kill_at_end, (lifeline, child))
    code = _wait(child)
    _kill_descendants()
    if code < 0:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if -code not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


def _kill_at_end(lifeline: int, child: int) -> None:
    # The other end is open in the service only: end of file means that it let go, or died, kill -9 included.
    os.read(lifeline, 1)
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)


def _adopt_orphans() -> None:
    """Have daemons that leave the process group become children of this process, where the kernel can do that."""
    if sys.platform.startswith("linux"):
        with contextlib.suppress(ImportError, OSError, AttributeError):
            import ctypes  # noqa: PLC0415  it costs half as much again as all of this process's start

            ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _kill_descendants() -> None:
    """Kill the children that are left, and theirs, which become ours when they end."""
    with contextlib.suppress(ChildProcessError, OSError):
        while children := _children():
            for child in children:
                os.kill(child, signal.SIGKILL)
            os.waitpid(-1, 0)


def _children() -> list[int]:
    found: list[int] = []
    for thread in os.listdir("/proc/self/task"):  # noqa: PTH208  as above
        with open(f"/proc/self/task/{thread}/children") as listed:  # noqa: PTH123  as above
            found += map(int, listed.read().split())
    return found


def main(arguments: list[str]) -> None:
    """Run the command that ``arguments`` describe; does not return."""
    split = arguments.index("--")
    options, argv = arguments[:split], arguments[split + 1 :]
    while options[:1] == ["--join"]:
        # "0" is whoever writes; the file was opened outside, so no such folder need be seen in here.
        os.write(int(options[1]), b"0")
        os.close(int(options[1]))
        options = options[2:]
    if options[:1] == ["--init"]:
        _init(options[1:], argv)
    if options[:1] == ["--carry"]:
        _carry(options[1], options[2:], argv)
    if options[:1] == ["--lifeline"]:
        _guard(int(options[1]), options[2:], argv)
    _execute(options, argv)


if __name__ == "__main__":
    main(sys.argv[1:])
