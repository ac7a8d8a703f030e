"""The client on a bus in memory and in virtual time: who is woken, who is told what, and what is refused at once."""

import hashlib
from collections.abc import AsyncIterator
from math import nan
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.support.buses import MemoryWorld, memory_world
from tests.support.tasks import NOW, TARGET, finished, submitted, to_generate
from testwright.actor import dead_letter
from testwright.background import beside
from testwright.bus import Stored
from testwright.bus.memory import Faults
from testwright.bus.topology import declare
from testwright.client import Client
from testwright.errors import (
    BusClosedError,
    DeadLetterNotFoundError,
    InvalidSubmissionError,
    TaskNotFoundError,
    WaitTimeoutError,
)
from testwright.pacing import until
from testwright.reporter import PATIENCE_S, Reporter
from testwright.snapshots.bundle import Bundle
from testwright.submission import Terms
from testwright.submitter.actor import submitter
from testwright.voice import Voice
from testwright_schemas import Policy, Publish, Snapshot, TaskSubmitted, subjects

pytestmark = pytest.mark.virtual_time

ENGINES = ("pynguin", "ghostwriter")
SOURCES = b"sources"
SNAPSHOT = Snapshot(digest=hashlib.sha256(SOURCES).hexdigest(), size=len(SOURCES), files=1)
BUNDLE = Bundle(snapshot=SNAPSHOT, data=SOURCES, targets=(TARGET,), root=Path("nowhere"), skipped={})


@pytest.fixture
async def world() -> AsyncIterator[MemoryWorld]:
    """Run a memory server with the product's topology and a submitter on it."""
    async with memory_world(declare(ENGINES), seed=1, epoch=NOW) as world:
        yield world


async def say(world: MemoryWorld, message: Any) -> None:
    bus = await world.connect("someone")
    await Voice(bus, "someone", world.server.now).say(Publish(message=message), {})


async def test_a_job_can_be_watched_before_it_is_accepted(world: MemoryWorld) -> None:
    seen: list[Any] = []
    bus = await world.connect("submitter")
    async with Client(await world.connect("client")).following() as client:
        job = await client.submit_bundle(BUNDLE)
        async with client.watch(job.id) as events, beside(submitter(bus, world.server.now, ENGINES).run):
            seen.extend([await anext(events) for _ in range(2)])

    assert isinstance(seen[1][1], TaskSubmitted)


async def test_a_job_of_another_process_can_be_watched_before_it_is_accepted(world: MemoryWorld) -> None:
    seen: list[Any] = []
    here, there = [Client(await world.connect(name)) for name in ("here", "there")]
    job = await here.submit_bundle(BUNDLE)
    bus = await world.connect("submitter")

    async def accept_later() -> None:
        await until(anyio.current_time() + 2)
        await submitter(bus, world.server.now, ENGINES).run()

    async with anyio.create_task_group() as tg:
        tg.start_soon(accept_later)
        async with there.watch(job.id) as events:
            seen.extend([await anext(events) for _ in range(2)])
        tg.cancel_scope.cancel()

    assert isinstance(seen[1][1], TaskSubmitted)


async def test_a_job_nobody_submitted_can_be_neither_watched_nor_cancelled(world: MemoryWorld) -> None:
    client = Client(await world.connect("client"))

    with pytest.raises(TaskNotFoundError, match="job-none"):
        await client.cancel("job-none")
    with pytest.raises(TaskNotFoundError, match="job-none"):
        async with client.watch("job-none"):
            pass


@pytest.mark.parametrize("odd", ["*", ">", "task-1.finished", "", "a b"])
async def test_what_cannot_be_an_id_stands_for_no_task_and_not_for_all(world: MemoryWorld, odd: str) -> None:
    client = Client(await world.connect("client"))
    await say(world, submitted())
    await say(world, finished())

    for ask in (client.status, client.results, client.wait, client.cancel, client.retry):
        with pytest.raises(TaskNotFoundError):
            await ask(odd)


@pytest.mark.parametrize("odd", ["*", ">", "my.team", "", "a b"])
async def test_what_cannot_be_a_namespace_is_refused_at_once(world: MemoryWorld, odd: str) -> None:
    bus = await world.connect("client")

    with pytest.raises(InvalidSubmissionError, match="namespace"):
        Client(bus, namespace=odd)


@pytest.mark.parametrize(
    ("policy", "terms"),
    [(Policy(max_cost_usd=nan), None), (Policy(coverage=nan), None), (None, Terms(max_cost_usd=nan))],
    ids=["task", "coverage", "job"],
)
async def test_a_limit_that_is_no_number_is_not_taken_for_none(
    world: MemoryWorld, policy: Policy | None, terms: Terms | None
) -> None:
    client = Client(await world.connect("client"))

    with pytest.raises(InvalidSubmissionError, match="Expected `float`"):
        await client.submit_bundle(BUNDLE, policy, terms)


async def test_one_text_is_not_taken_for_a_list_of_paths(world: MemoryWorld) -> None:
    client = Client(await world.connect("client"))

    with pytest.raises(InvalidSubmissionError, match=r"give a list of paths, such as \['shop.py'\]"):
        await client.submit("shop.py")


async def test_all_who_wait_are_woken_whether_they_submitted_or_not(world: MemoryWorld) -> None:
    woken: list[str] = []

    async def wait(client: Client, task_id: str) -> None:
        woken.append((await client.wait(task_id)).task_id)

    async with (
        Client(await world.connect("here")).following() as here,
        Client(await world.connect("there")).following() as there,
        anyio.create_task_group() as waiters,
    ):
        await say(world, submitted())
        for client in (here, here, there):
            waiters.start_soon(wait, client, "task-1")
        await until(anyio.current_time() + 100)
        await say(world, finished())

    assert woken == ["task-1"] * 3


async def test_whoever_gave_up_waiting_can_wait_again(world: MemoryWorld) -> None:
    async with Client(await world.connect("client")).following() as client:
        await say(world, submitted())
        with pytest.raises(WaitTimeoutError):
            await client.wait("task-1", timeout=10)
        await say(world, finished())

        assert (await client.wait("task-1", timeout=10)).task_id == "task-1"


async def test_a_refusal_in_words_that_nobody_knows_harms_only_those_it_is_about(world: MemoryWorld) -> None:
    bus = await world.connect("tomorrow")
    async with Client(await world.connect("client")).following() as client:
        job = await client.submit_bundle(BUNDLE)
        for job_id in ("job-other", job.id):
            await bus.publish(subjects.job_event("default", job_id, "rejected"), b"{}", message_id=job_id)

        with pytest.raises(InvalidSubmissionError, match="cannot be read"):
            await client.wait(job.tasks[0].id, timeout=60)


async def test_a_refusal_that_came_before_anybody_waited_is_told_at_once(world: MemoryWorld) -> None:
    bus = await world.connect("submitter")
    async with Client(await world.connect("client")).following() as client:
        job = await client.submit_bundle(BUNDLE)
        await bus.publish(subjects.job_event("default", job.id, "rejected"), b"{}", message_id=job.id)
        await until(anyio.current_time() + 100)

        with pytest.raises(InvalidSubmissionError, match="cannot be read"):
            await client.wait(job.tasks[0].id, timeout=60)


async def test_a_submission_that_could_not_be_made_leaves_nothing_behind(world: MemoryWorld) -> None:
    bus = await world.connect("client")
    client = Client(bus, new_id=lambda kind: f"{kind}-1")
    world.server.faults = Faults(lose_publish=1.0)
    with anyio.move_on_after(5):
        await client.submit_bundle(BUNDLE)
    world.server.faults = Faults()

    with pytest.raises(TaskNotFoundError):
        await client.cancel("task-1")


async def test_a_dead_letter_without_its_message_is_not_sent_again(world: MemoryWorld) -> None:
    client = Client(await world.connect("client"))
    stored = Stored(subjects.WORK, 1, subjects.work(to_generate()), b"", NOW)

    with pytest.raises(DeadLetterNotFoundError):
        await client.resend(dead_letter(stored, "generate-echo-high", 21, "too often"))


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), ValueError("mine"), BusClosedError("gone")])
async def test_what_is_raised_beside_a_client_comes_out_as_itself(world: MemoryWorld, error: BaseException) -> None:
    bus = await world.connect("client")
    with pytest.raises(type(error)) as caught:
        async with Client(bus).following():
            raise error

    assert caught.value is error


async def test_progress_that_cannot_be_said_holds_up_the_work_for_a_moment_only(world: MemoryWorld) -> None:
    bus = await world.connect("worker")
    report = Reporter(Voice(bus, "generator", world.server.now), to_generate(), 1, "generate", {}, worker="worker")
    bus.partition()

    began = anyio.current_time()
    await report("searching")

    assert anyio.current_time() - began == pytest.approx(PATIENCE_S)
