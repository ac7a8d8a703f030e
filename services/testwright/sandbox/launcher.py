"""The last step before foreign code: sets resource limits, then runs the command.

Run as a script (``python -I -S launcher.py [--lifeline FD] NAME=VALUE... -- PROGRAM ARGUMENT...``), never imported by
the service: limits set between fork and exec (``preexec_fn``) may deadlock in a process that has threads.
"""

import _thread
import os
import resource
import signal
import sys


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


def _execute(limits: list[str], argv: list[str]) -> None:
    for limit in limits:
        name, _, value = limit.partition("=")
        _limit(name, int(value))
    # Python ignores these two, and what is ignored stays so across exec.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    try:
        os.execvp(argv[0], argv)  # noqa: S606  a shell is what this must not be
    except OSError as error:
        os.write(2, f"testwright: cannot run {argv[0]}: {error.strerror}\n".encode())
        os._exit(127 if isinstance(error, FileNotFoundError) else 126)


def _kill_group_at_end(lifeline: int) -> None:
    # The other end is open in the service only: end of file means that it let go, or died, kill -9 included.
    os.read(lifeline, 1)
    os.killpg(0, signal.SIGKILL)


def _guard(lifeline: int, limits: list[str], argv: list[str]) -> None:
    child = os.fork()
    if child == 0:
        os.close(lifeline)
        _execute(limits, argv)
    _thread.start_new_thread(_kill_group_at_end, (lifeline,))
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if -code not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


def main(arguments: list[str]) -> None:
    """Run the command that ``arguments`` describe; does not return."""
    split = arguments.index("--")
    limits, argv = arguments[:split], arguments[split + 1 :]
    if limits[:1] == ["--lifeline"]:
        _guard(int(limits[1]), limits[2:], argv)
    _execute(limits, argv)


if __name__ == "__main__":
    main(sys.argv[1:])
