"""Engines and verification as the simulation has them: a suite is a set of lines that it covers, and dice decide.

A candidate covers some lines. Judging one finds the lines of all its files together, those that were accepted before
included; now and then it finds less than there is, as a flaky machine would.
"""

import random
from collections.abc import Callable, Mapping

import anyio
import msgspec

from testwright.engines import Notes, Progress
from testwright.errors import WorkError
from testwright.generator.actor import Product
from testwright.pacing import until
from testwright.snapshots.archive import pack, read
from testwright.verification.inquiry import Finding
from testwright.verifier.merging import merged
from testwright_schemas import Brief, CaseVerdict, Coverage, GenerateSuite, Mutation, Usage, VerifySuite

LINES = 20
SOURCES = b"sources"
MODEL = "dice-1"


class Moods:
    """What one process' engines and verification do.

    Args:
        dice: decide.
        bill: takes down, by the task, what is really spent, whoever hears of it.
    """

    def __init__(self, dice: random.Random, bill: Callable[[str, float], None]) -> None:
        self._dice = dice
        self._bill = bill

    async def produce(self, item: GenerateSuite, snapshot: bytes, progress: Progress, notes: Notes) -> Product:
        """Deliver a candidate, or fail in one of many ways."""
        assert snapshot == SOURCES
        assert item.brief or item.attempt.round == 1
        cost_usd = 0.5 if item.policy.max_cost_usd is None else min(0.5, item.policy.max_cost_usd)
        self._bill(item.task_id, cost_usd)
        await progress("searching", tests=1)
        wall_s = self._dice.uniform(0, 90)
        await until(anyio.current_time() + wall_s)
        told = None if item.policy.max_cost_usd and self._dice.random() < 0.1 else cost_usd
        usage = Usage(model=MODEL, input_tokens=10, cost_usd=told, wall_s=wall_s)
        self._stumble(usage)
        missing = item.brief.missing_lines if item.brief else range(LINES)
        lines = {line for line in missing if self._dice.random() < 0.4} | {0}
        files = {"test_it.py": msgspec.json.encode(sorted(lines))}
        return Product(
            archive=pack(files), files=tuple(files), usage=usage, rounds=item.attempt.engine == "echo", isolation="none"
        )

    def _stumble(self, usage: Usage) -> None:
        mood = self._dice.random()
        if mood < 0.15:
            raise WorkError("engine-crashed", "it broke", retryable=True, log=b"traceback", usage=usage)
        if mood < 0.2:
            raise WorkError("import-failed", "no such module", usage=usage)
        if mood < 0.25:
            raise ValueError("nobody foresaw this")
        if mood < 0.35:
            wait_s = self._dice.choice((0.0, 5.0, 60.0, 300.0))
            raise WorkError("rate-limited", "slow down", retryable=True, usage=usage, retry_after_s=wait_s)
        if mood < 0.38:
            raise WorkError("model-unavailable", "it fails again and again", retryable=True, usage=usage, pause_s=60.0)

    async def judge(self, item: VerifySuite, snapshot: bytes, candidate: bytes, progress: Progress) -> Finding:
        """Return the lines that are covered; nothing is kept where there are none."""
        assert snapshot == SOURCES
        await progress("repeating", tests=1)
        await until(anyio.current_time() + self._dice.uniform(0, 30))
        suites = [set(msgspec.json.decode(content, type=list[int])) for content in read(candidate).values()]
        covered = set[int]().union(*suites)
        mood = self._dice.random()
        if mood < 0.1:
            raise WorkError("environment-unusable", "it is gone", retryable=self._dice.random() < 0.5)
        if mood < 0.3:
            covered = {line for line in covered if self._dice.random() < 0.5}
        return finding(covered)


async def join(accepted: Mapping[str, bytes], candidate: bytes) -> bytes:
    """Return both in one archive; without a thread, which would take time that does not pass here."""
    return pack(merged(accepted, read(candidate)))


def finding(covered: set[int]) -> Finding:
    """Return what is found of a suite that covers these lines."""
    missing = tuple(sorted(set(range(LINES)) - covered))
    line = 100.0 * len(covered) / LINES
    return Finding(
        cases=(CaseVerdict(id="test_it.py::test_it", verdict="kept" if covered else "flaky"),),
        coverage=Coverage(line=line) if covered else None,
        mutation=Mutation(),
        files={"shop/test_it.py": msgspec.json.encode(sorted(covered))} if covered else {},
        report=b"{}",
        isolation="none",
        python="3.11",
        wall_s=1.0,
        brief=Brief(line=line if covered else None, missing_lines=missing),
    )
