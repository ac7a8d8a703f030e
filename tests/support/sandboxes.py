"""Sandboxes for tests, and commands that run Python code in them."""

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from testwright.sandbox import Command, Completed, Limits, OnLine, Sandbox
from testwright.sandbox.local import LocalSandbox
from testwright_schemas import Isolation

PREFIXES = tuple({Path(sys.prefix), Path(sys.base_prefix)})
"""What a sandbox must be able to read for the interpreter of the tests to run."""

BUBBLEWRAP_WORKS = LocalSandbox().isolation == "bubblewrap"
LANDLOCK_WORKS = LocalSandbox(allow_bubblewrap=False, allow_landlock=True).isolation == "landlock"
LEVELS: tuple[Isolation, ...] = ("bubblewrap", "landlock", "process-group")
"""Of sandboxes on this machine itself, strongest first."""


def of_level(level: Isolation) -> LocalSandbox:
    """Return the sandbox of a level; the test is skipped where this machine has none."""
    if (level == "bubblewrap" and not BUBBLEWRAP_WORKS) or (level == "landlock" and not LANDLOCK_WORKS):
        pytest.skip(f"{level} does not work here")
    sandbox = LocalSandbox(allow_bubblewrap=level == "bubblewrap", allow_landlock=level == "landlock")
    assert sandbox.isolation == level
    return sandbox


def python(
    code: str,
    *arguments: str,
    cwd: Path,
    writable: Sequence[Path] = (),
    stdin: bytes = b"",
    limits: Limits | None = None,
) -> Command:
    """Return the command that runs ``code`` on the interpreter of the tests, without its packages."""
    return Command(
        [sys.executable, "-I", "-S", "-c", code, *arguments],
        cwd=cwd,
        readable=(*PREFIXES, cwd),
        writable=writable,
        stdin=stdin,
        limits=limits or Limits(wall_s=30),
    )


class RecordingSandbox(Sandbox):
    """Runs commands as another sandbox does, and keeps them in ``commands``."""

    def __init__(self, inner: Sandbox) -> None:
        self._inner = inner
        self.commands: list[Command] = []

    @property
    def isolation(self) -> Isolation:
        """The level of the other sandbox."""
        return self._inner.isolation

    async def run(self, command: Command, on_line: OnLine | None = None) -> Completed:
        """Keep the command, then run it."""
        self.commands.append(command)
        return await self._inner.run(command, on_line)
