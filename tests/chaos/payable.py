"""A generator in a process of its own whose engine costs money: ``python -m tests.chaos.payable URL BILL``.

It serves the queue of an engine that asks a model, and writes into the file BILL what it costs, as a provider would: as
soon as it is spent, whoever hears of it afterwards.
"""

import os
import sys
from pathlib import Path

import anyio

from testwright import clock
from testwright.background import beside
from testwright.bus.nats import connect
from testwright.engines import Notes, Progress
from testwright.generator.actor import Product, generator
from testwright.snapshots import archive
from testwright_schemas import GenerateSuite, Usage

ENGINE = "openhands"
"""One that the submitter knows and nobody else serves here."""

COST_USD = 0.02
PRICE_USD = 0.05
"""What a task may cost; so much is reserved for it."""

SLOTS = 2

_FILES = {"test_it.py": b"def test_it():\n    assert 1 + 1 == 2\n"}


async def main(url: str, bill: Path) -> None:
    """Answer, for money, until killed."""

    async def produce(item: GenerateSuite, snapshot: bytes, progress: Progress, notes: Notes) -> Product:
        # One write of a line to a file that is appended to: a process that is killed leaves all of it, or nothing.
        descriptor = os.open(bill, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        try:
            os.write(descriptor, f"{item.task_id} {COST_USD}\n".encode())
        finally:
            os.close(descriptor)
        await progress("asking", tests=1)
        usage = Usage(model="scripted", input_tokens=100, output_tokens=10, cost_usd=COST_USD)
        return Product(archive=archive.pack(_FILES), files=tuple(_FILES), usage=usage)

    async with (
        connect(url, name="testwright-generator", leased=True) as bus,
        beside(generator(bus, clock.now, produce, [ENGINE], worker=f"payable-{os.getpid()}", slots=SLOTS).run),
    ):
        await anyio.sleep_forever()


if __name__ == "__main__":
    anyio.run(main, sys.argv[1], Path(sys.argv[2]))
