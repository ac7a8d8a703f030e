"""A worker is killed: what it held is with the next one although the ack wait is an hour."""

import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from functools import partial

import anyio
import nats
import pytest
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream
from nats.aio.msg import Msg

from tests.support.nats_server import World, nats_world
from testwright.background import beside
from testwright.bus.reclaim import reclaiming
from testwright.bus.topology import Consumer, Stream, Topology
from testwright.errors import PermissionDeniedError
from testwright_schemas import Lease, envelope, subjects

pytestmark = pytest.mark.nats

TOPOLOGY = Topology(
    streams=(Stream(name="WORK", subjects=("work.>",), retention="work"),),
    consumers=(Consumer(stream="WORK", name="workers", filters=("work.>",), ack_wait_s=3600.0),),
    buckets=(),
)

WORKER = """
import sys

import anyio

from testwright.bus.nats import connect


async def main():
    async with connect(sys.argv[1], name="worker", leased=True) as bus, bus.slot("WORK", ["workers"]) as slot:
        delivery = await slot.next()
        if sys.argv[2] == "answers":
            await delivery.ack()
        if sys.argv[2] == "goes-on":
            await delivery.done()
            delivery = await slot.next()
        await bus.get("WORK", 1)  # what was said before has been sent
        print(delivery.message.subject, flush=True)
        await anyio.sleep_forever()


anyio.run(main)
"""


@asynccontextmanager
async def server() -> AsyncGenerator[World]:
    async with nats_world() as world:
        await world.apply(TOPOLOGY)
        yield world


@asynccontextmanager
async def worker(world: World, what: str = "holds", last: bytes = b"work.1") -> AsyncGenerator[Process]:
    """Run a worker in a process of its own that has taken all messages, ``last`` the last of them."""
    command = [sys.executable, "-c", WORKER, world.url, what]
    async with await anyio.open_process(command, stderr=None) as process:
        try:
            assert process.stdout is not None
            assert await BufferedByteReceiveStream(process.stdout).receive_until(b"\n", 100) == last
            yield process
        finally:
            with suppress(ProcessLookupError):
                process.kill()


def system(world: World) -> str:
    return world.url.replace("admin:", "system:")


async def test_the_next_worker_has_it_at_once() -> None:
    async with server() as world, beside(partial(reclaiming, world.url, system(world))):
        bus = await world.connect("next")
        await bus.publish("work.1", b"x", message_id="1")
        async with worker(world) as dead:
            dead.kill()
            async with bus.slot("WORK", ["workers"]) as slot:
                delivery = await slot.next()
    assert (delivery.message.subject, delivery.count) == ("work.1", 2)


async def test_so_it_has_what_followed_upon_work_that_took_no_time() -> None:
    async with server() as world, beside(partial(reclaiming, world.url, system(world))):
        bus = await world.connect("next")
        for number in "12":
            await bus.publish(f"work.{number}", b"x", message_id=number)
        told: anyio.Event = anyio.Event()

        async def note(message: Msg) -> None:
            lease = envelope.decode(message.data, Lease)
            if lease.held and any(ack.split(".")[5] == "2" for ack in (lease.ack, *lease.others)):
                told.set()

        watcher = await nats.connect(world.url)
        await watcher.subscribe(subjects.LEASES, cb=note)
        await watcher.flush()
        async with worker(world, "goes-on", b"work.2") as dead:
            await told.wait()
            await watcher.close()
            dead.kill()
            async with bus.slot("WORK", ["workers"]) as slot:
                delivery = await slot.next()
    assert (delivery.message.subject, delivery.count) == ("work.2", 2)


async def test_work_that_the_dead_had_done_is_not_done_again() -> None:
    async with server() as world, beside(partial(reclaiming, world.url, system(world))):
        bus = await world.connect("next")
        await bus.publish("work.1", b"x", message_id="1")
        async with worker(world, "answers") as dead:
            dead.kill()
        await bus.publish("work.2", b"x", message_id="2")
        async with bus.slot("WORK", ["workers"]) as slot:
            delivery = await slot.next()
    assert (delivery.message.subject, delivery.count) == ("work.2", 1)


async def test_who_may_not_listen_is_told() -> None:
    nobody = {"user": "nobody", "password": "x", "permissions": {"subscribe": ["_INBOX.>"], "publish": [">"]}}
    async with nats_world([nobody]) as world:
        with pytest.raises(PermissionDeniedError, match=r"subscribe to 'testwright.lease'"):
            async with beside(partial(reclaiming, world.address("nobody", "x"), system(world))):
                pass
