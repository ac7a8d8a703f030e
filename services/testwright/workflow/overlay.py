"""A copy of a project's files with suites that are on a branch only, for commands that are to see both."""

import shutil
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path, PurePosixPath

from anyio import CancelScope
from anyio.to_thread import run_sync

from testwright import branch, temporary
from testwright.snapshots import sources


@asynccontextmanager
async def with_suites(root: Path, commit: str, names: Sequence[str]) -> AsyncGenerator[Path]:
    """Yield a copy of a folder as it is now, with files of a commit, for as long as the body runs.

    What git ignores is not in it, nor is what never leaves the machine.

    Args:
        root: the folder.
        commit: that has the files.
        names: of the files, relative to ``root``.

    Raises:
        BranchError: the commit or a file is gone.
    """
    folder = await run_sync(temporary.folder)
    try:
        copy = Path(folder.name, root.name or "root")
        await run_sync(_fill, copy, root, commit, names)
        yield copy
    finally:
        with CancelScope(shield=True):
            await run_sync(folder.cleanup)


def _fill(copy: Path, root: Path, commit: str, names: Sequence[str]) -> None:
    copy.mkdir()
    for name in sources.listing(root.resolve()):
        _room(copy / name)
        shutil.copy2(root / name, copy / name)
    for name in names:
        if not PurePosixPath(name).is_absolute():
            _room(copy / name).write_bytes(branch.content(root, commit, name))


def _room(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
