"""Run every benchmark."""

import anyio

from benchmarks import bus_floor

if __name__ == "__main__":
    anyio.run(bus_floor.main)
