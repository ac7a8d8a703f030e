"""The only place that carries files into folders in memory, and out again: both ends of the way, and what goes over it.

Foreign code writes to file systems of limited size, which end with its namespace. The first process in there, which is
ours and runs none of it, loads this module by its path: it imports nothing of testwright. It copies what the folders
held, and, when everybody else in there is dead, sends what is new. Outside it is taken as what it may be: anything.
"""

import contextlib
import os
import shutil
import stat
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import BinaryIO

MOST_FILES = 2_000
"""Files that come out of a run."""

_LOOKED_AT = 100_000
"""Entries of folders that are looked at for them."""

_HEADER = struct.Struct(">HHQ")
"""Goes before each file: number of its folder, length of its name below it, and its own."""

Places = Sequence[tuple[str, str]]
"""For each folder, where what it held can be read, and its own path."""

Seen = set[tuple[int, int]]
"""Files as they were: number and time of the last change, which nobody can set."""


def fill(places: Places) -> Seen:
    """Copy what the folders held into them; returns what is there then.

    Raises:
        OSError: it does not fit, or holds what is no file.
    """
    for held, folder in places:
        shutil.copytree(held, folder, symlinks=True, dirs_exist_ok=True)
    return {_identity(facts) for _, folder in places for _, facts in _files(folder)}


def send(fd: int, places: Places, seen: Seen, most_bytes: int) -> None:
    """Write the plain files in the folders that were not there as they are to a descriptor, as many as fit."""
    with os.fdopen(fd, "wb") as stream:
        count, room = 0, most_bytes
        for number, (_, folder) in enumerate(places):
            for path, facts in _files(folder):
                if count == MOST_FILES:
                    return
                if _identity(facts) not in seen and facts.st_size <= room:
                    # What cannot be read does not come back.
                    with contextlib.suppress(OSError), path.open("rb") as file:
                        name = os.fsencode(path.relative_to(folder))
                        stream.write(_HEADER.pack(number, len(name), facts.st_size) + name)
                        shutil.copyfileobj(file, stream)
                        count, room = count + 1, room - facts.st_size


def take(stream: BinaryIO, folders: Sequence[Path], most_bytes: int) -> None:
    """Write what was sent below the folders, up to the first thing that ``send`` does not say.

    Args:
        stream: a file with all that came, at its beginning.
        folders: in the order of their numbers; nobody else writes to them.
        most_bytes: of all files together.
    """
    left = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    room = most_bytes
    for _ in range(MOST_FILES):
        header = stream.read(_HEADER.size)
        if len(header) < _HEADER.size:
            return
        number, length, size = map(int, _HEADER.unpack(header))
        name = os.fsdecode(stream.read(length))
        end = stream.tell() + size
        if number >= len(folders) or size > room or end > left or not _is_plain(name):
            return
        room -= size
        # A folder where there was a file, or the other way round: it is not what anybody looks for.
        with contextlib.suppress(OSError):
            _write(stream, folders[number], name, size)
        stream.seek(end)


def _identity(facts: os.stat_result) -> tuple[int, int]:
    return facts.st_ino, facts.st_ctime_ns


def _files(top: str) -> Iterator[tuple[Path, os.stat_result]]:
    """Yield the plain files below a folder, those of outer folders first; no link is followed."""
    folders, looked_at = [top], 0
    for folder in folders:
        with contextlib.suppress(OSError), os.scandir(folder) as entries:
            for entry in entries:
                looked_at += 1
                if looked_at > _LOOKED_AT:
                    return
                facts = entry.stat(follow_symlinks=False)
                if stat.S_ISDIR(facts.st_mode):
                    folders.append(entry.path)
                elif stat.S_ISREG(facts.st_mode):
                    yield Path(entry.path), facts


def _is_plain(name: str) -> bool:
    path = PurePosixPath(name)
    below = name == str(path) and name != "." and not path.is_absolute() and ".." not in path.parts
    return below and "\0" not in name


def _write(stream: BinaryIO, folder: Path, name: str, size: int) -> None:
    path = folder / name
    if not path.parent.resolve().is_relative_to(folder.resolve()):
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with path.open("xb") as file:
        while size and (block := stream.read(min(size, 1 << 16))):
            file.write(block)
            size -= len(block)
