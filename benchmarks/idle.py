"""What the whole system takes while there is nothing to do: CPU time and messages of ``up`` and its server."""

import os
import sys
import tempfile
from pathlib import Path

import anyio
import msgspec
from anyio.streams.buffered import BufferedByteReceiveStream

from benchmarks.table import Row, show
from testwright.bus._nats_link import Link
from testwright.pacing import until
from testwright_schemas import envelope

QUIET_S = 60.0
SETTLE_S = 5.0


class _Stats(msgspec.Struct):
    in_msgs: int
    out_msgs: int


class _Varz(msgspec.Struct):
    data: _Stats


class _Greeting(msgspec.Struct):
    url: str


def cpu_s(pid: int) -> float:
    """Return the CPU seconds that a process and its descendants have taken."""
    stat = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    own = (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return own + sum(cpu_s(int(child)) for child in children)


async def messages(url: str) -> int:
    """Return how many messages the server has taken and sent, our question included."""
    system = Link("_INBOX")
    await system.open(url.replace("//testwright:", "//testwright-system:"), "counting")
    answer = await system.request("$SYS.REQ.SERVER.PING.VARZ")
    await system.close()
    assert answer is not None
    found = envelope.decode(answer.data, _Varz).data
    return found.in_msgs + found.out_msgs


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
            asked = await messages(url)
            asking = await messages(url) - asked
            before, used = await messages(url), cpu_s(process.pid)
            await until(anyio.current_time() + QUIET_S)
            used = cpu_s(process.pid) - used
            sent = await messages(url) - before - asking
            process.terminate()
    show(
        "idle: the whole system with nothing to do",
        [
            Row("CPU time of all processes", used * 60 / QUIET_S, "s a minute"),
            Row("messages in and out of the server", sent * 60 / QUIET_S, "a minute"),
        ],
    )


if __name__ == "__main__":
    anyio.run(main)
