"""The only place that takes what a run has written in memory to the disk; see ``carry`` for the other end."""

import contextlib
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from anyio.to_thread import run_sync

from testwright.sandbox import Command, carry
from testwright.sandbox.capture import Spool, drain
from testwright.sandbox.pipes import Pipes

CARRY_S = 10.0
"""How long the first process may take at the wall limit to kill all others and send what they have written."""

_HELD = Path("/run/testwright")
"""Where a run finds what its folders held, read-only."""

_NAMES_BYTES = 1 << 20
"""What all headers and names together may take, beyond the files."""


class Carriage:
    """The way to the disk, for one run.

    Args:
        command: of the run; its writable folders are what is carried.
        pipes: of the run.
        most_mb: of all of them together, in MiB.

    Attributes:
        held: for each folder, where the run finds what it held.
        fds: descriptors that the first process needs.
    """

    def __init__(self, command: Command, pipes: Pipes, most_mb: int) -> None:
        self.held: Mapping[Path, Path] = {folder: _HELD / str(number) for number, folder in enumerate(command.writable)}
        self.fds = (pipes.child_carried, pipes.lifeline)
        self._pipes = pipes
        self._most_bytes = most_mb << 20
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  it is closed with the run

    def options(self) -> tuple[str, str]:
        """Return what tells the launcher to carry."""
        order = {
            "fd": self._pipes.child_carried,
            "lifeline": self._pipes.lifeline,
            "places": [(str(held), str(folder)) for folder, held in self.held.items()],
            "bytes": self._most_bytes,
        }
        return "--carry", json.dumps(order)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._file.close()

    async def read(self) -> None:
        """Take what is sent, until the other end is closed."""
        await drain(self._pipes.carried, Spool(self._file, self._most_bytes + _NAMES_BYTES))

    async def unload(self) -> None:
        """Write what has come into the folders."""
        await run_sync(carry.take, self._file, list(self.held), self._most_bytes)


def carrying(command: Command, pipes: Pipes | None) -> contextlib.AbstractContextManager[Carriage | None]:
    """Return the way to the disk of a command that has a limit there, where the sandbox has pipes for one."""
    most_mb = command.limits.disk_mb
    return Carriage(command, pipes, most_mb) if pipes and most_mb is not None else contextlib.nullcontext()
