"""The whole product in one process on the memory bus, with an engine that does what a test says."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio

from testwright.actor import Actor
from testwright.background import beside
from testwright.bus import Bus
from testwright.bus.memory import MemoryServer
from testwright.bus.topology import declare
from testwright.client import Client
from testwright.collector.actor import collector
from testwright.engines import Notes, Progress
from testwright.errors import WorkError
from testwright.generator.actor import Product, generator
from testwright.submitter.actor import submitter
from testwright.verification.inquiry import Finding
from testwright.verifier.actor import verifier
from testwright_schemas import CaseVerdict, Coverage, GenerateSuite, Mutation, VerifySuite

SUITE = b"def test_it():\n    assert True\n"
PATIENCE_S = 20.0


@dataclass
class Engine:
    """Answers for the engine and for verification.

    Attributes:
        go: set when attempts may end; set from the start.
        began: the modules whose attempts have begun.
        snapshots: the sources that each of them was given.
        broken: modules whose attempts fail for good.
        coverage: of every suite, in percent.
    """

    go: anyio.Event = field(default_factory=anyio.Event)
    began: list[str] = field(default_factory=list[str])
    snapshots: list[bytes] = field(default_factory=list[bytes])
    broken: set[str] = field(default_factory=set[str])
    coverage: float = 90.0
    _news: anyio.Event = field(default_factory=anyio.Event)

    def hold(self) -> None:
        """Let no attempt end until ``go`` is set."""
        self.go = anyio.Event()

    async def has_begun(self, count: int) -> None:
        """Return when so many attempts have begun."""
        with anyio.fail_after(PATIENCE_S):
            while len(self.began) < count:
                await self._news.wait()

    async def produce(self, item: GenerateSuite, snapshot: bytes, progress: Progress, notes: Notes) -> Product:
        """Deliver a suite named after the module."""
        self.snapshots.append(snapshot)
        self.began.append(item.target.module)
        self._news.set()
        self._news = anyio.Event()
        await self.go.wait()
        if item.target.module in self.broken:
            raise WorkError("import-failed", f"{item.target.module} cannot be imported")
        return Product(archive=SUITE, files=(f"test_{item.target.module}.py",))

    async def judge(self, item: VerifySuite, snapshot: bytes, candidate: bytes, progress: Progress) -> Finding:
        """Keep what was delivered."""
        return Finding(
            cases=(CaseVerdict(id="test_it", verdict="kept"),),
            coverage=Coverage(line=self.coverage),
            mutation=Mutation(),
            files={f"test_{item.target.module.replace('.', '_')}.py": candidate},
            report=b"{}",
            isolation="none",
            python="3.11",
            wall_s=0.0,
        )


@dataclass(frozen=True, slots=True)
class World:
    """What a test has in its hands.

    Attributes:
        server: in memory.
        bus: a connection of the test's own.
        client: on that connection, following.
        engine: what does the work, under the name ``echo``.
    """

    server: MemoryServer
    bus: Bus
    client: Client
    engine: Engine

    @asynccontextmanager
    async def another_client(self) -> AsyncGenerator[Client]:
        """Connect as another process would, which knows nothing of what was submitted here."""
        async with self.server.connect("another") as bus, Client(bus, clock=self.server.now).following() as client:
            yield client


@asynccontextmanager
async def world(
    *, submitting: bool = True, collecting: bool = True, slots: int = 8, places: int | None = None
) -> AsyncGenerator[World]:
    """Run everything for one test.

    Args:
        submitting: whether anybody takes submissions.
        collecting: whether there is a collector.
        slots: attempts at a time.
        places: of each namespace without limits, by default.
    """
    async with MemoryServer(declare(("echo", "openhands"))) as server, server.connect("all") as bus:
        engine = Engine()
        engine.go.set()
        clock = server.now
        builders: list[Callable[[], Actor]] = [
            lambda: generator(bus, clock, engine.produce, ("echo",), worker="w", slots=slots),
            lambda: verifier(bus, clock, engine.judge, slots=4),
        ]
        if collecting:
            builders.append(lambda: collector(bus, clock, places=places))
        if submitting:
            builders.append(lambda: submitter(bus, clock, ("echo",)))
        async with beside(*(build().run for build in builders)), Client(bus, clock=clock).following() as client:
            yield World(server, bus, client, engine)
