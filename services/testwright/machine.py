"""What this machine, or the container that we are in, has left: the only place that asks for memory that can be had."""

import os
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

PLENTY_MB = 1_000_000
"""What is believed where the system does not say."""

_MIB = 1024 * 1024


def free_mb(root: Path = Path("/")) -> int:
    """Return the memory that can be had, in MiB: the machine's, or what is left of the control group's if that is less.

    Args:
        root: where the system's files are.
    """
    return min(_machine_mb(root), _group_mb(root))


def held_mb(within_s: float, root: Path = Path("/")) -> int:
    """Return the memory that processes hold which this one has started, with all that they have started, in MiB.

    What several share counts once, and what the system does not let us see counts as nothing.

    Args:
        within_s: how many seconds ago at the most they were started.
        root: where the system's files are.
    """
    try:
        up_s = float((root / "proc/uptime").read_text("ascii").split()[0])
    except OSError:
        return 0
    after = up_s - within_s
    return sum(_own_kb(root, pid) for pid, started_s in _descendants(root, os.getpid()) if started_s >= after) // 1024


def places(wanted: int, each_mb: int, free: int) -> int:
    """Return how many of the places that are wanted there is memory for; one in any case.

    Args:
        wanted: places at the most.
        each_mb: memory that the work of one may take, in MiB.
        free: memory that can be had, in MiB.
    """
    return max(1, min(wanted, free // each_mb))


def _machine_mb(root: Path) -> int:
    try:
        lines = (root / "proc/meminfo").read_text("ascii").splitlines()
    except OSError:
        return PLENTY_MB
    return next((int(line.split()[1]) // 1024 for line in lines if line.startswith("MemAvailable:")), PLENTY_MB)


def _group_mb(root: Path) -> int:
    # Inside a container its own group is the root of what it sees. Version 1 says an enormous number for no limit.
    group = root / "sys/fs/cgroup"
    for folder, limit, used, cache in (
        (group, "memory.max", "memory.current", "inactive_file"),
        (group / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        try:
            taken = int((folder / used).read_text("ascii")) - _told(folder / "memory.stat", cache)
            return max(0, int((folder / limit).read_text("ascii")) - taken) // _MIB
        except (OSError, ValueError):
            continue
    return PLENTY_MB


def _told(path: Path, name: str) -> int:
    lines = (line.split() for line in path.read_text("ascii").splitlines())
    return next((int(value) for key, value, *_ in lines if key == name), 0)


def _descendants(root: Path, ancestor: int) -> Iterator[tuple[int, float]]:
    """Yield the number of each, and when it was started, in seconds since the system was."""
    children = defaultdict[int, list[tuple[int, float]]](list)
    for folder in (root / "proc").iterdir():
        if folder.name.isdecimal():
            with suppress(OSError):  # it has ended meanwhile
                # The name, in parentheses, may be anything.
                told = (folder / "stat").read_bytes().rpartition(b")")[2].split()
                children[int(told[1])].append((int(folder.name), int(told[19]) / os.sysconf("SC_CLK_TCK")))
    heirs = children[ancestor]
    while heirs:
        yield from heirs
        heirs = [heir for pid, _ in heirs for heir in children[pid]]


def _own_kb(root: Path, pid: int) -> int:
    with suppress(OSError):
        return _told(root / f"proc/{pid}/smaps_rollup", "Pss_Anon:")
    return 0
