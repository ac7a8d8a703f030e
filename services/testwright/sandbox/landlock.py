"""The only place that says what a run is left with where Landlock confines it: from a command to rules.

The kernel enforces them in the run's own process and in all that it starts, without privileges and without namespaces:
so this works in containers and on systems that refuse what bubblewrap needs. Where a network of its own can be had, a
run gets one, with nothing but loopback; elsewhere it can open no socket at all.
"""

import contextlib
import functools
import json
import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from testwright.sandbox import Command, confine
from testwright.sandbox.bwrap import ETC, ETC_NETWORK, SYSTEM

Launch = Callable[..., list[str]]
"""Makes the command line of the launcher for a command; takes its options, see ``launcher.py``."""


@dataclass(frozen=True, slots=True)
class Landlock:
    """Landlock as it works here.

    Attributes:
        own_network: whether a run can have a loopback device of its own.
        scopes_signals: whether a run can send signals to its own processes only.
    """

    own_network: bool
    scopes_signals: bool

    def rules(self, command: Command, needed: Sequence[Path], tmp: Path) -> str:
        """Return the launcher's option that confines a command.

        Args:
            command: the command.
            needed: what the launcher must be able to read.
            tmp: the run's own temporary folder.
        """
        system = [*SYSTEM, *ETC, *(ETC_NETWORK if command.network else ()), "/proc"]
        network = "host" if command.network else "own" if self.own_network else "none"
        rules = {
            "read": [*system, *_spelled([*needed, *command.readable])],
            "write": list(_spelled([tmp, *command.writable, *command.private])),
            "network": network,
            "interactive": command.interactive,
        }
        return f"CONFINE={json.dumps(rules)}"


def _spelled(paths: Sequence[Path]) -> Iterator[str]:
    return (str(path) for path in dict.fromkeys(paths))


@functools.cache
def here(launch: Launch, needed: tuple[Path, ...]) -> Landlock | None:
    """Return Landlock if a real run succeeds, ``None`` where the kernel, or what we run in, is against it."""
    version = confine.abi()
    if version < confine.LEAST_ABI:
        return None
    command = Command(["true"], cwd=Path("/"))
    for found in (Landlock(own, version >= confine.SCOPES_SIGNALS) for own in (True, False)):
        argv = launch(command, rules=found.rules(command, needed, Path("/nonexistent")))
        # The limit only bounds a broken installation, as with bubblewrap.
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            env = {"PATH": os.defpath}
            subprocess.run(argv, env=env, check=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=10)
            return found
    return None
