"""A simulated process: it can be killed at any await, drained, cut off or slow, and is started again."""

import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import anyio

from tests.support.moods import Moods, join
from tests.support.mortal import Mortal
from tests.support.plans import ROLES, Death, Plan
from testwright.actor import Actor
from testwright.bus.memory import MemoryBus, MemoryServer
from testwright.collector.actor import collector
from testwright.errors import BusClosedError, BusTimeoutError, PublishTimeoutError
from testwright.generator.actor import generator
from testwright.pacing import until
from testwright.submitter.actor import submitter
from testwright.verifier.actor import verifier

ENGINES = ("echo", "ghostwriter")


class Process(ABC):
    """What has one connection in each of its lives.

    Args:
        server: where it connects to.
        plan: of the run.
        number: among all processes.

    Attributes:
        name: its own.
        lives: so many, the present one included.
        wrong_by: how far its clock is ahead.
    """

    def __init__(self, server: MemoryServer, plan: Plan, number: int) -> None:
        self.name = f"{ROLES[number]}-{number}"
        self.lives = 0
        self._server = server
        clock = random.Random(f"{plan.seed}/{self.name}/clock")
        self.wrong_by = timedelta(seconds=clock.uniform(-plan.skew_s, plan.skew_s))
        self._deaths: Iterator[Death] = iter([death for death in plan.deaths if death.victim == number])
        self._bus: MemoryBus | None = None
        self._scope = anyio.CancelScope()

    @property
    @abstractmethod
    def bears(self) -> bool:
        """Whether it must bear, as it is now, that the server does not answer; else it ends, and is started anew."""

    @property
    def done(self) -> bool:
        """Whether it need not be started again."""
        return False

    async def live(self) -> None:
        """Run until it is done, life after life."""
        while not self.done:
            self.lives += 1
            self._scope = anyio.CancelScope()
            with self._scope:
                try:
                    async with self._server.connect(self.name) as self._bus:
                        death = next(self._deaths, None)
                        await self._work(Mortal(self._bus, self.kill, death) if death else self._bus)
                except* BusClosedError:
                    pass
                except* (BusTimeoutError, PublishTimeoutError):
                    if self.bears:
                        raise

    def kill(self) -> None:
        """End it without a word: the connection first, so that nothing it does in its last moments gets out."""
        if self._bus:
            self._bus.kill()
        self._scope.cancel()

    async def rest(self, grace_s: float) -> None:
        """Have it come to rest as on SIGTERM, and start again."""
        del grace_s
        self.kill()

    async def cut(self, for_s: float) -> None:
        """Cut it off for a while."""
        bus = self._bus
        if bus:
            bus.partition()
            await until(anyio.current_time() + for_s)
            bus.heal()

    async def slow(self, by_s: float, for_s: float) -> None:
        """Make it slow for a while."""
        bus = self._bus
        if bus:
            bus.slow(by_s)
            await until(anyio.current_time() + for_s)
            bus.slow(0.0)

    def now(self) -> datetime:
        """Return the time of day by its clock."""
        return self._server.now() + self.wrong_by

    @abstractmethod
    async def _work(self, bus: Any) -> None:
        """Live one life on a connection."""


class ActorProcess(Process):
    """An actor; it comes to rest as on SIGTERM.

    Args:
        server: where it connects to.
        plan: of the run.
        number: among all processes.
        bill: takes down what a task costs.
    """

    def __init__(self, server: MemoryServer, plan: Plan, number: int, bill: Callable[[str, float], None]) -> None:
        super().__init__(server, plan, number)
        self._moods = Moods(random.Random(f"{plan.seed}/{self.name}"), bill)
        self._role = ROLES[number]
        self._places = plan.places if plan.by_default else None
        self._at_work: Actor | None = None

    @property
    def bears(self) -> bool:
        """Whether it stands."""
        return self._at_work is not None

    async def rest(self, grace_s: float) -> None:
        """Have it come to rest as on SIGTERM, and start again."""
        if self._at_work:
            await self._at_work.rest(grace_s)

    async def _work(self, bus: Any) -> None:
        actor, self._at_work = self._actor(bus), None
        async with anyio.create_task_group() as tg:
            await tg.start(actor.run)
            self._at_work = actor

    def _actor(self, bus: Any) -> Actor:
        match self._role:
            case "submitter":
                return submitter(bus, self.now, ENGINES)
            case "collector":
                return collector(bus, self.now, slots=2, places=self._places)
            case "generator":
                worker = f"{self.name}.{self.lives}"
                return generator(bus, self.now, self._moods.produce, ENGINES, worker=worker, slots=2)
            case _:
                return verifier(bus, self.now, self._moods.judge, slots=2, join=join)
