"""Run benchmarks: those that are named, with their own options; without a name those that take no minutes.

``--real`` has engines and tools in ``workflow_overlap`` that take minutes.
"""

import sys

import anyio

from benchmarks import bus_floor, suite_quality, workflow_overlap

if __name__ == "__main__":
    name, *rest = [*sys.argv[1:], ""]
    if name == "suite_quality":
        anyio.run(suite_quality.main, rest[:-1])
    else:
        if name != "workflow_overlap":
            anyio.run(bus_floor.main)
        if name != "bus_floor":
            anyio.run(lambda: workflow_overlap.main(real="--real" in sys.argv))
