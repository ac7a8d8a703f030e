"""The only place that makes control groups: limits on all processes of a run together, where this user may set them.

Version 2 where a parent was delegated to us (root, a systemd user session, ``Delegate=yes``), version 1 where its
folders are writable. A group that cannot be removed yet, because the kernel is still ending its processes, is removed
later.
"""

import contextlib
import functools
import itertools
import os
import subprocess
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from testwright.sandbox import Limits

_PREFIX = "testwright-"

Files = Mapping[str, Callable[[Limits], int]]
"""What is written into which file of a group."""


def _processes(limits: Limits) -> int:
    return limits.processes


def _memory(limits: Limits) -> int:
    return limits.group_mb << 20


def _nothing(_: Limits) -> int:
    return 0


_CONTROLLERS = {"pids", "memory"}
_VERSION_2: Files = {"pids.max": _processes, "memory.max": _memory, "memory.swap.max": _nothing}
_VERSION_1: dict[str, Files] = {"pids": {"pids.max": _processes}, "memory": {"memory.limit_in_bytes": _memory}}


@dataclass(frozen=True, slots=True)
class Base:
    """A folder in which groups can be made."""

    folder: Path
    files: Files = field(hash=False)


@dataclass
class Cgroups:
    """Makes a group for each run.

    Attributes:
        bases: one folder for each hierarchy; empty where this user may make no groups.
    """

    bases: Sequence[Base]
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)
    _left: set[Path] = field(default_factory=set[Path])

    def __bool__(self) -> bool:
        return bool(self.bases)

    @contextlib.contextmanager
    def group(self, limits: Limits) -> Generator[tuple[int, ...]]:
        """Make a group for the body; yields descriptors: what writes ``0`` to each of them is in the group."""
        name = f"{_PREFIX}{os.getpid()}-{next(self._numbers)}"
        self._remove_left()
        with contextlib.ExitStack() as stack:
            fds: list[int] = []
            for base in self.bases:
                folder = base.folder / name
                folder.mkdir()
                stack.callback(self._end, folder)
                _write(folder, base.files, limits)
                fds.append(os.open(folder / "cgroup.procs", os.O_WRONLY | os.O_CLOEXEC))
                stack.callback(os.close, fds[-1])
            yield tuple(fds)

    def _end(self, folder: Path) -> None:
        # Version 1 has no such file; there the namespace, or the process group, has been killed already.
        with contextlib.suppress(OSError), (folder / "cgroup.kill").open("wb", buffering=0) as kill:
            kill.write(b"1")
        self._left.add(folder)
        self._remove_left()

    def _remove_left(self) -> None:
        for folder in list(self._left):
            with contextlib.suppress(OSError):
                folder.rmdir()
                self._left.discard(folder)


def _write(folder: Path, files: Files, limits: Limits) -> None:
    for file, value in files.items():
        # The kernel may count no swap; then there is no such file.
        if (folder / file).exists():
            (folder / file).write_text(str(value(limits)))


@functools.cache
def here(launcher: tuple[str, ...]) -> Cgroups:
    """Return what this process can make; ``launcher`` is the command line that joins groups, to try it once."""
    try:
        mounts, own = Path("/proc/self/mountinfo").read_text(), Path("/proc/self/cgroup").read_text()
    except OSError:
        return Cgroups(())
    found = Cgroups(tuple(base for base in _usable(candidates(mounts, own)) if _is_ours(base.folder)))
    for base in found.bases:
        _sweep(base.folder)
    return found if found and _works(found, launcher) else Cgroups(())


def candidates(mounts: str, own: str) -> Iterator[Base]:
    """Yield where groups might be made. Pure.

    Args:
        mounts: ``/proc/self/mountinfo``.
        own: ``/proc/self/cgroup``.
    """
    paths = {name: path for line in own.splitlines() for _, name, path in [line.split(":", 2)]}
    for line in mounts.splitlines():
        fields, _, rest = line.partition(" - ")
        kind, _, options = rest.split(" ", 2)
        mount = Path(fields.split(" ")[4])
        if kind == "cgroup2":
            # Groups with processes in them have no limited groups below: ours go beside the one we are in.
            inside = mount / paths.get("", "/").lstrip("/")
            base = inside if inside == mount else inside.parent
            yield Base(base, _VERSION_2)
        elif kind == "cgroup":
            for name in _VERSION_1.keys() & set(options.split(",")) & paths.keys():
                yield Base(mount / paths[name].lstrip("/"), _VERSION_1[name])


def _usable(bases: Iterator[Base]) -> Iterator[Base]:
    for base in bases:
        control = base.folder / "cgroup.subtree_control"
        if not control.exists() or set(control.read_text().split()) >= _CONTROLLERS:
            yield base


def _is_ours(folder: Path) -> bool:
    return folder.is_dir() and os.access(folder, os.W_OK) and os.access(folder / "cgroup.procs", os.W_OK)


def _sweep(base: Path) -> None:
    """Remove what dead processes have left."""
    for folder in base.glob(f"{_PREFIX}*"):
        pid = folder.name.removeprefix(_PREFIX).partition("-")[0]
        if pid.isdigit() and not Path("/proc", pid).exists():
            with contextlib.suppress(OSError):
                folder.rmdir()


def _works(groups: Cgroups, launcher: tuple[str, ...]) -> bool:
    try:
        with groups.group(Limits()) as fds:
            joins = [word for fd in fds for word in ("--join", str(fd))]
            done = subprocess.run(
                [*launcher, *joins, "--", "true"], pass_fds=fds, capture_output=True, check=False, timeout=10
            )
    except (OSError, subprocess.SubprocessError):
        return False
    return done.returncode == 0
