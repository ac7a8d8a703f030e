"""The only place that takes files back from where foreign code has written: nothing it laid out leads elsewhere."""

import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from testwright.errors import EngineError
from testwright.snapshots.archive import unsafe

MOST_BYTES = 1_000_000
"""Longest file that is taken."""
MOST_FILES = 100
DISK_MB = 512
"""What an engine may write in its folder, in MiB, where the sandbox can limit that."""

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""A pipe must not hold us up, and a link must not lead us to a file that the writer could not read."""


def read_below(folder: Path, name: str) -> bytes | None:
    """Return a plain file's content; ``None`` where it, or a folder on the way, is anything else, or it is too long.

    Args:
        folder: ours; only what lies below may have been changed by others.
        name: relative, with ``/``.
    """
    *folders, last = PurePosixPath(name).parts
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in folders:
            inner = os.open(part, _READ | os.O_DIRECTORY, dir_fd=opened)
            os.close(opened)
            opened = inner
        return _content(os.open(last, _READ, dir_fd=opened))
    except OSError:
        return None
    finally:
        os.close(opened)


def python_below(folder: Path, inner: str) -> Iterator[tuple[str, bytes]]:
    """Yield the plain Python files right in an inner folder, by name; none where it is no folder."""
    path = folder / inner
    names = sorted(os.listdir(path)) if path.is_dir() and not path.is_symlink() else []  # noqa: PTH208  names are meant
    for name in [name for name in names if name.endswith(".py")][:MOST_FILES]:
        content = read_below(folder, f"{inner}/{name}")
        if content is not None:
            yield name, content


def text_of(content: bytes) -> str:
    """Return a file's text; empty where it is not valid UTF-8."""
    try:
        return content.decode()
    except UnicodeDecodeError:
        return ""


def check(files: Mapping[str, bytes]) -> None:
    """Return if these may be a candidate: few and short Python files in UTF-8 under plain relative names.

    Raises:
        EngineError: they may not (``unsafe-output``).
    """
    if len(files) > MOST_FILES:
        raise EngineError("unsafe-output", f"the engine delivered {len(files)} files, at most {MOST_FILES} are taken")
    for name, content in files.items():
        reason = unsafe(name) or _flaw(name, content)
        if reason:
            raise EngineError("unsafe-output", f"the engine delivered {name[:200]!r}, which {reason}")


def _flaw(name: str, content: bytes) -> str | None:
    if not name.endswith(".py"):
        return "is no Python file by its name"
    if len(content) > MOST_BYTES:
        return f"is longer than {MOST_BYTES} bytes"
    try:
        content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return "is not UTF-8"
    return None


def _content(file: int) -> bytes | None:
    with os.fdopen(file, "rb") as opened:
        facts = os.fstat(opened.fileno())
        # A second name of a file may be a way to one that is not the writer's.
        if not stat.S_ISREG(facts.st_mode) or facts.st_size > MOST_BYTES or facts.st_nlink > 1:
            return None
        return opened.read(MOST_BYTES)
