"""What the whole system takes while there is nothing to do: CPU time and messages of ``up`` and its server."""

import os
import sys
import tempfile
from collections import Counter
from pathlib import Path

import anyio
import msgspec
from anyio.streams.buffered import BufferedByteReceiveStream

from benchmarks._traffic import watching
from benchmarks.table import Row, show
from testwright.pacing import until
from testwright_schemas import envelope

QUIET_S = 60.0
SETTLE_S = 5.0


class _Greeting(msgspec.Struct):
    url: str


def cpu_s(pid: int) -> float:
    """Return the CPU seconds that a process has taken."""
    stat = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")


def family_cpu_s(pid: int) -> float:
    """Return the CPU seconds that a process and its descendants have taken."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return cpu_s(pid) + sum(family_cpu_s(int(child)) for child in children)


async def main() -> None:
    """Measure and show."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "TESTWRIGHT_DATA": folder}
        command = [sys.executable, "-m", "testwright", "up", "--json"]
        async with await anyio.open_process(command, env=environment, stderr=None) as process:
            assert process.stdout is not None
            greeting = await BufferedByteReceiveStream(process.stdout).receive_until(b"\n", 10_000)
            url = envelope.decode(greeting, _Greeting).url
            await until(anyio.current_time() + SETTLE_S)
            async with watching(url) as watcher:
                before, used = await watcher.traffic(), family_cpu_s(process.pid)
                await watcher.listen()
                await until(anyio.current_time() + QUIET_S)
                used, heard = family_cpu_s(process.pid) - used, Counter(watcher.heard)
                sent = await watcher.traffic() - before
            process.terminate()
    minute = 60 / QUIET_S
    show(
        "idle: the whole system with nothing to do",
        [
            Row("CPU time of all processes", used * minute, "s a minute"),
            Row("messages sent and received by all of them", sent.total() * minute, "a minute"),
            *(Row(f"of these {name}", count * minute, "a minute") for name, count in sent.most_common()),
            *(Row(f"said: {kind}", count * minute, "a minute") for kind, count in heard.most_common()),
        ],
        [
            "what is said counts once, what is sent and received for its sender and for each who receives it",
            "heartbeats: of a feed every 5 s, of each queue (engine and priority) that an idle slot is at every 30 s",
        ],
    )


if __name__ == "__main__":
    anyio.run(main)
