"""A temporary folder with an unpacked snapshot in it, for one attempt or one judgement."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from anyio import CancelScope
from anyio.to_thread import run_sync

from testwright import temporary
from testwright.snapshots.archive import unpack


@dataclass(frozen=True, slots=True)
class Workspace:
    """``root`` holds the snapshot, ``scratch`` is empty; both are gone afterwards."""

    root: Path
    scratch: Path


@asynccontextmanager
async def workspace(snapshot: bytes) -> AsyncGenerator[Workspace]:
    """Unpack a snapshot for as long as the body runs.

    Raises:
        SnapshotError: it is no archive of ours.
    """
    folder = await run_sync(temporary.folder)
    try:
        space = Workspace(Path(folder.name, "project"), Path(folder.name, "scratch"))
        await run_sync(space.scratch.mkdir)
        await run_sync(unpack, snapshot, space.root)
        yield space
    finally:
        with CancelScope(shield=True):
            await run_sync(folder.cleanup)
