"""The only place that packs files into an archive and takes one apart, whoever made it.

The format is a gzipped tar: both are in the standard library of every Python we run on, which zstd is not before 3.14.
Names are sorted and nothing of the machine or the time goes in, so the same files make the same bytes (with the same
zlib), and the digest of the archive names its content.
"""

import gzip
import hashlib
import io
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from testwright.errors import SnapshotError

MIB = 1024 * 1024

_ENTRY_BYTES = 4096
"""What a member takes in the tar beyond its content, at most: headers with a long name, padding."""

_BLOCK = 64 * 1024

_BROKEN = (tarfile.TarError, ValueError, LookupError, EOFError, OSError, OverflowError, RecursionError)
"""What tarfile raises for hostile input: its own errors, and what leaks from its parser."""


@dataclass(frozen=True, slots=True)
class ArchiveLimits:
    """What is taken from an archive of unknown origin.

    Attributes:
        max_bytes: of all files together, unpacked.
        max_files: their number.
    """

    max_bytes: int = 512 * MIB
    max_files: int = 20_000


LIMITS = ArchiveLimits()


def pack(files: Mapping[str, bytes]) -> bytes:
    """Return an archive of files by relative name with ``/``.

    Raises:
        SnapshotError: a name cannot be unpacked safely.
    """
    _check_names(files)
    buffer = io.BytesIO()
    # GzipFile and not gzip.compress, whose header differs from one Python to the next.
    with (
        gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=buffer, mtime=0) as stream,
        tarfile.open(mode="w", fileobj=stream, format=tarfile.PAX_FORMAT) as tar,
    ):
        for name in sorted(files):
            member = tarfile.TarInfo(name)
            member.size = len(files[name])
            tar.addfile(member, io.BytesIO(files[name]))
    return buffer.getvalue()


class Packer:
    """Packs projects; keeps the archive that it made last, as what is submitted again has seldom changed."""

    def __init__(self) -> None:
        self._last: tuple[bytes, bytes] = (b"", b"")

    def pack(self, files: Mapping[str, bytes]) -> bytes:
        """Return an archive of files; see ``pack``."""
        content = _content(files)
        last, packed = self._last
        if content != last:
            packed = pack(files)
            self._last = (content, packed)
        return packed


def _content(files: Mapping[str, bytes]) -> bytes:
    """Return what tells files apart from all others; a small part of the time that packing them takes."""
    told = hashlib.sha256()
    for name in sorted(files):
        encoded = name.encode(errors="surrogatepass")
        told.update(b"%d %d %b" % (len(encoded), len(files[name]), encoded))
        told.update(files[name])
    return told.digest()


def read(data: bytes, limits: ArchiveLimits = LIMITS) -> dict[str, bytes]:
    """Return the files in an archive by relative name.

    Folders need no entry of their own; links, devices and names that leave the folder are refused.

    Raises:
        SnapshotError: it is no archive, is damaged, exceeds a limit, or holds what must not be unpacked.
    """
    files: dict[str, bytes] = {}
    inflated = _Inflated(data, limits)
    try:
        with tarfile.open(fileobj=inflated, mode="r|", bufsize=_BLOCK) as tar:
            for name, content in _members(tar, limits):
                if name in files:
                    raise SnapshotError(f"the archive holds {name!r} twice")
                files[name] = content
        inflated.finish()
    except _BROKEN as error:
        raise SnapshotError(f"this is no readable archive: {error}") from error
    _check_names(files)
    return files


def unpack(data: bytes, destination: Path, limits: ArchiveLimits = LIMITS) -> None:
    """Write the files in an archive below a folder, which is made if need be; nothing is written of a bad archive.

    Raises:
        SnapshotError: as in ``read``, or a file cannot be written.
    """
    files = read(data, limits)
    try:
        destination.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            path = destination / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    except OSError as error:
        raise SnapshotError(f"the archive cannot be unpacked into {destination}: {error}") from error


class _Inflated(io.BufferedIOBase):
    """What a gzip archive unpacks to, a block at a time: a bomb is given up at the limit, and never held as a whole."""

    def __init__(self, data: bytes, limits: ArchiveLimits) -> None:
        self._data = memoryview(data)
        self._place = 0
        self._most = limits.max_bytes
        self._room = limits.max_bytes + _ENTRY_BYTES * (limits.max_files + 4)
        self._inflate = zlib.decompressobj(wbits=31)

    def read(self, size: int | None = _BLOCK, /) -> bytes:
        """Return up to ``size`` bytes, none at the end, or where the rest is missing."""
        while not self._inflate.eof:
            fed = self._inflate.unconsumed_tail or self._next()
            try:
                block = self._inflate.decompress(fed, size or _BLOCK)
            except zlib.error as error:
                raise SnapshotError(f"this is no gzip archive: {error}") from error
            self._room -= len(block)
            if self._room < 0:
                raise SnapshotError(f"the archive unpacks to more than {self._most} bytes")
            if block or not fed:
                return block
        return b""

    def finish(self) -> None:
        """Read what comes after the last file."""
        while self.read(_BLOCK):
            pass
        if not self._inflate.eof or self._inflate.unused_data or self._place < len(self._data):
            raise SnapshotError("the archive is cut off, or something follows it")

    def _next(self) -> memoryview:
        fed = self._data[self._place : self._place + _BLOCK]
        self._place += len(fed)
        return fed


def _members(tar: tarfile.TarFile, limits: ArchiveLimits) -> Iterator[tuple[str, bytes]]:
    total = 0
    for count, member in enumerate(tar, start=1):
        total += member.size
        if count > limits.max_files:
            raise SnapshotError(f"the archive holds more than {limits.max_files} files")
        if member.size < 0 or total > limits.max_bytes:
            raise SnapshotError(f"the archive unpacks to more than {limits.max_bytes} bytes")
        if member.isdir():
            continue
        # Sparse files claim any size for nothing.
        if member.type not in {tarfile.REGTYPE, tarfile.AREGTYPE} or member.issparse():
            raise SnapshotError(f"the archive holds {member.name!r}, which is no regular file")
        source = tar.extractfile(member)
        yield _canonical(member.name), source.read() if source else b""


def _canonical(name: str) -> str:
    """Return a name without the ``./`` that other archivers write."""
    return str(PurePosixPath(name)) if name.startswith("./") else name


def _check_names(files: Mapping[str, bytes]) -> None:
    folders: set[str] = set()
    for name in files:
        reason = unsafe(name)
        if reason:
            raise SnapshotError(f"the file name {name!r} {reason}")
        folders.update(str(parent) for parent in PurePosixPath(name).parents)
    for name in folders & files.keys():
        raise SnapshotError(f"{name!r} is both a file and a folder")


def unsafe(name: str) -> str | None:
    """Return why a relative file name must not be in an archive, ``None`` where it may."""
    if not name or name != str(PurePosixPath(name)) or name == ".":
        return "is not a plain relative path"
    if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
        return "leaves its folder"
    if "\\" in name or "\0" in name or any("\ud800" <= letter <= "\udfff" for letter in name):
        return "has characters that not every system takes (backslash, zero, or no valid UTF-8)"
    return None
