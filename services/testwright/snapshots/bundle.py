"""The only place that makes a snapshot of what a user names: the project's files, and the modules meant in them."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from testwright.errors import SnapshotError
from testwright.snapshots import archive, modules, project, sources
from testwright_schemas import Snapshot, Target

MAX_BYTES = 64 * archive.MIB


@dataclass(frozen=True, slots=True)
class Bundle:
    """A project, ready to be sent.

    Attributes:
        snapshot: names ``data``.
        data: the archive.
        targets: the modules meant, sorted by path.
        root: folder of the project on this machine.
        skipped: files below the folders named that are no targets, with the reason.
        project: its name, see ``project.name``; empty where nobody needs it.
    """

    snapshot: Snapshot
    data: bytes
    targets: tuple[Target, ...]
    root: Path
    skipped: Mapping[str, str]
    project: str = ""


def bundle(
    paths: Sequence[Path],
    *,
    max_bytes: int = MAX_BYTES,
    pack: Callable[[Mapping[str, bytes]], bytes] = archive.pack,
) -> Bundle:
    """Return the project that paths belong to, and the modules they mean.

    A folder means every module below it except tests, documentation, ``setup.py``, ``conftest.py``, ``noxfile.py``,
    ``__main__.py``, migrations, modules that define no function or class, and those that cannot be imported; all of
    these are targets where they are named themselves, if they can be imported.

    Args:
        paths: Python files or folders, of one project.
        max_bytes: of all the project's files together, unpacked.
        pack: makes the archive.

    Raises:
        SnapshotError: there is no path, a path does not exist or is no module, the paths belong to several projects,
            there is nothing to test, or the project is too big.
    """
    if not paths:
        raise SnapshotError("nothing is named: give modules, or folders for all modules below")
    named = [_existing(path) for path in paths]
    projects = {project.of(path) for path in named}
    roots = sorted({found.root for found in projects})
    if len(roots) != 1:
        listed = ", ".join(map(str, roots))
        raise SnapshotError(f"one project at a time, these paths belong to {len(roots)} ({listed}): submit each alone")
    root = roots[0]
    names = {name for found in projects for name in found.files()}
    for path in named:
        names.update(_missing(root, path, names))
    files = _read(root, sorted(names), max_bytes)
    targets, skipped = targets_in([PurePosixPath(path.relative_to(root).as_posix()) for path in named], files)
    data = pack(files)
    digest = hashlib.sha256(data).hexdigest()
    snapshot = Snapshot(digest=digest, size=len(data), files=len(files))
    return Bundle(snapshot, data, targets, root, skipped, project.name(root))


def bundler() -> Callable[[Sequence[Path]], Bundle]:
    """Return ``bundle`` for those who submit again and again; it keeps the archive that it made last."""
    return partial(bundle, pack=archive.Packer().pack)


def _existing(path: Path) -> Path:
    if not path.exists():
        raise SnapshotError(f"{path} does not exist")
    if path.is_file() and path.suffix != ".py":
        raise SnapshotError(f"{path} is no Python module: its name does not end in .py")
    return path.resolve()


def _missing(root: Path, path: Path, names: set[str]) -> tuple[str, ...]:
    """Return what was asked for by name although the project ignores it."""
    relative = PurePosixPath(path.relative_to(root).as_posix())
    if path.is_dir():
        return () if project.modules_below(relative, names) else sources.below(root, path)
    if not sources.may_leave(str(relative)):
        raise SnapshotError(f"{relative} is never sent: files of this name hold secrets, or tools write them")
    return (str(relative),)


def _read(root: Path, names: Sequence[str], max_bytes: int) -> dict[str, bytes]:
    try:
        sizes = {name: (root / name).stat().st_size for name in names}
        _check_size(root, sizes, max_bytes)
        return {name: (root / name).read_bytes() for name in names}
    except OSError as error:
        raise SnapshotError(f"a file of the project cannot be read: {error}; mend it, or ignore it in git") from error


def _check_size(root: Path, sizes: Mapping[str, int], max_bytes: int) -> None:
    remedy = "ignore what tests do not need in .gitignore, or give the modules' folder a pyproject.toml of its own"
    total = sum(sizes.values())
    if total > max_bytes:
        biggest = sorted(sizes, key=lambda name: (-sizes[name], name))[:5]
        listed = ", ".join(f"{name} ({_mib(sizes[name])})" for name in biggest)
        raise SnapshotError(
            f"the project {root} has {_mib(total)}, at most {_mib(max_bytes)} are sent; its biggest files: {listed}. "
            f"Remedy: {remedy}"
        )
    if len(sizes) > archive.LIMITS.max_files:
        raise SnapshotError(f"the project {root} has {len(sizes)} files, too many to send. Remedy: {remedy}")


def _mib(size: int) -> str:
    return f"{size / archive.MIB:.1f} MiB"


def targets_in(
    named: Sequence[PurePosixPath], files: Mapping[str, bytes]
) -> tuple[tuple[Target, ...], Mapping[str, str]]:
    """Return the modules of a project that names mean, sorted by path, and the files left out, with the reason.

    Args:
        named: files or folders relative to the project's root, as in ``bundle``.
        files: the whole project.

    Raises:
        SnapshotError: a name is no module, or there is nothing to test.
    """
    layout = modules.Layout(files)
    targets = {str(path): layout.target(str(path)) for path in named if str(path) in files}
    skipped: dict[str, str] = {}
    for folder in named:
        for name in project.modules_below(folder, files.keys() - targets.keys()):
            reason = project.skip_reason(str(PurePosixPath(name).relative_to(folder)), files[name])
            try:
                if reason is None:
                    targets[name] = layout.target(name)
            except SnapshotError as error:
                reason = str(error)
            if reason is not None:
                skipped[name] = reason
    skipped = {name: skipped[name] for name in sorted(skipped.keys() - targets.keys())}
    if not targets:
        raise SnapshotError(f"nothing to test: {len(skipped)} modules found, left out as {_reasons(skipped)}")
    return tuple(targets[path] for path in sorted(targets)), skipped


def _reasons(skipped: Mapping[str, str]) -> str:
    return "; ".join(sorted(set(skipped.values()))[:3]) or "never to be sent"
