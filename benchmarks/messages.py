"""What is said for one task: the messages of each actor, and of each kind. It is the same under any load.

Everything between actors and server counts, its answers and deliveries too. On bare nats-py (see ``bus_floor``) a job
takes seven: the job, its confirmation and its delivery, the result, its confirmation and its delivery, the ack.
"""

from benchmarks._traffic import watching
from benchmarks.recovery import acting, done
from benchmarks.table import Row, show
from testwright.bus.nats import apply_topology
from testwright.bus.server import embedded
from testwright.bus.topology import declare

TASKS = 100
BARE = 7


async def main() -> None:
    """Measure and show."""
    async with embedded(None) as server:
        await apply_topology(server.url, declare(["echo"]))
        async with acting(server.url) as client, watching(server.url) as watcher:
            before = await watcher.traffic()
            for _ in range(TASKS):
                await done(client)
            sent = await watcher.traffic() - before
            await watcher.listen()
            for _ in range(TASKS):
                await done(client)
            heard = watcher.heard
    total = sent.total() / TASKS
    show(
        "messages: what is said for one task",
        [
            Row("sent and received by all", total, "messages", total / BARE, "a job on bare nats-py"),
            *(Row(f"of these {name}", count / TASKS, "messages") for name, count in sent.most_common()),
            *(Row(f"said: {kind}", count / TASKS, "times") for kind, count in heard.most_common()),
        ],
        [
            "what is said to several counts once for its sender and once for each who receives it",
            "all actors are in one process, as in `testwright up`; leases, which a rush has none of, are not counted",
        ],
    )
