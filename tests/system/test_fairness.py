"""Namespaces beside each other on a real server."""

import hashlib
from pathlib import Path

import anyio
import pytest

from benchmarks._echo import POLICY
from tests.support.nats_server import nats_world
from tests.support.served import serving
from tests.support.world import Engine
from testwright import clock
from testwright.bus import Bus
from testwright.bus.topology import declare
from testwright.client import Client
from testwright.snapshots.bundle import Bundle
from testwright_schemas import MAX_TASKS, LimitsSet, Snapshot, Target, envelope, subjects

pytestmark = [pytest.mark.nats, pytest.mark.slow, pytest.mark.timeout(900)]

SOURCES = b"sources"


def many(name: str, count: int) -> Bundle:
    digest = hashlib.sha256(SOURCES).hexdigest()
    targets = tuple(Target(module=f"{name}{number}", path=f"{name}{number}.py") for number in range(count))
    snapshot = Snapshot(digest=digest, size=len(SOURCES), files=1)
    return Bundle(snapshot=snapshot, data=SOURCES, targets=targets, root=Path("nowhere"), skipped={})


async def heard_of(bus: Bus, wanted: str, count: int) -> None:
    """Return when so many events are on subjects."""
    async with bus.feed(subjects.EVENTS, [wanted], after=0) as found:
        for _ in range(count):
            await anext(found)


async def test_thousands_of_tasks_of_one_namespace_delay_the_single_one_of_another_by_one_turn(
    request: pytest.FixtureRequest,
) -> None:
    jobs = request.config.option.crowd
    async with nats_world() as world:
        await world.apply(declare(["echo"]))
        bus, engine = await world.connect("client"), Engine()
        limits = LimitsSet(namespace="default", everyone=True, places=1, set_at=clock.now())
        await bus.publish(subjects.event(limits), envelope.encode(limits), message_id=subjects.message_id(limits))
        heap, other = Client(bus), Client(bus, namespace="other")
        async with serving(world.url, engine), heap.following(), other.following():
            for number in range(jobs):
                await heap.submit_bundle(many(f"heap{number}_", MAX_TASKS), POLICY)
            await engine.has_begun(1)
            queue = subjects.queued_event("default", "namespace", "default", POLICY.priority)
            await heard_of(bus, queue, jobs * MAX_TASKS - 1)
            single = await other.submit_bundle(many("single", 1), POLICY)
            await heard_of(bus, subjects.gate_event("other"), 1)
            with anyio.fail_after(60):
                engine.go.set()
                await other.wait(single.tasks[0].id)

    # One was at work, one took its place, and one may have while the single one went from its gate to the queue.
    assert engine.began.index("single0") <= 3
