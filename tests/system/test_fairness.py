"""Namespaces beside each other on a real server."""

import hashlib
import signal
from pathlib import Path

import anyio
import pytest

from benchmarks._echo import POLICY
from tests.support.cli import Shell
from tests.support.nats_server import nats_world
from tests.support.served import serving
from tests.support.world import Engine
from testwright import clock
from testwright.app import AT_WORK
from testwright.bus import Bus
from testwright.bus.topology import declare
from testwright.client import Client
from testwright.snapshots.bundle import Bundle
from testwright_schemas import MAX_TASKS, LimitsSet, Policy, Snapshot, Target, envelope, subjects

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


async def test_where_nobody_has_set_limits_a_server_that_is_up_has_namespaces_take_turns(tmp_path: Path) -> None:
    policy = Policy(engines=("echo",), coverage=0, repeats=1, mutants=False)
    shell = Shell(tmp_path)
    heap = [shell.write(f"heap{number}.py", "def one() -> int:\n    return 1\n") for number in range(12)]
    single = shell.write("single.py", "def one() -> int:\n    return 1\n")
    async with shell.start("up") as server:
        url = (await server.said("nats sub")).split("'")[1]
        async with Client.connect(url) as client, Client.connect(url, namespace="other") as other:
            busy = await client.submit(heap, policy)
            with anyio.fail_after(300):
                await heard_of(client.bus, subjects.task_event("default", kind="verified"), 1)
                [task] = (await other.submit([single], policy)).tasks
                await other.wait(task.id)
            told = [subjects.task_event("other", task.id, kind) for kind in ("submitted", "finished")]
            wanted = [subjects.task_event("default", kind="finished"), *told]
            order = [stored.subject async for stored in client.bus.last_per_subject(subjects.EVENTS, wanted)]
            await client.cancel(busy.id)
        server.interrupt(signal.SIGTERM)
        await server.ended()

    # Those that had places, and one that may have got ahead while the single one went through its gate.
    assert order.index(told[1]) - order.index(told[0]) - 1 <= AT_WORK + 1
