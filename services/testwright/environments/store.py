"""The only place that keeps built folders: each is built once, by one process, and is there whole or not at all."""

import contextlib
import fcntl
import os
import shutil
import tempfile
import threading
from collections import defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable
from functools import partial
from pathlib import Path

import anyio
import anyio.to_thread

from testwright import folders
from testwright.errors import EnvironmentBuildError

Build = Callable[[Path], Awaitable[None]]
"""Fills a new empty folder."""


class Store:
    """Folders by name below ``cache``."""

    def __init__(self, cache: Path) -> None:
        self._cache = cache
        self._turns: defaultdict[str, anyio.Lock] = defaultdict(anyio.Lock)

    async def get(self, name: str, build: Build) -> Path:
        """Return the folder of this name, built now if it is not there; whoever asks meanwhile waits.

        Raises:
            EnvironmentBuildError: nothing can be written below ``cache``.
            Exception: whatever ``build`` raises; nothing is left of the folder then.
        """
        final = self._cache / name
        if await anyio.Path(final).exists():
            return final
        obstacle = await anyio.to_thread.run_sync(folders.obstacle, self._cache)
        if obstacle:
            message = f"{self._cache} cannot hold environments: {obstacle} is no folder that you may write to; "
            raise EnvironmentBuildError("cache-not-writable", message + "set TESTWRIGHT_CACHE to another one")
        async with self._turns[name], _file_lock(self._cache / f"{name}.lock"):
            if not await anyio.Path(final).exists():
                await self._build(final, build)
        return final

    async def _build(self, final: Path, build: Build) -> None:
        # Whoever holds the lock is alone: what another left half-built, its process is dead.
        for remains in await anyio.to_thread.run_sync(lambda: list(self._cache.glob(f".{final.name}.*"))):
            await _remove(remains)
        make = partial(tempfile.mkdtemp, prefix=f".{final.name}.", dir=self._cache)
        folder = Path(await anyio.to_thread.run_sync(make))
        try:
            await build(folder)
            await anyio.Path(folder).rename(final)
        finally:
            with anyio.CancelScope(shield=True):
                await _remove(folder)


async def _remove(folder: Path) -> None:
    await anyio.to_thread.run_sync(partial(shutil.rmtree, folder, ignore_errors=True))


@contextlib.asynccontextmanager
async def _file_lock(path: Path) -> AsyncGenerator[None]:
    """Hold a lock among processes; waiting for it can be cancelled, and the end of the process frees it."""
    await anyio.Path(path.parent).mkdir(parents=True, exist_ok=True)
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    held, holding = os.pipe()
    releasing, release = os.pipe()
    # A daemon: an exit must not wait for what another process builds.
    threading.Thread(target=_hold, args=(fd, holding, releasing), daemon=True).start()
    try:
        await anyio.wait_readable(held)
        yield
    finally:
        os.close(release)
        os.close(held)


def _hold(fd: int, holding: int, releasing: int) -> None:
    """Take the lock, say so by closing ``holding``, and let go at the end of ``releasing``: at once if nobody waits."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
    finally:
        os.close(holding)
    os.read(releasing, 1)
    os.close(releasing)
    os.close(fd)
