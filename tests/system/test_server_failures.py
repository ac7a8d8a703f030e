"""Servers that hang, are full, forget their streams or their users: what is said, what is kept, what goes on."""

from contextlib import AsyncExitStack

import anyio
import pytest

from benchmarks._echo import POLICY, bundle
from tests.support.buses import TOPOLOGY as IMPATIENT
from tests.support.nats_server import nats_world
from tests.support.served import ended, serving
from tests.support.world import Engine
from testwright.bus import Bus, _nats_feed
from testwright.bus.topology import declare
from testwright.client import Client
from testwright.errors import BusClosedError, PublishTimeoutError, StreamNotFoundError, StreamReplacedError
from testwright_schemas import subjects

pytestmark = pytest.mark.nats

TOPOLOGY = declare(["echo"])
KIB = 1024
SOMEONE = {"user": "someone", "password": "secret"}


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have whoever follows a stream look after it ten times as often; test_guarantees.py has how often otherwise."""
    for interval in ("HEARTBEAT_S", "QUIET_S", "LAG_S"):
        monkeypatch.setattr(_nats_feed, interval, getattr(_nats_feed, interval) / 10)


def event(number: int) -> str:
    return subjects.task_event("default", f"t{number}", "finished")


async def fill(bus: Bus, confirmed: list[int], size: int = 100 * KIB) -> None:
    """Publish again and again until that fails; ``confirmed`` gets the sequences."""
    for number in range(10_000):
        receipt = await bus.publish(event(number), b"x" * size, message_id=f"{number}")
        confirmed.append(receipt.sequence)


async def test_what_a_hanging_server_did_not_confirm_can_be_repeated_and_is_stored_once() -> None:
    async with nats_world() as world:
        await world.apply(TOPOLOGY)
        bus = await world.connect("impatient", publish_timeout_s=0.3)
        confirmed: list[int] = []
        world.freeze()
        with pytest.raises(PublishTimeoutError, match="it may be stored"):
            await fill(bus, confirmed, 10)  # the signal may take a moment
        world.thaw()

        patient, number = await world.connect("patient"), len(confirmed)
        await patient.publish(event(number), b"x" * 10, message_id=f"{number}")

        stored = await patient.last(subjects.EVENTS, event(number))
        assert stored is not None
        assert stored.sequence == number + 1


async def test_a_full_disk_is_said_loses_nothing_and_is_waited_for() -> None:
    async with nats_world(jetstream={"max_file_store": 1000 * KIB}) as world:
        await world.apply(TOPOLOGY)
        bus, impatient = await world.connect("patient"), await world.connect("impatient", publish_timeout_s=0.3)
        confirmed: list[int] = []
        with pytest.raises(PublishTimeoutError, match="the server says: insufficient resources"):
            await fill(impatient, confirmed)

        assert 5 <= len(confirmed) <= 10
        for sequence in confirmed:
            assert await bus.get(subjects.EVENTS, sequence) is not None
        with anyio.fail_after(30):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(lambda: bus.publish(event(100), b"waits", message_id="100"))
                await anyio.wait_all_tasks_blocked()
                await bus.unschedule(event(0))  # a purge by subject makes room
        stored = await bus.last(subjects.EVENTS, event(100))
        assert stored is not None
        assert stored.data == b"waits"


async def test_work_is_taken_and_answered_while_the_disk_is_full() -> None:
    async with nats_world(jetstream={"max_file_store": 500 * KIB}) as world:
        await world.apply(TOPOLOGY)
        bus, impatient = await world.connect("patient"), await world.connect("impatient", publish_timeout_s=0.3)
        low = subjects.generate_consumer("echo", "low")
        item = subjects.generate_filter("echo", "low").replace(">", "default.t1.1")
        await bus.publish(item, b"do it", message_id="w")
        with pytest.raises(PublishTimeoutError):
            await fill(impatient, [])

        async with bus.slot(subjects.WORK, [low]) as slot:
            with anyio.fail_after(10):
                await (await slot.next()).ack()

        assert await bus.last(subjects.WORK, item) is None


async def test_actors_whose_streams_are_deleted_say_so_and_go_on_once_those_are_applied_again() -> None:
    async with nats_world() as world:
        await world.apply(TOPOLOGY)
        engine, client = Engine(), Client(await world.connect("client"))

        async def lose_the_streams() -> None:
            async with serving(world.url, engine):
                await client.submit_bundle(bundle(), POLICY)
                await engine.has_begun(1)
                for stream in TOPOLOGY.streams:
                    await world.ask(f"$JS.API.STREAM.DELETE.{stream.name}")
                await anyio.sleep_forever()

        with anyio.fail_after(60), pytest.raises(StreamNotFoundError, match="run `testwright topology apply`"):
            await lose_the_streams()

        await world.apply(TOPOLOGY)
        engine.go.set()
        async with serving(world.url, engine), client.following():
            job = await client.submit_bundle(bundle(), POLICY)
            assert (await client.wait(job.tasks[0].id, timeout=60)).outcome == "completed"


@pytest.mark.parametrize(
    ("stream", "queue"),
    [
        (subjects.COMMANDS, subjects.SUBMITTER_CONSUMER),
        (subjects.EVENTS, subjects.COLLECTOR_CONSUMER),
        (subjects.WORK, subjects.generate_consumer("echo", "high")),
        (subjects.WORK, subjects.verify_consumer("high")),
    ],
)
async def test_actors_whose_queue_alone_is_deleted_say_so_and_finish_everything_once_it_is_applied_again(
    stream: str, queue: str
) -> None:
    async with nats_world() as world:
        await world.apply(TOPOLOGY)
        engine, client = Engine(), Client(await world.connect("client"))
        jobs = [await client.submit_bundle(bundle(), POLICY)]

        async def lose_the_queue() -> None:
            async with serving(world.url, engine):
                await engine.has_begun(1)
                jobs.append(await client.submit_bundle(bundle(), POLICY))
                await world.ask(f"$JS.API.CONSUMER.DELETE.{stream}.{queue}")
                engine.go.set()  # who is at work notices behind that
                await anyio.sleep_forever()

        with (
            anyio.fail_after(60),
            pytest.raises(StreamNotFoundError, match=f"{queue}.*run `testwright topology apply`"),
        ):
            await lose_the_queue()

        await world.apply(IMPATIENT)
        engine.go.set()
        async with serving(world.url, engine), client.following():
            jobs.append(await client.submit_bundle(bundle(), POLICY))
            for job in jobs:
                assert (await client.wait(job.tasks[0].id, timeout=60)).outcome == "completed"
        assert len(await ended(await world.connect("auditor"))) == len(jobs)


@pytest.mark.usefixtures("hurried")
async def test_a_client_that_waits_is_told_that_the_events_are_gone() -> None:
    async with nats_world() as world:
        await world.apply(TOPOLOGY)
        client = Client(await world.connect("client"))

        async def wait() -> None:
            async with client.following():
                job = await client.submit_bundle(bundle(), POLICY)
                await world.ask(f"$JS.API.STREAM.DELETE.{subjects.EVENTS}")
                await client.wait(job.tasks[0].id)

        with anyio.fail_after(60), pytest.raises(StreamNotFoundError, match=subjects.EVENTS):
            await wait()


@pytest.mark.usefixtures("hurried")
async def test_a_client_that_waits_is_told_that_the_events_were_deleted_and_made_again_within_a_second() -> None:
    async with nats_world() as world:
        await world.apply(TOPOLOGY)
        client = Client(await world.connect("client"))
        another = await world.connect("another")

        async def wait() -> None:
            async with client.following(), anyio.create_task_group() as tasks:
                jobs = [await client.submit_bundle(bundle(), POLICY) for _ in range(3)]
                for job in jobs:
                    told = subjects.job_event(client.namespace, job.id, "submitted")
                    await another.publish(told, b"{}", message_id=job.id)
                tasks.start_soon(client.wait, jobs[0].tasks[0].id)
                await anyio.wait_all_tasks_blocked()
                await world.ask(f"$JS.API.STREAM.DELETE.{subjects.EVENTS}")
                await world.apply(TOPOLOGY)
                await another.publish(event(1), b"new", message_id="1")

        with anyio.fail_after(60), pytest.raises(StreamReplacedError, match="start anew"):
            await wait()


async def test_whoever_waits_for_a_result_is_told_that_the_credentials_no_longer_hold() -> None:
    async with nats_world([SOMEONE]) as world:
        await world.apply(TOPOLOGY)
        states: list[str] = []

        def note(state: str, _detail: str) -> None:
            states.append(state)

        bus = await world.connect("client", url=world.address("someone", "secret"), on_state=note)

        async def wait() -> None:
            async with Client(bus).following() as client:
                job = await client.submit_bundle(bundle(), POLICY)
                world.users.clear()
                world.reload()
                await client.wait(job.tasks[0].id)

        with anyio.fail_after(20), pytest.raises(BusClosedError, match="closed for good"):
            await wait()

        assert states[-1] == "closed"


async def test_actors_end_when_their_credentials_no_longer_hold() -> None:
    async with nats_world([SOMEONE]) as world, AsyncExitStack() as stack:
        await world.apply(TOPOLOGY)
        client = await stack.enter_async_context(Client(await world.connect("client")).following())
        engine, job = Engine(), await client.submit_bundle(bundle(), POLICY)

        async def serve() -> None:
            async with serving(world.address("someone", "secret"), engine):
                await engine.has_begun(1)
                world.users.clear()
                world.reload()
                await anyio.sleep_forever()

        with anyio.fail_after(30), pytest.raises(BusClosedError, match="closed for good"):
            await serve()

        engine.go.set()
        await world.apply(IMPATIENT)
        async with serving(world.url, engine):
            end = await client.wait(job.tasks[0].id, timeout=60)
        assert (end.outcome, end.attempts) == ("completed", 2)


async def test_a_server_that_is_killed_with_tasks_on_their_way_costs_none_of_them() -> None:
    async with nats_world() as world:
        await world.apply(TOPOLOGY)
        engine = Engine()
        engine.go.set()
        async with serving(world.url, engine), Client(await world.connect("client")).following() as client:
            ids: list[str] = []
            told: list[str] = []

            async def wait(task_id: str) -> None:
                told.append((await client.wait(task_id)).task_id)

            with anyio.fail_after(90):
                async with anyio.create_task_group() as waiters:
                    for number in range(30):
                        ids.append((await client.submit_bundle(bundle(), POLICY)).tasks[0].id)
                        waiters.start_soon(wait, ids[-1])
                        if number % 10 == 5:
                            await world.restart()

            assert sorted(told) == sorted(ids)
            assert await ended(await world.connect("auditor")) == sorted(ids)
