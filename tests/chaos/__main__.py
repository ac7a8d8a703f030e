"""Kill something every second while clients work, then see whether the books balance: ``just chaos [MINUTES]``.

A real server and real processes, on this machine only. What is killed, in which order, and what is submitted follow
from the seed; what that hits does not. Ends with 1 where something was lost, or done twice.
"""

import argparse
import os
import random
import secrets
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import anyio

from tests.chaos.audit import audit
from tests.chaos.crew import Crew, Toll
from tests.chaos.customers import Book, Customer, Wish
from tests.chaos.findings import Audit
from tests.chaos.ledger import LIMIT_USD
from tests.chaos.payable import ENGINE, PRICE_USD
from testwright import clock
from testwright.bus.nats import apply_topology, connect
from testwright.bus.server import embedded
from testwright.bus.topology import declare
from testwright.engines import registry
from testwright.snapshots.bundle import bundle
from testwright.voice import Voice
from testwright_schemas import LimitsSet, Policy, Publish, RetryPolicy

MODULES = 8
PAID = 10.0
"""Percent of jobs for the engine that costs money."""

PATIENCE_S = 300.0
"""Seconds, once nothing is killed any more, after which what has not ended is called lost."""


def policy(engine: str, price_usd: float = 0.0) -> Policy:
    """Return what chaos asks of an engine: one that is soon done, at a price."""
    return Policy(
        engines=(engine,),
        coverage=0,
        repeats=1,
        mutants=False,
        python=sys.executable,
        max_cost_usd=price_usd,
        retry=RetryPolicy(base_s=0.1, jitter=0.0),
    )


@dataclass(frozen=True, slots=True)
class Storm:
    """How bad it gets: for how many seconds, a kill every how many, how many clients; dice fall by ``seed``.

    ``real`` is the share of jobs, in percent, that a real engine does.
    """

    seed: int
    seconds: float
    every_s: float = 1.0
    clients: int = 4
    real: float = 2.0

    @property
    def wishes(self) -> tuple[Wish, ...]:
        """What clients ask for."""
        return (
            Wish(policy("echo"), 100.0 - PAID - self.real, MODULES),
            Wish(policy(ENGINE, PRICE_USD), PAID, MODULES),
            Wish(policy("ghostwriter"), self.real, 1),
        )


async def storm(plan: Storm, folder: Path) -> tuple[Book, Toll, Audit]:
    """Run everything in an empty folder, and return what clients know, what was killed, and what is on the server."""
    book, dice, found = Book(), random.Random(plan.seed), Audit()
    bundled = bundle([_project(folder / "project")])
    async with embedded(folder / "server") as server:
        await apply_topology(server.url, declare(registry.names()))
        await limit(server.url, LIMIT_USD)
        crew = Crew(server, folder)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(crew.live)
            end = anyio.current_time() + plan.seconds
            with anyio.move_on_after(plan.seconds + PATIENCE_S):
                async with anyio.create_task_group() as work:
                    work.start_soon(crew.hurt, dice, plan.every_s, end)
                    for number in range(plan.clients):
                        customer = Customer(server.url, bundled, plan.wishes, f"{plan.seed}/{number}", book)
                        work.start_soon(customer.shop, end)
            found = await audit(server.url, book, crew.bill)
            tasks.cancel_scope.cancel()
    return book, crew.toll, found


async def limit(url: str, usd: float) -> None:
    """Give the namespace a budget, so that its money is counted."""
    async with connect(url, name="operator") as bus:
        told = LimitsSet(namespace="default", max_cost_usd=usd, set_at=clock.now())
        await Voice(bus, "client", clock.now).say(Publish(message=told), {})


def _project(folder: Path) -> Path:
    folder.mkdir()
    (folder / "pyproject.toml").write_text('[project]\nname = "storm"\nversion = "1"\n', encoding="utf-8")
    for number in range(MODULES):
        text = f'"""Part {number}."""\n\n\ndef add_{number}(a: int, b: int) -> int:\n    return a + b + {number}\n'
        (folder / f"part{number}.py").write_text(text, encoding="utf-8")
    return folder


def table(plan: Storm, book: Book, toll: Toll, found: Audit, took_s: float) -> Iterator[str]:
    """Yield the lines of the report."""
    tasks = len(book.submitted)
    yield f"seed {plan.seed}: {plan.seconds:g} s, something killed every {plan.every_s:g} s, {plan.clients} clients"
    rows: list[tuple[str, object]] = [
        ("tasks submitted", tasks),
        ("jobs", len(book.jobs)),
        *sorted(book.counts.items()),
        ("clients told of an end", len(book.told)),
        ("longest from submission to being told, s", round(book.slowest_s, 1)),
        *((f"ended as {outcome}", count) for outcome, count in found.outcomes.most_common()),
        *found.counts.items(),
        *((f"kill -9 of a {kind}", count) for kind, count in sorted(toll.killed.items())),
        *((f"{kind}: ended by itself", count) for kind, count in sorted(toll.fallen.items())),
        ("seconds in all", round(took_s)),
        ("load of this machine (1 min)", round(os.getloadavg()[0], 1)),
    ]
    yield from (f"  {name:<52} {value!s:>10}" for name, value in rows)
    yield from (f"  IMBALANCE {fault[:2000]}" for fault in found.faults)
    yield (
        "the books do not balance"
        if found.faults
        else "the books balance: submitted = ended, each once, and every cent accounted for"
    )


def main() -> int:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(prog="just chaos", description=__doc__)
    parser.add_argument("minutes", type=float, nargs="?", default=2.0, help="how long something is killed [2]")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6), help="of the dice [random]")
    parser.add_argument("--every", type=float, default=1.0, metavar="S", help="seconds between two kills [1]")
    parser.add_argument("--clients", type=int, default=4, help="that submit and wait [4]")
    parser.add_argument("--real", type=float, default=2.0, metavar="PERCENT", help="of jobs, by a real engine [2]")
    wish = parser.parse_args()
    plan = Storm(wish.seed, wish.minutes * 60, wish.every, wish.clients, wish.real)
    # Its processes are to end with it, however it is stopped.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    began = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="testwright-chaos-"))
    book, toll, found = anyio.run(storm, plan, folder)
    for line in table(plan, book, toll, found, time.monotonic() - began):
        sys.stdout.write(f"{line}\n")
    if found.faults or not book.told:
        sys.stdout.write(f"logs, and the data of the server: {folder}\n")
        return 1
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
