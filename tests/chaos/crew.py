"""The processes that chaos kills: each is started again as soon as it ends, until there is calm."""

import os
import random
import signal
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import DEVNULL

import anyio
from anyio.abc import Process

from testwright.bus.server import EmbeddedServer
from testwright.pacing import Backoff, until

ROOT = Path(__file__).parents[2]

TESTWRIGHT = ("-m", "testwright", "run")
PROCESSES: Mapping[str, Sequence[str]] = {
    "submitter-1": (*TESTWRIGHT, "submitter"),
    "submitter-2": (*TESTWRIGHT, "submitter"),
    "collector-1": (*TESTWRIGHT, "collector"),
    "collector-2": (*TESTWRIGHT, "collector"),
    "generator-1": (*TESTWRIGHT, "generator", "--engine", "echo", "--concurrency", "4"),
    "generator-2": (*TESTWRIGHT, "generator", "--engine", "echo", "--concurrency", "4"),
    "generator-3": (*TESTWRIGHT, "generator", "--engine", "ghostwriter"),
    "generator-4": ("-m", "tests.chaos.payable", "{url}", "{bill}"),
    "verifier-1": ("-m", "tests.chaos.lenient", "{url}"),
    "verifier-2": ("-m", "tests.chaos.lenient", "{url}"),
    "verifier-3": (*TESTWRIGHT, "verifier"),
}
"""Arguments of Python by the name of the process.

One generator has a real engine, one an engine that costs money; one verifier of three really judges.
"""


@dataclass
class Toll:
    """What has been killed, and what has ended by itself, by kind."""

    killed: Counter[str] = field(default_factory=Counter[str])
    fallen: Counter[str] = field(default_factory=Counter[str])


class Life:
    """A process that is started again whenever it ends; what it prints is in ``NAME.log``."""

    def __init__(self, name: str, command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        self.name = name
        self.kind = name.partition("-")[0]
        self._command = [sys.executable, *command]
        self._environment = environment
        self._log = log
        self._process: Process | None = None
        self._murdered = False

    async def live(self, toll: Toll) -> None:
        """Run until cancelled, life after life."""
        backoff = Backoff()
        with self._log.open("ab") as log:
            while True:
                self._murdered = False
                self._process = await anyio.open_process(
                    self._command, stdout=DEVNULL, stderr=log, env=self._environment, cwd=ROOT, start_new_session=True
                )
                try:
                    await self._process.wait()
                finally:
                    self._end()
                if self._murdered:
                    backoff.reset()
                else:
                    # As one does that is started while the server is away.
                    toll.fallen[self.kind] += 1
                    await backoff.pause()

    def kill(self, toll: Toll) -> None:
        """End its present life as a crash would."""
        if self._process and self._process.returncode is None:
            self._murdered = True
            toll.killed[self.kind] += 1
            self._process.send_signal(signal.SIGKILL)

    def _end(self) -> None:
        if self._process and self._process.returncode is None:
            self._process.send_signal(signal.SIGKILL)


class Crew:
    """All processes, and the server that they work on.

    Attributes:
        toll: what has befallen them.
        bill: the file into which one of them writes what it has cost.
    """

    def __init__(self, server: EmbeddedServer, folder: Path) -> None:
        self.bill = folder / "bill.txt"
        self.toll = Toll()
        self._server = server
        environment = {**os.environ, "NATS_URL": server.url, "TESTWRIGHT_SYSTEM_SERVER": server.system_url}
        self._lives = [
            Life(
                name,
                [word.format(url=server.url, bill=self.bill) for word in command],
                environment,
                folder / f"{name}.log",
            )
            for name, command in PROCESSES.items()
        ]

    async def live(self) -> None:
        """Run every process until cancelled."""
        async with anyio.create_task_group() as tasks:
            for life in self._lives:
                tasks.start_soon(life.live, self.toll)

    async def hurt(self, dice: random.Random, every_s: float, end: float) -> None:
        """Kill one of them, or the server, every so many seconds until ``end``."""
        at = anyio.current_time()
        while (at := at + every_s) < end:
            await until(at)
            victim = dice.choice([*self._lives, None])
            if victim:
                victim.kill(self.toll)
            else:
                self._kill_server()

    def _kill_server(self) -> None:
        try:
            os.kill(self._server.pid, signal.SIGKILL)
        except ProcessLookupError:
            return  # it is just being started again
        self.toll.killed["server"] += 1
