"""The only place that keeps built folders: each is built once, by one process, and is there whole or not at all."""

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections import defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable
from functools import partial
from pathlib import Path

import anyio
import anyio.to_thread

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
            Exception: whatever ``build`` raises; nothing is left of the folder then.
        """
        final = self._cache / name
        if await anyio.Path(final).exists():
            return final
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
    given_up = anyio.Event()
    try:
        fd = await anyio.to_thread.run_sync(_lock, path, given_up, abandon_on_cancel=True)
    except BaseException:
        given_up.set()
        raise
    try:
        yield
    finally:
        os.close(fd)


def _lock(path: Path, given_up: anyio.Event) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(fd, fcntl.LOCK_EX)
    if given_up.is_set():
        os.close(fd)
    return fd
