"""A verifier in a process of its own that keeps every candidate at once: ``python -m tests.chaos.lenient URL``.

All of it is the product's but the judgement: that takes seconds of a processor, and chaos needs thousands of tasks.
"""

import sys

import anyio

from testwright import clock
from testwright.background import beside
from testwright.bus.nats import connect
from testwright.engines import Progress
from testwright.snapshots import archive
from testwright.verification.inquiry import Finding
from testwright.verifier.actor import verifier
from testwright_schemas import CaseVerdict, Coverage, Mutation, VerifySuite

SLOTS = 4


async def judge(item: VerifySuite, snapshot: bytes, candidate: bytes, progress: Progress) -> Finding:
    """Keep what was delivered."""
    files = archive.read(candidate)
    return Finding(
        cases=tuple(CaseVerdict(id=name, verdict="kept") for name in files),
        coverage=Coverage(line=100.0),
        mutation=Mutation(),
        files=files,
        report=b"{}",
        isolation="none",
        python="",
        wall_s=0.0,
    )


async def main(url: str) -> None:
    """Judge until killed."""
    async with (
        connect(url, name="testwright-verifier", leased=True) as bus,
        beside(verifier(bus, clock.now, judge, slots=SLOTS).run),
    ):
        await anyio.sleep_forever()


if __name__ == "__main__":
    anyio.run(main, sys.argv[1])
