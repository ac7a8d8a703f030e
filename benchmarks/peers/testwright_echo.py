"""testwright: the whole way of a task through all its actors, with an engine and a verifier that answer at once.

The worker process is what ``testwright up`` is: the embedded server, and every actor that a task passes, on one
connection. With ``apart``, generator and verifier are a second process.
"""

import signal
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, nullcontext
from functools import partial
from pathlib import Path

import anyio

from benchmarks._echo import POLICY, bundle, charges, judge, produce
from benchmarks.peers.protocol import System, serve, server
from benchmarks.peers.servers import process
from testwright import clock, loop
from testwright.actor import Actor
from testwright.background import beside
from testwright.bus import Bus
from testwright.bus.nats import apply_topology, connect
from testwright.bus.reclaim import reclaiming
from testwright.bus.server import embedded
from testwright.bus.topology import declare
from testwright.client import Client
from testwright.collector.actor import collector
from testwright.generator.actor import generator
from testwright.permissions import Role
from testwright.shelf import Shelf
from testwright.submitter.actor import submitter
from testwright.verifier.actor import verifier

SLOTS = 4
DECIDING: tuple[Role, ...] = ("submitter", "collector")
WORKING: tuple[Role, ...] = ("generator", "verifier")


class Echo(System):
    """A client as users have it; its module is bundled before."""

    package = "testwright"

    def __init__(self, client: Client) -> None:
        self._client = client
        self._bundle = bundle()

    async def submit(self) -> str:
        return (await self._client.submit_bundle(self._bundle, POLICY)).tasks[0].id

    async def result(self, handle: str) -> None:
        await self._client.wait(handle)


def build(role: Role, bus: Bus, shelf: Shelf) -> Actor:
    """Return an actor."""
    match role:
        case "submitter":
            return submitter(bus, clock.now, ["echo"])
        case "collector":
            return collector(bus, clock.now)
        case "generator":
            return generator(
                bus, clock.now, produce, ["echo"], worker="bench", slots=SLOTS, charges=charges, shelf=shelf
            )
        case "verifier":
            return verifier(bus, clock.now, judge, slots=SLOTS, shelf=shelf)
        case _:
            raise ValueError(role)


async def act(url: str, roles: Sequence[Role], system_url: str | None = None) -> None:
    """Be these actors."""
    shelf = Shelf()
    async with connect(url, name="testwright-actors", leased=True) as bus:
        actors = [build(role, bus, shelf) for role in roles]
        reclaimers = [partial(reclaiming, url, system_url)] if system_url else []
        async with beside(*(actor.run for actor in actors), *reclaimers):
            with anyio.open_signal_receiver(signal.SIGTERM) as signals:
                sys.stdout.write("stands\n")
                sys.stdout.flush()
                await anext(aiter(signals))


async def up(folder: str, roles: Sequence[Role]) -> None:
    """Be a server with actors on it; says first where they and others find it."""
    async with embedded(Path(folder), engines=["echo"]) as here:
        await apply_topology(here.url, declare(["echo"]))
        sys.stdout.write(f"{here.url} {here.url_of('actors')}\n")
        await act(here.url_of("actors"), roles, here.system_url)


@asynccontextmanager
async def running(folder: Path, *, apart: bool) -> AsyncGenerator[System]:
    """Run a server and its actors, in one process or in two."""
    this = [sys.executable, "-m", "benchmarks.peers.testwright_echo"]
    roles = DECIDING if apart else DECIDING + WORKING
    with process([*this, "up", str(folder), *roles], "stands") as (first, *_):
        url, actors = first.split()
        with process([*this, "act"], "stands", server=actors) if apart else nullcontext():
            async with Client.connect(url) as client:
                yield Echo(client)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["up", folder, *roles]:
            loop.run(up, folder, roles)
        case ["act"]:
            loop.run(act, server(), WORKING)
        case _:
            serve(partial(running, apart="apart" in sys.argv))
