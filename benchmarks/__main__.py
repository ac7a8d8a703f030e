"""Run benchmarks: the one that is named, with its own options; without a name those that take no more than minutes.

``report`` puts what was measured last into the documentation.
"""

import sys
from collections.abc import Awaitable, Callable, Sequence

import anyio

from benchmarks import (
    bus_floor,
    durability,
    idle,
    messages,
    recovery,
    report,
    scale,
    suite_quality,
    waiting,
    workflow_overlap,
)

BENCHMARKS: dict[str, Callable[[Sequence[str]], Awaitable[None]]] = {
    "bus_floor": bus_floor.main,
    "durability": lambda _: durability.main(),
    "waiting": lambda _: waiting.main(),
    "recovery": lambda _: recovery.main(),
    "scale": scale.main,
    "idle": lambda _: idle.main(),
    "messages": lambda _: messages.main(),
    "workflow_overlap": workflow_overlap.main,
    "suite_quality": lambda options: suite_quality.main(list(options)),
    "report": report.main,
}
APART = {"suite_quality", "report"}
"""What runs only where it is named."""

if __name__ == "__main__":
    name, *options = sys.argv[1:] or [""]
    if name and name not in BENCHMARKS:
        sys.exit(f"there is no benchmark {name!r}: there are {', '.join(BENCHMARKS)}")
    for each, run in BENCHMARKS.items():
        if name == each or not (name or each in APART):
            anyio.run(run, options)
