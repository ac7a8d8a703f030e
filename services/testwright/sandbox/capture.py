"""The only place that reads what a sandboxed process prints: never more memory than the limit, never a blocked pipe."""

import codecs
import os
from typing import BinaryIO, Protocol

import anyio

from testwright.sandbox import OnLine

CHUNK = 65_536
MAX_LINE = 65_536
"""Longest line that is handed on, in characters; the rest of a longer one is dropped."""


class Sink(Protocol):
    """What takes bytes as they come."""

    def add(self, data: bytes) -> None:
        """Take the next bytes."""
        ...


class Spool(Sink):
    """Writes the first ``limit`` bytes of a stream to a file, and drops the rest."""

    def __init__(self, file: BinaryIO, limit: int) -> None:
        self._file = file
        self._room = limit

    def add(self, data: bytes) -> None:
        """Take the next bytes."""
        self._file.write(data[: self._room])
        self._room -= min(self._room, len(data))


class HeadTail(Sink):
    """The first and the last half of ``limit`` bytes of a stream, with a note between them of how much is missing."""

    def __init__(self, limit: int) -> None:
        self._head_limit = limit - limit // 2
        self._tail_limit = limit // 2
        self._head = bytearray()
        self._tail = bytearray()
        self._dropped = 0

    def add(self, data: bytes) -> None:
        """Take the next bytes."""
        room = self._head_limit - len(self._head)
        self._head += data[:room]
        self._tail += data[room:]
        surplus = len(self._tail) - self._tail_limit
        # Trimmed only when it doubles, so that many small writes do not move the buffer each time.
        if surplus > self._tail_limit + CHUNK:
            self._trim(surplus)

    def value(self) -> bytes:
        """Return what is kept."""
        self._trim(max(0, len(self._tail) - self._tail_limit))
        if not self._dropped:
            return bytes(self._head + self._tail)
        return bytes(self._head) + b"\n[... %d bytes dropped ...]\n" % self._dropped + bytes(self._tail)

    def _trim(self, surplus: int) -> None:
        del self._tail[:surplus]
        self._dropped += surplus


class Lines:
    """Cuts a stream of bytes into lines of UTF-8 text, each at most ``MAX_LINE`` long; the line end is dropped."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._open = ""

    def feed(self, data: bytes, *, final: bool = False) -> list[str]:
        """Return the lines that these bytes complete; ``final`` completes the last one."""
        *done, rest = self._decoder.decode(data, final).split("\n")
        if done:
            done[0] = self._open + done[0]
            self._open = rest[:MAX_LINE]
        else:
            self._open = (self._open + rest)[:MAX_LINE]
        if final and self._open:
            done.append(self._open)
            self._open = ""
        return [line[:MAX_LINE].removesuffix("\r") for line in done]


async def drain(fd: int, into: Sink, on_line: OnLine | None = None) -> None:
    """Read a non-blocking descriptor to its end."""
    lines = Lines()
    while True:
        await anyio.wait_readable(fd)
        try:
            data = os.read(fd, CHUNK)
        except BlockingIOError:
            continue
        into.add(data)
        if on_line is not None:
            for line in lines.feed(data, final=not data):
                await on_line(line)
        if not data:
            return
