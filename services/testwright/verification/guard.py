"""The only place that sees to it that runs find the project as it was sent, where the sandbox alone does not.

Under bubblewrap nothing but a run's own folder can be written. Elsewhere code under test has the user's rights: what it
changes is found by digest, which it cannot forge, and put back.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

from anyio.to_thread import run_sync

from testwright.environments.trees import tree_digest


@dataclass(frozen=True, slots=True)
class Guard:
    """Watches over folders.

    Attributes:
        kept: for each folder its digest and where a copy lies; none where they cannot be written anyway.
    """

    kept: dict[Path, tuple[str, Path]]

    async def disturbed(self) -> bool:
        """Return whether a folder is not as it was; it is again, afterwards."""
        return any([await run_sync(_restored, folder, *kept) for folder, kept in self.kept.items()])


async def guard(folders: list[Path], copies: Path, *, needed: bool) -> Guard:
    """Return a guard of these folders, with copies of them in another one."""
    if not needed:
        return Guard({})
    return Guard({folder: await run_sync(_keep, folder, copies / str(n)) for n, folder in enumerate(folders)})


def _keep(folder: Path, copy: Path) -> tuple[str, Path]:
    shutil.copytree(folder, copy, symlinks=True)
    return tree_digest(folder), copy


def _restored(folder: Path, digest: str, copy: Path) -> bool:
    if folder.is_dir() and not folder.is_symlink() and tree_digest(folder) == digest:
        return False
    if folder.is_symlink() or folder.is_file():
        folder.unlink()
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(copy, folder, symlinks=True, dirs_exist_ok=True)
    return True
