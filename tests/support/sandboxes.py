"""Sandboxes for tests, and commands that run Python code in them."""

import sys
from collections.abc import Sequence
from pathlib import Path

from testwright.sandbox import Command, Completed, Limits, OnLine, Sandbox
from testwright.sandbox.local import LocalSandbox
from testwright_schemas import Isolation

PREFIXES = tuple({Path(sys.prefix), Path(sys.base_prefix)})
"""What a sandbox must be able to read for the interpreter of the tests to run."""

BUBBLEWRAP_WORKS = LocalSandbox().isolation == "bubblewrap"


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
