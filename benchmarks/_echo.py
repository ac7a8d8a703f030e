"""The trivial task: engine and verifier answer at once, so that what is around them is measured and nothing else."""

import hashlib
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from testwright.engines import Notes, Progress
from testwright.generator.actor import Product
from testwright.snapshots.archive import pack
from testwright.snapshots.bundle import Bundle
from testwright.verification.inquiry import Finding
from testwright_schemas import CaseVerdict, Coverage, GenerateSuite, Mutation, Policy, Snapshot, Target, VerifySuite

POLICY = Policy(engines=("echo",))


async def produce(item: GenerateSuite, snapshot: bytes, progress: Progress, notes: Notes) -> Product:
    """Answer at once."""
    return Product(archive=b"candidate", files=("test_it.py",))


def charges(engine: str) -> bool:
    """Say that its work costs nothing, as that of the engine ``echo`` does not."""
    del engine
    return False


async def judge(item: VerifySuite, snapshot: bytes, candidate: bytes, progress: Progress) -> Finding:
    """Keep the one test at once."""
    return Finding(
        cases=(CaseVerdict(id="test_it.py::test_it", verdict="kept"),),
        coverage=Coverage(line=100.0),
        mutation=Mutation(),
        files={"test_it.py": candidate},
        report=b"{}",
        isolation="none",
        python="",
        wall_s=0.0,
    )


def bundle(modules: int = 1) -> Bundle:
    """Return a project of one empty file, which as many modules are said to be in."""
    data = pack({"it.py": b""})
    snapshot = Snapshot(digest=hashlib.sha256(data).hexdigest(), size=len(data), files=1)
    targets = tuple(Target(module=f"m{n}", path="it.py") for n in range(modules))
    return Bundle(snapshot=snapshot, data=data, targets=targets, root=Path(), skipped={})


async def timed(action: Callable[[], Awaitable[object]], rounds: int) -> list[float]:
    """Return the milliseconds of each round."""
    spent: list[float] = []
    for _ in range(rounds):
        began = time.perf_counter()
        await action()
        spent.append((time.perf_counter() - began) * 1000)
    return spent
