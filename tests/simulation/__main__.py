"""Simulate until so many messages were delivered: ``just simulate [--messages N] [--seed N]``.

Each seed is one run of the whole system under faults, held to every law. A failure prints its seed, and ``--seed``
replays exactly that run. With ``--scenarios N``, Hypothesis chooses instead, and makes what fails as small as it can;
that is printed as a plan, which ``--plan`` replays.
"""

import argparse
import logging
import math
import os
import sys
import time
import traceback
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import count, islice
from typing import Any

from hypothesis import given, settings

from tests.simulation import test_scenarios
from tests.simulation.laws import hold
from tests.support import simulation
from tests.support.plans import Plan, of_seed
from testwright.bus._memory_faults import Dice, Fate
from testwright.bus.memory import Faults, MemoryServer

BATCH = 40
"""Seeds that are handed out at a time."""


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
        plan: what it did.
        delivered: messages that queues and feeds have handed out.
        carried: those, and what was published or answered.
        events: stored at its end.
        digest: of these.
        failure: the traceback of what has failed, if anything has.
    """

    plan: Plan
    delivered: int
    carried: int
    events: int
    digest: str
    failure: str = ""


def simulate(plan: Plan) -> Result:
    """Run a plan and hold it to every law."""
    logging.disable()  # what goes wrong on purpose fills screens
    simulation.__dict__["MemoryServer"] = Server
    Counting.carried = Counting.asked = 0
    failure, events, digest = "", 0, ""
    try:
        report = simulation.run(plan)
        events, digest = len(report.events), report.digest
        hold(report)
    except BaseException as error:  # noqa: BLE001  whatever it is, it is reported with its plan
        failure = "".join(traceback.format_exception(error))
    return Result(plan, Counting.carried - Counting.asked, Counting.carried, events, digest, failure)


def simulate_seed(seed: int) -> Result:
    """Run the plan of a seed and hold it to every law."""
    return simulate(of_seed(seed))


def search(scenarios: int) -> None:
    """Have Hypothesis look for a plan that breaks a law, and make it smaller; that fails as a test does."""
    logging.disable()
    wider = settings(test_scenarios.FEW, max_examples=scenarios, derandomize=False)
    wider(given(test_scenarios.plans)(test_scenarios.keep_to_the_laws))()


def main() -> int:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(prog="just simulate", description=__doc__)
    parser.add_argument("--messages", type=int, default=1_000_000, help="deliveries in all [1000000]")
    parser.add_argument("--seed", type=lambda text: of_seed(int(text)), dest="plan", help="run this one alone")
    parser.add_argument("--plan", type=Plan.read, help="run this one alone, as it was printed")
    parser.add_argument("--scenarios", type=int, help="have Hypothesis choose what goes wrong, so many times")
    parser.add_argument("--first", type=int, default=0, help="seed to begin with [0]")
    parser.add_argument("--minutes", type=float, default=math.inf, help="begin no more seeds after that [no limit]")
    parser.add_argument("--keep-going", action="store_true", help="do not stop at the first failure")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="at a time [one a core]")
    wish = parser.parse_args()
    if wish.scenarios:
        search(wish.scenarios)
        sys.stdout.write(f"{wish.scenarios} scenarios, none failed\n")
        return 0
    if wish.plan:
        result = simulate(wish.plan)
        lament(result)
        sys.stdout.write(f"{result.digest}\n")
        return told([result], 0.0)
    began, results = time.monotonic(), list[Result]()
    seeds = count(wish.first)
    with ProcessPoolExecutor(wish.processes) as pool:
        while sum(each.delivered for each in results) < wish.messages and time.monotonic() - began < 60 * wish.minutes:
            for result in pool.map(simulate_seed, islice(seeds, BATCH)):
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
        plan = result.plan
        again = f"--seed {plan.seed}" if plan == of_seed(plan.seed) else f"--plan '{plan.text}'"
        sys.stdout.write(f"{result.failure}\nseed {plan.seed} has failed: just simulate {again}\n")


def told(results: list[Result], took_s: float) -> int:
    """Print what runs have come to; 1 where one has failed."""
    delivered, carried = sum(each.delivered for each in results), sum(each.carried for each in results)
    failed = [each for each in results if each.failure]
    sys.stdout.write(
        f"{len(results)} seeds from {results[0].plan.seed}, {sum(each.events for each in results)} events, "
        f"{delivered} messages delivered, {carried} with publishes and answers, {took_s:.0f} s, {len(failed)} failed\n"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
