"""Large, many, broken or busy: where the real server has edges that the memory bus need not know."""

import hashlib
import json
import os
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator

import anyio
import pytest

from tests.support.buses import HIGH, LOW, taken, told, work
from tests.support.nats_server import World, nats_world
from testwright.bus import Bus
from testwright.bus.nats import NatsBus, export
from testwright.bus.topology import declare
from testwright.errors import (
    BlobCorruptError,
    BlobNotFoundError,
    BusTimeoutError,
    ConflictError,
    PayloadTooLargeError,
    StreamNotFoundError,
)
from testwright.pacing import until
from testwright_schemas import Expect, subjects
from testwright_schemas.envelope import MESSAGE_ID

pytestmark = pytest.mark.nats

FINISHED = subjects.task_event("default", "t1", "finished")
BLOBS = f"OBJ_{subjects.ARTIFACTS}"
CHUNKS = f"$O.{subjects.ARTIFACTS}.C.>"


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """Run a server with the product's topology."""
    async with nats_world() as server:
        await server.apply(declare(["echo"]))
        yield server


@pytest.fixture
async def bus(world: World) -> NatsBus:
    """Return a connection to the server."""
    return await world.connect("tester")


async def messages(world: World, stream: str, subject: str) -> int:
    info = await world.ask(f"$JS.API.STREAM.INFO.{stream}", {"subjects_filter": subject})
    counts: dict[str, int] = info["state"].get("subjects") or {}
    return sum(counts.values())


def entry(digest: str) -> str:
    return f"$O.{subjects.ARTIFACTS}.M.default.{urlsafe_b64encode(digest.encode()).decode()}"


async def test_a_message_may_be_exactly_as_large_as_the_server_takes(bus: NatsBus) -> None:
    overhead = len(f"NATS/1.0\r\n{MESSAGE_ID}: 1\r\n\r\n")
    largest = b"x" * (1024 * 1024 - overhead)

    receipt = await bus.publish(FINISHED, largest, message_id="1")
    with pytest.raises(PayloadTooLargeError) as caught:
        await bus.publish(FINISHED, largest + b"x", message_id="2")

    assert receipt.sequence == 1
    assert caught.value.size == caught.value.limit + 1
    assert (await bus.publish(FINISHED, b"still connected", message_id="2")).sequence == 2


async def test_the_last_messages_of_thousands_of_subjects_are_read(bus: NatsBus) -> None:
    async with anyio.create_task_group() as tasks:
        for number in range(2600):
            tasks.start_soon(told, bus, subjects.task_event("default", f"t{number}", "finished"), b"%d" % number)
    await told(bus, subjects.task_event("default", "t7", "finished"), b"newer")

    found = [stored async for stored in bus.last_per_subject(subjects.EVENTS, [subjects.task_event(kind="finished")])]

    assert len({stored.subject for stored in found}) == len(found) == 2600
    assert [stored.sequence for stored in found] == sorted(stored.sequence for stored in found)
    assert found[-1].data == b"newer"


async def test_a_busy_slot_is_not_given_what_another_could_do(world: World, bus: NatsBus) -> None:
    other = await world.connect("other")
    async with bus.slot(subjects.WORK, [HIGH, LOW]) as busy, other.slot(subjects.WORK, [HIGH, LOW]) as idle:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(taken, busy)
            await anyio.wait_all_tasks_blocked()
            await told(bus, work("t1", "low"), b"first")

        for number in range(5):
            await told(bus, work(f"h{number}", "high"), b"more")
        counts = [(await taken(idle)).count for _ in range(5)]

    assert counts == [1] * 5


async def test_a_waiting_slot_says_nothing(world: World, bus: NatsBus) -> None:
    async with bus.slot(subjects.WORK, [HIGH, LOW]) as slot, anyio.create_task_group() as tasks:
        tasks.start_soon(slot.next)
        await anyio.wait_all_tasks_blocked()
        await bus.last(subjects.WORK, work("t1"))
        before = await world.sent_by("tester")

        await until(anyio.current_time() + 1.0)

        assert await world.sent_by("tester") == before
        tasks.cancel_scope.cancel()


async def test_a_slot_learns_that_its_queue_is_deleted(world: World, bus: NatsBus) -> None:
    async with bus.slot(subjects.WORK, [HIGH, LOW]) as slot, anyio.create_task_group() as tasks:

        async def wait() -> None:
            with anyio.fail_after(5), pytest.raises(StreamNotFoundError, match=LOW):
                await slot.next()

        tasks.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        await world.ask(f"$JS.API.CONSUMER.DELETE.{subjects.WORK}.{LOW}")


async def test_an_answer_to_a_delivery_the_server_does_not_know_is_given_up(bus: NatsBus) -> None:
    await told(bus, work("t1"), b"do it")
    async with bus.slot(subjects.WORK, [LOW]) as slot:
        delivery = await taken(slot)
        delivery._reply = delivery._reply.replace(".1.1.1.", ".1.999.999.")  # type: ignore[attr-defined]

        with anyio.fail_after(10), pytest.raises(BusTimeoutError, match="comes again"):
            await delivery.ack()


async def test_content_of_64_megabytes_is_kept_in_seconds(world: World, bus: NatsBus) -> None:
    content = os.urandom(64 * 1024 * 1024)

    with anyio.fail_after(30):
        digest = await bus.put(subjects.ARTIFACTS, "default", content)
        fetched = await (await world.connect("other")).fetch(subjects.ARTIFACTS, "default", digest)

    assert fetched == content


async def test_content_that_is_put_again_costs_others_one_look_up_and_whoever_put_it_nothing(
    world: World, bus: NatsBus
) -> None:
    content = b"x" * 1_500_000
    other = await world.connect("other")
    await bus.put(subjects.ARTIFACTS, "default", content)
    before = [await world.sent_by(name) for name in ("tester", "other")]

    await bus.put(subjects.ARTIFACTS, "default", content)
    await other.put(subjects.ARTIFACTS, "default", content)

    assert [await world.sent_by(name) for name in ("tester", "other")] == [before[0], before[1] + 1]


async def test_content_is_put_again_on_a_server_that_has_lost_it(world: World, bus: NatsBus) -> None:
    digest = await bus.put(subjects.ARTIFACTS, "default", b"hello")
    await bus.unschedule(entry(digest))  # a purge by subject
    await world.restart()
    await bus.last(subjects.EVENTS, "testwright.event.default.task.t1.finished")  # the connection is back

    await bus.put(subjects.ARTIFACTS, "default", b"hello")

    assert await bus.fetch(subjects.ARTIFACTS, "default", digest) == b"hello"


async def test_the_same_content_put_by_many_at_once_is_kept_once(world: World, bus: NatsBus) -> None:
    content = b"x" * 1_500_000
    others: list[Bus] = [await world.connect(f"other-{number}") for number in range(4)]

    async with anyio.create_task_group() as tasks:
        for other in others:
            tasks.start_soon(other.put, subjects.ARTIFACTS, "default", content)

    assert await messages(world, BLOBS, CHUNKS) == 3
    assert await bus.fetch(subjects.ARTIFACTS, "default", hashlib.sha256(content).hexdigest()) == content


@pytest.mark.parametrize("content", [b"hello", b"x" * 5_000_000], ids=["one chunk", "many chunks"])
async def test_what_earlier_versions_have_stored_for_all_namespaces_is_found(
    world: World, bus: NatsBus, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    monkeypatch.setenv("TESTWRIGHT_SHARED_CONTENTS", "1")
    earlier = await world.connect("earlier")
    digest = await earlier.put(subjects.ARTIFACTS, "default", content)

    assert await bus.last(BLOBS, entry(digest).replace(".default.", ".")) is not None
    assert await bus.last(BLOBS, entry(digest)) is None
    assert await bus.fetch(subjects.ARTIFACTS, "acme", digest) == content
    assert await earlier.fetch(subjects.ARTIFACTS, "default", await bus.put(subjects.ARTIFACTS, "default", b"new"))


async def test_content_whose_chunks_are_gone_is_not_found(bus: NatsBus) -> None:
    digest = await bus.put(subjects.ARTIFACTS, "default", b"hello")
    await bus.unschedule(CHUNKS)  # a purge by subject

    with anyio.fail_after(5), pytest.raises(BlobNotFoundError):
        await bus.fetch(subjects.ARTIFACTS, "default", digest)


async def test_content_that_was_changed_is_refused(bus: NatsBus) -> None:
    good, bad = hashlib.sha256(b"good").hexdigest(), await bus.put(subjects.ARTIFACTS, "default", b"bad")
    stored = await bus.last(BLOBS, entry(bad))
    assert stored is not None
    await bus.publish(entry(good), stored.data, message_id="forged")

    with pytest.raises(BlobCorruptError, match=good):
        await bus.fetch(subjects.ARTIFACTS, "default", good)


async def test_an_expectation_is_kept_by_those_who_race(world: World) -> None:
    racers = [await world.connect(f"racer-{number}") for number in range(8)]
    won: list[int] = []

    async def race(number: int, bus: Bus) -> None:
        try:
            await bus.publish(FINISHED, b"me", message_id=f"{number}", expect=Expect(subject=FINISHED, sequence=0))
        except ConflictError:
            return
        won.append(number)

    async with anyio.create_task_group() as tasks:
        for number, racer in enumerate(racers):
            tasks.start_soon(race, number, racer)

    assert len(won) == 1


async def test_the_exported_topology_is_what_the_server_then_has(world: World) -> None:
    exported = json.loads(json.dumps(export(declare(["echo"]))))

    for config in exported["streams"]:
        actual = (await world.ask(f"$JS.API.STREAM.INFO.{config['name']}"))["config"]
        assert {key: actual.get(key) or 0 for key in config} == {key: value or 0 for key, value in config.items()}
    for consumer in exported["consumers"]:
        info = await world.ask(f"$JS.API.CONSUMER.INFO.{consumer['stream_name']}.{consumer['config']['name']}")
        filters = info["config"].get("filter_subjects") or [info["config"]["filter_subject"]]
        assert filters == consumer["config"]["filter_subjects"]
        assert info["config"]["ack_wait"] == consumer["config"]["ack_wait"]
