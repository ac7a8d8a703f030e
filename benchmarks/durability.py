"""What it costs to have each message on the disk before it is confirmed: the two kinds of server in turns."""

import tempfile
import time
from pathlib import Path

from benchmarks.table import Row, percentile, show
from testwright.bus.nats import apply_topology, connect
from testwright.bus.server import embedded
from testwright.bus.topology import declare
from testwright_schemas import subjects

TURNS = 4
PUBLISHES = 150
BODY = b"x" * 400


async def publishes(folder: Path, *, durable: bool) -> list[float]:
    """Return the milliseconds of confirmed publishes, one after the other, to a server of their own."""
    spent: list[float] = []
    async with embedded(folder, durable=durable) as server:
        await apply_topology(server.url, declare(["echo"]))
        async with connect(server.url, name="bench") as bus:
            for number in range(PUBLISHES):
                subject = subjects.task_event("default", f"t{number}", "finished")
                began = time.perf_counter()
                await bus.publish(subject, BODY, message_id=str(number))
                spent.append((time.perf_counter() - began) * 1000)
    return spent


async def main() -> None:
    """Measure and show."""
    default, durable = list[float](), list[float]()
    # Not in a folder for temporary files, which may be in memory.
    with tempfile.TemporaryDirectory(dir=Path(), prefix=".durability-") as folder:
        for turn in range(TURNS):
            default += await publishes(Path(folder, f"default-{turn}"), durable=False)
            durable += await publishes(Path(folder, f"durable-{turn}"), durable=True)
    rows: list[Row] = []
    for share in (50, 99):
        floor, cost = percentile(default, share), percentile(durable, share)
        rows.append(Row(f"confirmed publish, p{share}", floor, "ms"))
        rows.append(Row(f"confirmed publish with --durable, p{share}", cost, "ms", cost / floor, "without"))
    show("durability: each message on the disk before it is confirmed", rows)
