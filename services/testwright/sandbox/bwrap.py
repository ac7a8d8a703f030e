"""The only place that speaks bubblewrap's command line: pure, from what a run may see to an argument list."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

# Whatever of these a distribution lacks is left out. /nix and /gnu hold the libraries of their systems' programs.
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store", "/gnu/store")

# What the dynamic linker, time zones, user names and Debian's interpreters need; nothing that holds a secret.
ETC = (
    "/etc/alternatives",
    "/etc/group",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
    "/etc/mime.types",
    "/etc/nsswitch.conf",
    "/etc/passwd",
    "/etc/python3",
    "/etc/python3.11",
    "/etc/python3.12",
    "/etc/python3.13",
    "/etc/timezone",
)
ETC_NETWORK = ("/etc/hosts", "/etc/resolv.conf", "/etc/services", "/etc/ssl", "/etc/pki", "/etc/ca-certificates")


@dataclass(frozen=True, slots=True)
class View:
    """What a run sees of the machine.

    Attributes:
        cwd: its working directory.
        env: its whole environment.
        readable: mounted read-only at their own path.
        writable: mounted at their own path; the inner of two nested folders decides.
        private: empty file systems in memory at these paths, with what the folders hold mounted read-only.
        carried: empty file systems in memory at these paths, and where what the folders hold is mounted read-only.
        scratch_bytes: size of each file system in memory, but those of ``carried``.
        carried_bytes: size of each of these.
        network: whether it shares the host's network.
        nesting: whether it may make user namespaces, and with them reach parts of the kernel that it cannot otherwise.
        info: descriptor on which bubblewrap says that the first process inside has been made; ``None`` for none.
    """

    cwd: Path
    env: Mapping[str, str]
    readable: Sequence[Path] = ()
    writable: Sequence[Path] = ()
    private: Mapping[Path, Sequence[Path]] = field(default_factory=dict[Path, Sequence[Path]])
    carried: Mapping[Path, Path] = field(default_factory=dict[Path, Path])
    scratch_bytes: int = 512 << 20
    carried_bytes: int = 0
    network: bool = False
    nesting: bool = False
    info: int | None = None


def arguments(bwrap: str, view: View, argv: Sequence[str]) -> list[str]:
    """Return the command line that runs ``argv`` with this view."""
    return [bwrap, *_namespaces(view), *_system(view), *_binds(view), *_environment(view), "--", *argv]


def returncode(status: int) -> int:
    """Return a status as ``subprocess`` gives it: inside, 128 + n is said of a child that signal n ended."""
    return 128 - status if 128 < status <= 128 + 64 else status


def _namespaces(view: View) -> list[str]:
    # The launcher is the first process inside: bubblewrap's own would hold the pipes of the run where anybody inside
    # can open them.
    flags = ["--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL", "--as-pid-1"]
    flags += [] if view.nesting else ["--unshare-user", "--disable-userns"]
    flags += [] if view.info is None else ["--info-fd", str(view.info)]
    return [*flags, "--share-net"] if view.network else flags


def _system(view: View) -> list[str]:
    result: list[str] = []
    for path in (*SYSTEM, *ETC, *(ETC_NETWORK if view.network else ())):
        result += ["--ro-bind-try", path, path]
    shm, tmp = "/dev/shm", "/tmp"  # noqa: S108  inside, they are private
    result += ["--proc", "/proc", "--dev", "/dev", *_scratch(view, shm)]
    return [*result, *_scratch(view, tmp), "--dir", f"{tmp}/home"]


def _scratch(view: View, path: str) -> list[str]:
    return _memory(path, view.scratch_bytes)


def _memory(path: str, size: int) -> list[str]:
    return ["--perms", "1777", "--size", str(size), "--tmpfs", path]


def _binds(view: View) -> list[str]:
    modes = dict.fromkeys(_with_targets(view.readable), "--ro-bind")
    modes |= dict.fromkeys(_with_targets(view.writable), "--bind")
    modes |= dict.fromkeys(_with_targets(view.private), "")
    modes |= dict.fromkeys(_with_targets(inner for held in view.private.values() for inner in held), "--ro-bind")
    mounts = {path: [mode, str(path), str(path)] if mode else _scratch(view, str(path)) for path, mode in modes.items()}
    for path, held in view.carried.items():
        mounts[path] = ["--symlink", str(path.resolve()), str(path)]
        mounts[path.resolve()] = _memory(str(path), view.carried_bytes)
        mounts[held] = ["--ro-bind", str(path), str(held)]
    result = [word for path in sorted(mounts, key=lambda path: path.parts) for word in mounts[path]]
    # The root and /dev are memory file systems that the user inside owns.
    return [*result, "--remount-ro", "/dev", "--remount-ro", "/"]


def _with_targets(paths: Iterable[Path]) -> Iterable[Path]:
    # A link to a folder is mounted under both names: programs compare real paths with the names they were given.
    for path in paths:
        yield path
        yield path.resolve()


def _environment(view: View) -> list[str]:
    result = ["--clearenv"]
    for name, value in sorted(view.env.items()):
        result += ["--setenv", name, value]
    return [*result, "--chdir", str(view.cwd)]
