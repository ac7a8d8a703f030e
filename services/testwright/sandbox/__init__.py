"""The one place that runs what is not ours: engines, collected tests and the modules under test."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from testwright_schemas import Isolation


@dataclass(frozen=True, slots=True)
class Limits:
    """What a run may use.

    Attributes:
        wall_s: seconds after which all of it is killed.
        cpu_s: CPU seconds of each process (RLIMIT_CPU); ``None`` for what all cores can give in ``wall_s``.
        memory_mb: address space of each process (RLIMIT_AS), in MiB; ``None`` for no limit.
        group_mb: memory of all its processes and of its temporary files together, in MiB, where control groups can be
            made.
        output_bytes: of stdout and of stderr each; the head and the tail are kept, the middle is dropped.
        file_mb: size of a single file it writes (RLIMIT_FSIZE), in MiB.
        disk_mb: size of each of its writable folders, in MiB, under bubblewrap: they are in memory then, and the plain
            files that are new in them are written to the disk at the end, ``carry.MOST_FILES`` and this size at most.
            ``None`` for no limit but the disk's.
        scratch_mb: size of each temporary or private folder, in MiB, under bubblewrap and in containers.
        processes: number of processes: of this run where control groups can be made, else of the user (RLIMIT_NPROC,
            which the kernel does not enforce for root).
    """

    wall_s: float = 60.0
    cpu_s: float | None = None
    memory_mb: int | None = 4096
    group_mb: int = 6144
    output_bytes: int = 1_000_000
    file_mb: int = 256
    disk_mb: int | None = None
    scratch_mb: int = 512
    processes: int = 512


@dataclass(frozen=True, slots=True)
class Command:
    """A process to run.

    Attributes:
        argv: program and arguments; never a shell line.
        cwd: its working directory (must be one of ``writable``, ``private`` or ``readable``, or below).
        env: its whole environment, on top of a minimal PATH, HOME (a scratch folder), LANG and TMPDIR.
        readable: files and folders it may read, besides the system's (interpreters' prefixes must be named).
        writable: folders it may write; nothing else is writable, except ``private`` and a temporary folder.
        private: folders it may write and that nobody reads afterwards: where the sandbox has its own view of the file
            system they are of limited size and gone at the end, and what they held before is read-only.
        stdin: what it reads; empty by default.
        network: whether it may reach the network; off by default.
        interactive: whether it may open terminals, and Unix sockets by name, where no view of its own says which
            (Landlock).
        limits: see Limits.
    """

    argv: Sequence[str]
    cwd: Path
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    readable: Sequence[Path] = ()
    writable: Sequence[Path] = ()
    private: Sequence[Path] = ()
    stdin: bytes = b""
    network: bool = False
    interactive: bool = False
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True)
class Completed:
    """How a run ended.

    ``returncode`` is negative for the signal that ended it, as in ``subprocess``; ``timed_out`` says that it was
    killed at ``wall_s``.
    """

    returncode: int
    stdout: bytes
    stderr: bytes
    wall_s: float
    timed_out: bool
    isolation: Isolation


class OnLine(Protocol):
    """Called with each line of standard output as it comes, without its newline."""

    async def __call__(self, line: str) -> None:
        """Take one line."""
        ...


class Sandbox(Protocol):
    """Runs commands in a process group of their own, apart from our credentials.

    Cancelling a run kills the whole group before the cancellation goes on.
    """

    @property
    def isolation(self) -> Isolation:
        """The level that this machine allows."""
        ...

    async def run(self, command: Command, on_line: OnLine | None = None) -> Completed:
        """Run to the end, or to its limits.

        Raises:
            SandboxError: it cannot be started.
        """
        ...
