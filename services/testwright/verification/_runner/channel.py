"""The only place that writes what a run has to say: JSON lines straight to a descriptor, complete or not at all."""

import json
import os
from typing import Any, Protocol

REASON = 300
"""Longest reason, in characters: one line for people."""


class Say(Protocol):
    """Says one thing."""

    def __call__(self, type_: str, **fields: Any) -> None:
        """Send an event with these fields."""
        ...


class Channel:
    """Events as lines on a descriptor.

    Args:
        fd: where to write.
        token: what each line begins with.
    """

    def __init__(self, fd: int, token: str) -> None:
        self._fd = fd
        self._token = token
        # A test that forks and forgets to end the child must not say everything twice.
        self._owner = os.getpid()

    def say(self, type_: str, **fields: Any) -> None:
        """Send an event with these fields."""
        if os.getpid() == self._owner:
            # Half a character, as in the name of a file that is no text, is none that the host can read.
            write_line(self._fd, f"{self._token} {json.dumps({'type': type_, **fields}, ensure_ascii=False)}")


def write_line(fd: int, text: str) -> None:
    """Write one line at once: what was said survives even an ``os._exit`` right after it."""
    data = memoryview(text.encode(errors="replace") + b"\n")
    while data:
        data = data[os.write(fd, data) :]


def one_line(text: str) -> str:
    """Return the first line of a text that has something in it, shortened for people."""
    lines = (line.strip() for line in text.splitlines())
    return next((line for line in lines if line), "")[:REASON]
