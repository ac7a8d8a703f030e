"""Run every benchmark; ``--real`` has engines and tools in them that take minutes."""

import sys

import anyio

from benchmarks import bus_floor, workflow_overlap

if __name__ == "__main__":
    anyio.run(bus_floor.main)
    anyio.run(lambda: workflow_overlap.main(real="--real" in sys.argv))
