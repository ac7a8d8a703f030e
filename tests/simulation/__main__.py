"""Simulate until so many messages were delivered: ``just simulate [--messages N] [--seed N]``.

Each seed is one run of the whole system under faults, held to every law of ``test_system``. A failure prints its seed,
and ``--seed`` replays exactly that run.
"""

import argparse
import logging
import math
import os
import sys
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import count, islice
from typing import Any

from tests.simulation import test_system
from tests.support import simulation
from tests.support.simulation import CALM
from testwright.bus._memory_faults import Dice, Fate
from testwright.bus.memory import Faults, MemoryServer

BATCH = 40
"""Seeds that are handed out at a time."""

LAWS: list[Callable[..., None]] = [
    law for name, law in vars(test_system).items() if name.startswith("test_") and law.__code__.co_argcount
]
"""Those that are about one run."""


class Counting(Dice):
    """Counts what it decides about: whatever passes a wire, and what of that asks for a confirmation.

    Attributes:
        carried: deliveries of queues and feeds, publishes and answers.
        asked: publishes and answers.
    """

    carried = 0
    asked = 0

    def lag_s(self) -> float:
        """Return what its base does."""
        Counting.carried += 1
        return super().lag_s()

    def publish_fate(self) -> Fate:
        """Return what its base does."""
        Counting.asked += 1
        return super().publish_fate()

    def answer_fate(self) -> Fate:
        """Return what its base does."""
        Counting.asked += 1
        return super().answer_fate()


class Server(MemoryServer):
    """A memory server that counts."""

    def __init__(self, *args: Any, faults: Faults | None = None, seed: int = 0, **options: Any) -> None:
        super().__init__(*args, faults=faults, seed=seed, **options)
        self._dice = Counting(faults or Faults(), seed)


@dataclass(frozen=True, slots=True)
class Result:
    """What a run has come to.

    Attributes:
        seed: of its plan.
        delivered: messages that queues and feeds have handed out.
        carried: those, and what was published or answered.
        events: stored at its end.
        digest: of these.
        failure: the traceback of what has failed, if anything has.
    """

    seed: int
    delivered: int
    carried: int
    events: int
    digest: str
    failure: str = ""


def simulate(seed: int) -> Result:
    """Run a seed and hold it to every law."""
    logging.disable()  # what goes wrong on purpose fills screens
    simulation.__dict__["MemoryServer"] = Server
    Counting.carried = Counting.asked = 0
    failure, events, digest = "", 0, ""
    try:
        report = test_system.report_of(seed)
        events, digest = len(report.events), report.digest
        for law in LAWS:
            check(law, seed)
    except BaseException as error:  # noqa: BLE001  whatever it is, it is reported with its seed
        failure = "".join(traceback.format_exception(error))
    finally:
        test_system.report_of.cache_clear()
    return Result(seed, Counting.carried - Counting.asked, Counting.carried, events, digest, failure)


def check(law: Callable[..., None], seed: int) -> None:
    """Hold the run of a seed to one law, if it is about this kind of run."""
    parameter = law.__code__.co_varnames[0]
    if parameter == "seed" or (parameter == "calm_seed" and seed % CALM == 0):
        law(seed)


def main() -> int:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(prog="just simulate", description=__doc__)
    parser.add_argument("--messages", type=int, default=1_000_000, help="deliveries in all [1000000]")
    parser.add_argument("--seed", type=int, help="run this one alone")
    parser.add_argument("--first", type=int, default=0, help="seed to begin with [0]")
    parser.add_argument("--minutes", type=float, default=math.inf, help="begin no more seeds after that [no limit]")
    parser.add_argument("--keep-going", action="store_true", help="do not stop at the first failure")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="at a time [one a core]")
    wish = parser.parse_args()
    if wish.seed is not None:
        result = simulate(wish.seed)
        lament(result)
        sys.stdout.write(f"{result.digest}\n")
        return told([result], 0.0)
    began, results = time.monotonic(), list[Result]()
    seeds = count(wish.first)
    with ProcessPoolExecutor(wish.processes) as pool:
        while sum(each.delivered for each in results) < wish.messages and time.monotonic() - began < 60 * wish.minutes:
            for result in pool.map(simulate, islice(seeds, BATCH)):
                results.append(result)
                lament(result)
            sys.stdout.write(f"{sum(each.delivered for each in results)} deliveries, {len(results)} seeds\n")
            sys.stdout.flush()
            if any(each.failure for each in results) and not wish.keep_going:
                break
    return told(results, time.monotonic() - began)


def lament(result: Result) -> None:
    """Print how a run has failed, if it has."""
    if result.failure:
        sys.stdout.write(f"{result.failure}\nseed {result.seed} has failed: just simulate --seed {result.seed}\n")


def told(results: list[Result], took_s: float) -> int:
    """Print what runs have come to; 1 where one has failed."""
    delivered, carried = sum(each.delivered for each in results), sum(each.carried for each in results)
    failed = [each for each in results if each.failure]
    sys.stdout.write(
        f"{len(results)} seeds from {results[0].seed}, {sum(each.events for each in results)} events, "
        f"{delivered} messages delivered, {carried} with publishes and answers, {took_s:.0f} s, {len(failed)} failed\n"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
