"""The actors' loop and their shells, on a bus in memory and in virtual time."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any, cast

import anyio
import pytest
from msgspec.structs import replace

from tests.support.buses import MemoryWorld
from tests.support.tasks import (
    NOW,
    cancel_requested,
    finished,
    first,
    started,
    submitted,
    to_generate,
    to_verify,
    verified,
)
from testwright.background import beside
from testwright.bus import MOST_BYTES, Bus, Stored
from testwright.bus.memory import Faults
from testwright.collector.actor import collector
from testwright.endings import Endings
from testwright.engines import Notes, Progress
from testwright.errors import BlobNotFoundError, WorkError
from testwright.generator.actor import Product, generator
from testwright.pacing import until
from testwright.sources import Sources
from testwright.submitter.actor import submitter
from testwright.voice import Archive, Voice
from testwright_schemas import (
    AttemptFailed,
    CancelTasks,
    GenerateSuite,
    JobFinished,
    JobProgressed,
    JobSubmitted,
    LanePaused,
    MessageDeadLettered,
    Policy,
    Publish,
    SubmitJob,
    TaskCancelRequested,
    TaskFinished,
    TaskSpec,
    TimerFired,
    Usage,
    envelope,
    subjects,
)

pytestmark = pytest.mark.virtual_time

ENGINES = ("echo", "ghostwriter")


@asynccontextmanager
async def at_work(world: MemoryWorld, *roles: str) -> AsyncGenerator[None]:
    """Run actors as long as the context."""
    now = world.server.now
    async with AsyncExitStack() as stack:
        for role in roles:
            bus = await world.connect(role)
            made = {
                "submitter": lambda bus=bus: submitter(bus, now, ENGINES),
                "collector": lambda bus=bus: collector(bus, now),
                "generator": lambda bus=bus: generator(bus, now, produce, ENGINES, worker="worker"),
            }[role]()
            await stack.enter_async_context(beside(made.run))
        yield


async def produce(item: GenerateSuite, snapshot: bytes, progress: Progress, notes: Notes) -> Product:
    """Deliver too many files to be told of in one message."""
    return Product(archive=b"candidate", files=tuple(f"test_{n:0100}.py" for n in range(20_000)))


async def say(world: MemoryWorld, *messages: Any) -> None:
    bus = await world.connect("someone")
    voice = Voice(bus, "someone", world.server.now)
    for message in messages:
        await voice.say(Publish(message=message), {})


async def settled(world: MemoryWorld, after_s: float = 600) -> list[Stored]:
    """Return every event there is after a while."""
    await until(anyio.current_time() + after_s)
    bus = await world.connect("reader")
    return [stored async for stored in bus.last_per_subject(subjects.EVENTS, [subjects.EVENTS_ALL])]


def kinds(events: Sequence[Stored]) -> list[str]:
    return [event.subject.rpartition(".")[2] for event in events]


def letters(events: Sequence[Stored]) -> list[MessageDeadLettered]:
    return [envelope.decode(e.data, MessageDeadLettered) for e in events if subjects.is_dead(e.subject)]


async def test_garbage_in_an_odd_namespace_becomes_one_dead_letter_and_no_storm(world: MemoryWorld) -> None:
    bus = await world.connect("stranger")
    async with at_work(world, "submitter", "collector"):
        await bus.publish("testwright.command.$weird.submit", b"garbage", message_id="1")
        events = await settled(world)

    [letter] = letters(events)
    assert (letter.namespace, letter.data) == ("default", b"garbage")


async def test_a_dead_letter_that_cannot_be_read_gets_no_letter_of_its_own(world: MemoryWorld) -> None:
    bus = await world.connect("stranger")
    async with at_work(world, "collector"):
        await bus.publish(subjects.dead_event("default", "letter-1"), b"garbage", message_id="1")
        events = await settled(world)

    assert len(events) == 1


async def test_a_message_too_large_for_a_letter_is_told_of_without_its_content(world: MemoryWorld) -> None:
    bus = await world.connect("stranger")
    async with at_work(world, "submitter"):
        await bus.publish("testwright.command.default.submit", b"x" * 1_000_000, message_id="1")
        events = await settled(world)

    assert [(letter.data, letter.headers) for letter in letters(events)] == [(b"", {})]


async def test_a_command_for_another_namespace_than_its_subject_says_is_not_carried_out(world: MemoryWorld) -> None:
    bus = await world.connect("stranger")
    command = CancelTasks(namespace="victim", command_id="cancel-1", task_ids=("task-1",))
    await say(world, replace(submitted(), namespace="victim"))
    async with at_work(world, "submitter"):
        await bus.publish("testwright.command.default.cancel", envelope.encode(command), message_id="1")
        events = await settled(world)

    assert kinds(events) == ["submitted", "lettered"]
    assert "belongs on testwright.command.victim.cancel" in letters(events)[0].reason


async def test_a_cancel_that_comes_before_its_submission_is_carried_out_after_it(world: MemoryWorld) -> None:
    task = submitted()
    cancel = CancelTasks(namespace="default", command_id="cancel-1", task_ids=(task.task_id,))
    spec = TaskSpec(task_id=task.task_id, target=task.target)
    submit = SubmitJob(
        namespace="default",
        job_id=task.job_id,
        tasks=(spec,),
        snapshot=task.snapshot,
        policy=task.policy,
        submitted_at=NOW,
    )
    async with at_work(world, "submitter"):
        await say(world, cancel)
        await until(anyio.current_time() + 5)
        await say(world, submit)
        events = await settled(world)

    requested = [envelope.decode(e.data, TaskCancelRequested) for e in events if e.subject.endswith("cancel-requested")]
    assert [request.task_id for request in requested] == [task.task_id]


async def test_an_end_in_one_namespace_leaves_a_task_of_the_same_name_in_another_alone(world: MemoryWorld) -> None:
    endings = Endings(await world.connect("worker"))
    async with beside(endings.follow):
        with (
            endings.watch("default", "task-1") as here,
            endings.watch("elsewhere", "task-1") as there,
            anyio.move_on_after(60),
        ):
            await say(world, replace(finished(), namespace="elsewhere"))
            await anyio.sleep_forever()

    assert there.cancel_called
    assert not here.cancel_called


async def test_a_collector_on_a_server_that_lags_behind_loses_nothing(world: MemoryWorld) -> None:
    job = JobSubmitted(namespace="default", job_id="job-1", task_ids=("task-1",), created_at=NOW)
    world.server.faults = Faults(stale=1.0)
    async with at_work(world, "collector"):
        await say(world, job, submitted(), cancel_requested())
        await settled(world)

    world.server.faults = Faults()
    events = await settled(world)
    ends = [envelope.decode(e.data, JobFinished) for e in events if e.subject.endswith("job.job-1.finished")]
    assert [end.counts.cancelled for end in ends] == [1]


async def test_a_deadline_on_a_server_that_lags_behind_forgets_no_accepted_test(world: MemoryWorld) -> None:
    deadline = TimerFired(namespace="default", task_id="task-1", kind="deadline")
    setting, due = subjects.timer(deadline)
    await say(world, submitted(), started(), verified(None, "kept", line=50.0))
    bus = await world.connect("someone")
    await bus.schedule(setting, envelope.encode(deadline), at=world.server.now(), target=due)
    world.server.faults = Faults(stale=1.0)
    async with at_work(world, "collector"):
        await until(anyio.current_time() + 600)

    world.server.faults = Faults()
    events = await settled(world, 1)
    [end] = [envelope.decode(e.data, TaskFinished) for e in events if e.subject.endswith("task.task-1.finished")]
    assert (end.outcome, [case.verdict for case in end.tests]) == ("completed", ["kept"])


async def test_many_ends_of_one_job_at_once_are_counted_without_a_failure(
    world: MemoryWorld, caplog: pytest.LogCaptureFixture
) -> None:
    ids = tuple(f"task-{n}" for n in range(50))
    tasks = [replace(submitted(), task_id=id_) for id_ in ids]
    job = JobSubmitted(namespace="default", job_id="job-1", task_ids=ids, created_at=NOW)
    await say(world, job, *tasks, *(finished(task_id=id_) for id_ in ids))
    async with at_work(world, "collector", "collector"):
        events = await settled(world, 1)

    progressed = [envelope.decode(e.data, JobProgressed) for e in events if e.subject.endswith("job.job-1.progressed")]
    assert [step.counts.completed for step in progressed] == [49]
    [end] = [envelope.decode(e.data, JobFinished) for e in events if e.subject.endswith("job.job-1.finished")]
    assert end.counts.completed == 50
    assert not [record for record in caplog.records if "ConflictError" in record.getMessage()]


async def test_a_late_retry_of_an_attempt_does_not_replace_that_of_the_next(world: MemoryWorld) -> None:
    due = [TimerFired(namespace="default", task_id="task-1", kind="retry", attempt=number) for number in (2, 1)]
    bus = await world.connect("collector")
    for timer in due:
        setting, target = subjects.timer(timer)
        await bus.schedule(setting, envelope.encode(timer), at=world.server.now() + timedelta(seconds=9), target=target)

    async with bus.slot(subjects.TIMERS, [subjects.TIMERS_CONSUMER]) as slot:
        fired = [envelope.decode((await slot.next()).message.data, TimerFired) for _ in due]

    assert sorted(timer.attempt for timer in fired) == [1, 2]


async def test_an_item_that_a_dead_worker_left_behind_is_in_no_later_ones_way(world: MemoryWorld) -> None:
    await say(world, to_generate(), to_generate(first(2, engine_try=2)), to_verify(), to_verify(first(2)))

    bus = await world.connect("reader")
    assert len([one async for one in bus.last_per_subject(subjects.WORK, [subjects.WORK_ALL])]) == 4


async def with_sources(world: MemoryWorld) -> GenerateSuite:
    """Return a work item whose sources are there."""
    digest = await (await world.connect("client")).put(subjects.SNAPSHOTS, "default", b"sources")
    return replace(to_generate(), snapshot=replace(to_generate().snapshot, digest=digest))


async def test_a_result_too_large_for_a_message_fails_its_attempt_and_says_so(world: MemoryWorld) -> None:
    item = await with_sources(world)
    await say(world, submitted(), item)
    async with at_work(world, "generator"):
        events = await settled(world)

    failures = [envelope.decode(e.data, AttemptFailed).failure for e in events if e.subject.endswith("attempt-failed")]
    assert [failure.cause for failure in failures] == ["result-too-large"]


async def test_what_one_engine_is_told_by_its_provider_keeps_all_workers_from_asking_again(world: MemoryWorld) -> None:
    one = await with_sources(world)
    asked: list[str] = []

    async def busy(item: GenerateSuite, snapshot: bytes, progress: Progress, notes: Notes) -> Product:
        asked.append(item.task_id)
        used = Usage(model="m", cost_usd=0.5)
        raise WorkError("rate-limited", "slow down", retryable=True, retry_after_s=1e9, usage=used)

    workers = [generator(await world.connect(name), world.server.now, busy, ENGINES, worker=name) for name in "ab"]
    async with beside(*(worker.run for worker in workers)):
        await say(world, submitted(), one)
        await settled(world, 1)
        await say(world, *(replace(one, task_id=f"task-{n}") for n in (2, 3, 4)))
        events = await settled(world, 9)

    told = [envelope.decode(e.data, AttemptFailed) for e in events if e.subject.endswith("attempt-failed")]
    assert asked == ["task-1"]
    assert [failed.failure.cause for failed in told] == ["rate-limited"] + 3 * ["lane-paused"]
    assert {failed.failure.message for failed in told} == {"slow down"}
    waits = [failed.failure.retry_after_s or 0.0 for failed in told]
    assert waits[0] == 3600.0
    assert all(3590.0 < wait_s < 3600.0 for wait_s in waits[1:])
    assert told[0].spent == told[0].usage == Usage(model="m", cost_usd=0.5)
    assert [e.subject for e in events if ".lane." in e.subject] == [subjects.lane_event("default", "echo")]


async def test_a_model_that_one_worker_saw_failing_is_left_alone_by_all_for_a_while(world: MemoryWorld) -> None:
    one = replace(await with_sources(world), policy=Policy(engines=("echo",)))
    asked: list[str] = []

    async def failing(item: GenerateSuite, snapshot: bytes, progress: Progress, notes: Notes) -> Product:
        asked.append(item.task_id)
        raise WorkError("model-unavailable", "the server fails", retryable=True, pause_s=60.0)

    workers = [generator(await world.connect(name), world.server.now, failing, ENGINES, worker=name) for name in "ab"]
    async with beside(*(worker.run for worker in workers)):
        await say(world, submitted(), one)
        await settled(world, 1)
        await say(world, *(replace(one, task_id=f"task-{n}") for n in (2, 3)))
        events = await settled(world, 9)
        await until(anyio.current_time() + 60)
        await say(world, replace(one, task_id="task-4"))
        await settled(world, 1)

    told = [envelope.decode(e.data, AttemptFailed) for e in events if e.subject.endswith("attempt-failed")]
    assert asked == ["task-1", "task-4"]
    assert [failed.failure.cause for failed in told] == ["model-unavailable"] + 2 * ["lane-paused"]
    assert [50.0 < (failed.failure.retry_after_s or 0.0) < 60.0 for failed in told] == [False, True, True]
    [pause] = [envelope.decode(e.data, LanePaused) for e in events if ".lane." in e.subject]
    assert (pause.broken, pause.reason) == (True, "the server fails")


async def test_an_engine_that_costs_money_is_not_asked_for_a_task_that_ended_while_its_worker_looked(
    world: MemoryWorld,
) -> None:
    item = await with_sources(world)
    item = replace(item, policy=replace(item.policy, max_cost_usd=1.0))
    asked: list[str] = []

    async def costly(item: GenerateSuite, snapshot: bytes, progress: Progress, notes: Notes) -> Product:
        asked.append(item.task_id)
        return Product(archive=b"candidate", files=("test_it.py",))

    await say(world, submitted(), finished("cancelled"), item)
    world.server.faults = Faults(stale=1.0)
    worker = generator(await world.connect("worker"), world.server.now, costly, ENGINES, worker="worker")
    async with beside(worker.run):
        await until(anyio.current_time() + 60)
        world.server.faults = Faults()
        events = await settled(world)

    assert "started" in kinds(events)
    assert asked == []


async def test_the_tasks_of_a_job_fetch_their_sources_once(world: MemoryWorld) -> None:
    bus = Counting(await world.connect("worker"))
    one, two = [await bus.put(subjects.SNAPSHOTS, "default", data) for data in (b"one", b"two")]
    sources = Sources(cast("Bus", bus))

    fetched = [await sources.fetch("default", digest) for digest in (one, one, two, two, one)]

    assert fetched == [b"one", b"one", b"two", b"two", b"one"]
    assert bus.fetches == 3


async def test_sources_that_were_fetched_for_one_namespace_are_not_handed_to_another(world: MemoryWorld) -> None:
    bus = await world.connect("worker")
    digest = await bus.put(subjects.SNAPSHOTS, "acme", b"theirs")
    sources = Sources(bus)
    await sources.fetch("acme", digest)

    with pytest.raises(BlobNotFoundError):
        await sources.fetch("other", digest)


async def test_an_actor_that_never_ran_comes_to_rest_at_once(world: MemoryWorld) -> None:
    bus = await world.connect("submitter")
    idle = submitter(bus, world.server.now, ENGINES)

    with anyio.fail_after(1):
        await idle.rest(60)


async def test_a_thousand_histories_are_read_in_a_few_requests(world: MemoryWorld) -> None:
    ids = [f"task-{n}" for n in range(1000)]
    await say(world, *(replace(submitted(), task_id=id_) for id_ in ids))
    bus = Counting(await world.connect("reader"))

    histories = await Archive(cast("Bus", bus)).tasks("default", ids)

    assert [history.submitted is not None for history in histories.values()] == [True] * 1000
    assert bus.reads <= 10


class Counting:
    """A bus that counts reads and fetches."""

    def __init__(self, bus: Any) -> None:
        self._bus = bus
        self.reads = 0
        self.fetches = 0

    def last_per_subject(self, stream: str, filters: Sequence[str], *, at_least: int = 0) -> AsyncIterator[Stored]:
        self.reads += 1
        found: AsyncIterator[Stored] = self._bus.last_per_subject(stream, filters, at_least=at_least)
        return found

    async def fetch(self, bucket: str, namespace: str, digest: str, most: int = MOST_BYTES) -> bytes:
        self.fetches += 1
        content: bytes = await self._bus.fetch(bucket, namespace, digest, most)
        return content

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bus, name)
