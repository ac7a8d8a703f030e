"""The only place that makes temporary folders, and that clears away what killed processes have left.

All those of a process lie in one, its home, on which it holds a lock for as long as it lives: a home that can be locked
by somebody else is nobody's any more.
"""

import atexit
import contextlib
import fcntl
import functools
import os
import shutil
import tempfile
from collections.abc import Generator
from pathlib import Path

_HOME = "testwright-run-"
_NOT_LOCKED_YET = "testwright-new-"


def folder() -> tempfile.TemporaryDirectory[str]:
    """Return a new temporary folder that nobody but this user can read."""
    # What ran in it may have left files that cannot be removed; no result depends on that.
    return tempfile.TemporaryDirectory(dir=_home(tempfile.gettempdir()), ignore_cleanup_errors=True)


def sweep(base: Path) -> None:
    """Remove the homes of this user's dead processes."""
    for home in base.glob(f"{_HOME}*"):
        # What cannot be opened or locked is another user's, still in use, or just gone; what is too deep stays.
        with contextlib.suppress(OSError, RecursionError), _opened(home) as descriptor:
            if os.fstat(descriptor).st_uid == os.geteuid():
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(home, ignore_errors=True)


@functools.cache
def _home(base: str) -> Path:
    sweep(Path(base))
    new = Path(tempfile.mkdtemp(prefix=_NOT_LOCKED_YET, dir=base))
    # Never closed: the end of the process, kill -9 included, gives the lock back.
    fcntl.flock(os.open(new, os.O_RDONLY | os.O_DIRECTORY), fcntl.LOCK_EX)
    home = new.rename(new.with_name(_HOME + new.name.removeprefix(_NOT_LOCKED_YET)))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    return home


@contextlib.contextmanager
def _opened(home: Path) -> Generator[int]:
    descriptor = os.open(home, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
