"""Tasks that wait for their turn, through all actors on a bus in memory."""

import hashlib
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import anyio
import pytest
from msgspec.structs import replace

from tests.support.tasks import finished, started, submitted
from tests.support.world import world
from testwright.background import beside
from testwright.bus import Bus, Stored
from testwright.bus.memory import MemoryServer
from testwright.bus.topology import STREAMS, declare
from testwright.client import Client
from testwright.collector.actor import collector
from testwright.collector.entrance import Entrance
from testwright.collector.gates import Gate, Limit
from testwright.errors import BusTimeoutError, InvalidSubmissionError
from testwright.snapshots.bundle import Bundle
from testwright.submission import Terms
from testwright.submitter.actor import submitter
from testwright.submitter.backlog import Backlog
from testwright.voice import Voice
from testwright_schemas import (
    GateMoved,
    JobRejected,
    JobSubmitted,
    LimitsSet,
    Policy,
    Publish,
    RetrySpec,
    RetryTasks,
    Snapshot,
    Target,
    envelope,
    subjects,
)

SOURCES = b"sources"
POLICY = Policy(engines=("echo",))
NOW = datetime(2026, 1, 2, tzinfo=UTC)
PATIENCE_S = 60.0
GATES = subjects.gate_event()

MOVES_KEPT = next(stream.max_per_subject for stream in STREAMS if stream.name == subjects.EVENTS)


def bundle(*modules: str) -> Bundle:
    digest = hashlib.sha256(SOURCES).hexdigest()
    targets = tuple(Target(module=module, path=f"{module}.py") for module in modules)
    snapshot = Snapshot(digest=digest, size=len(SOURCES), files=1)
    return Bundle(snapshot=snapshot, data=SOURCES, targets=targets, root=Path("nowhere"), skipped={})


def many(name: str, count: int) -> Bundle:
    return bundle(*(f"{name}{number}" for number in range(count)))


async def limit(bus: Bus, limits: LimitsSet) -> None:
    """Set limits, and return when somebody has acted on them."""
    message_id = subjects.message_id(limits)
    await bus.publish(subjects.event(limits), envelope.encode(limits), message_id=message_id)
    await anyio.wait_all_tasks_blocked()


async def test_tasks_beyond_the_concurrency_of_their_job_begin_as_others_end():
    async with world() as here:
        here.engine.hold()
        job = await here.client.submit_bundle(many("m", 5), POLICY, Terms(concurrency=2))
        await here.engine.has_begun(2)
        began = list(here.engine.began)
        here.engine.go.set()
        results = [await here.client.wait(task.id) for task in job.tasks]

    assert len(began) == 2
    assert [result.outcome for result in results] == ["completed"] * 5


async def test_tasks_of_all_jobs_with_the_same_key_share_their_places():
    shared, apart = (Terms(concurrency=2, concurrency_key=key) for key in ("database", "printer"))
    async with world() as here:
        here.engine.hold()
        jobs = [await here.client.submit_bundle(many(name, 2), POLICY, shared) for name in "mno"]
        await here.engine.has_begun(2)
        jobs.append(await here.client.submit_bundle(many("p", 2), POLICY, apart))
        await here.engine.has_begun(4)
        began = list(here.engine.began)
        here.engine.go.set()
        results = [await here.client.wait(task.id) for job in jobs for task in job.tasks]

    assert Counter(module[0] in "mno" for module in began) == {True: 2, False: 2}
    assert [result.outcome for result in results] == ["completed"] * 8


async def test_a_gate_keeps_its_places_and_lets_all_in_whatever_nobody_can_read_of_it():
    terms = Terms(concurrency=2, concurrency_key="database")
    async with world() as here:
        here.engine.hold()
        jobs = [await here.client.submit_bundle(many("m", 3), POLICY, terms)]
        await here.engine.has_begun(2)
        filters = [GATES, subjects.queued_event()]
        for stored in [stored async for stored in here.bus.last_per_subject(subjects.EVENTS, filters)]:
            await here.bus.publish(stored.subject, b"{", message_id=f"garbled/{stored.subject}")
        jobs.append(await here.client.submit_bundle(many("n", 2), POLICY, terms))
        await anyio.wait_all_tasks_blocked()
        began = list(here.engine.began)
        here.engine.go.set()
        with anyio.fail_after(PATIENCE_S):
            results = [await here.client.wait(task.id) for job in jobs for task in job.tasks]

    assert len(began) == 2
    assert {result.outcome for result in results[:2] + results[3:]} == {"completed"}
    assert all(result.error is None or result.error.cause == "dead-lettered" for result in results)


async def test_a_key_without_a_number_is_refused():
    async with world() as here:
        job = await here.client.submit_bundle(bundle("m"), POLICY, Terms(concurrency_key="database"))
        with pytest.raises(InvalidSubmissionError, match=r"concurrency.*how many tasks with key 'database'"):
            await here.client.wait(job.tasks[0].id)


async def test_a_waiting_task_can_be_cancelled_and_takes_nobodys_turn():
    async with world() as here:
        here.engine.hold()
        job = await here.client.submit_bundle(many("m", 3), POLICY, Terms(concurrency=1))
        await here.engine.has_begun(1)
        [running] = [task for task in job.tasks if task.module == here.engine.began[0]]
        second, third = [task for task in job.tasks if task != running]
        await here.client.cancel(second.id)
        cancelled = await here.client.wait(second.id)
        here.engine.go.set()
        others = [await here.client.wait(task.id) for task in (running, third)]

    assert cancelled.outcome == "cancelled"
    assert cancelled.attempts == 0
    assert [other.outcome for other in others] == ["completed", "completed"]


async def test_a_waiting_task_ends_at_its_deadline():
    policy = Policy(engines=("echo",), deadline_s=1.0)
    async with world() as here:
        here.engine.hold()
        job = await here.client.submit_bundle(many("m", 2), policy, Terms(concurrency=1))
        results = [await here.client.wait(task.id) for task in job.tasks]

    assert {result.error.cause for result in results if result.error} == {"deadline-exceeded"}
    assert sorted(result.attempts for result in results) == [0, 1]


async def test_a_task_that_has_joined_another_takes_no_place():
    async with world() as here:
        here.engine.hold()
        first = await here.client.submit_bundle(bundle("m"), POLICY, Terms(join=True))
        await here.engine.has_begun(1)
        second = await here.client.submit_bundle(bundle("m", "n"), POLICY, Terms(join=True, concurrency=1))
        await here.engine.has_begun(2)
        here.engine.go.set()
        results = [await here.client.wait(task.id) for task in (*first.tasks, *second.tasks)]

    assert here.engine.began == ["m", "n"]
    assert [result.outcome for result in results] == ["completed"] * 3


async def test_a_heap_of_one_namespace_delays_the_task_of_another_by_one_turn():
    places = 2
    async with world(slots=places) as here:
        await limit(here.bus, LimitsSet(namespace="default", everyone=True, places=places, set_at=NOW))
        here.engine.hold()
        heap = await here.client.submit_bundle(many("heap", 40), POLICY)
        await here.engine.has_begun(places)
        async with Client(here.bus, namespace="other", clock=here.server.now).following() as other:
            job = await other.submit_bundle(bundle("single"), POLICY)
            queued = f"{subjects.PREFIX}.work.generate.echo.*.other.>"
            with anyio.fail_after(PATIENCE_S):
                async with here.bus.feed(subjects.WORK, [queued], after=0) as items:
                    await anext(items)
            here.engine.go.set()
            await other.wait(job.tasks[0].id)
            [before] = [number for number, module in enumerate(here.engine.began) if module == "single"]
            await here.client.wait(heap.tasks[-1].id)

    assert before <= places + 1


async def test_new_limits_let_in_those_that_wait():
    async with world() as here:
        await limit(here.bus, LimitsSet(namespace="default", places=1, set_at=NOW))
        here.engine.hold()
        await here.client.submit_bundle(many("m", 3), POLICY)
        await here.engine.has_begun(1)
        await limit(here.bus, LimitsSet(namespace="default", set_at=here.server.now()))
        await here.engine.has_begun(3)
        here.engine.go.set()


async def test_the_limits_that_were_set_last_hold_whatever_the_clock_of_whoever_set_them_says():
    async with world() as here:
        await limit(here.bus, LimitsSet(namespace="default", places=1, set_at=here.server.now()))
        here.engine.hold()
        await here.client.submit_bundle(many("m", 3), POLICY)
        await here.engine.has_begun(1)
        await limit(here.bus, LimitsSet(namespace="default", places=3, set_at=NOW))
        await here.engine.has_begun(3)
        here.engine.go.set()


async def test_more_tasks_than_a_namespace_may_have_are_rejected_with_the_reason():
    async with world() as here:
        await limit(here.bus, LimitsSet(namespace="default", tasks=3, set_at=NOW))
        here.engine.hold()
        job = await here.client.submit_bundle(many("m", 2), POLICY)
        await here.engine.has_begun(2)
        late = await here.client.submit_bundle(many("n", 2), POLICY)
        with pytest.raises(InvalidSubmissionError, match="2 of at most 3 tasks have not ended"):
            await here.client.wait(late.tasks[0].id)
        here.engine.go.set()
        for task in job.tasks:
            await here.client.wait(task.id)
        again = await here.client.submit_bundle(many("n", 2), POLICY)
        results = [await here.client.wait(task.id) for task in again.tasks]

    assert [result.outcome for result in results] == ["completed"] * 2


async def test_an_order_that_another_submitter_refused_at_the_same_moment_takes_no_room():
    async with MemoryServer(declare(("echo",))) as server, server.connect("test") as bus:
        backlog = Backlog(bus)
        backlog.note(JobSubmitted(namespace="default", job_id="job-1", task_ids=("task-1", "task-2"), created_at=NOW))
        backlog.forget(JobRejected(namespace="default", job_id="job-1", field="tasks", reason="too many"))
        async with beside(backlog.follow):
            assert await backlog.open_tasks("default") == 0


async def test_a_retry_counts_among_the_tasks_of_its_namespace_before_it_is_heard_of():
    async with MemoryServer(declare(("echo",))) as server, server.connect("test") as bus:
        await limit(bus, LimitsSet(namespace="default", tasks=1, set_at=NOW))
        for message in (submitted(), finished()):
            await Voice(bus, "test", server.now).say(Publish(message=message), {})
        again = RetryTasks(
            namespace="default",
            job_id="job-2",
            tasks=(RetrySpec(task_id="task-2", retry_of="task-1"),),
            submitted_at=NOW,
        )
        actor = submitter(bus, server.now, ("echo", "ghostwriter"))
        commands = actor.reactions[0]
        async with beside(*actor.background):
            answers = [
                await commands.handle(command, Stored(subjects.COMMANDS, number, "", b"", NOW, {}, 1))
                for number, command in enumerate((again, replace(again, job_id="job-3")))
            ]

    assert [type(answer[0].message) for answer in answers if isinstance(answer[0], Publish)] == [
        JobSubmitted,
        JobRejected,
    ]


async def test_a_place_of_a_task_that_ended_while_it_was_let_in_is_given_away():
    async with MemoryServer(declare(("echo",))) as server, server.connect("test") as bus:
        voice = Voice(bus, "test", server.now)
        gate = GateMoved(namespace="default", kind="job", gate="job-1", places=1)
        told = replace(gate, taken={"task-1": 0.0}, admitted=("task-1",))
        for message in (submitted(), finished("cancelled"), told):
            await voice.say(Publish(message=message), {})
        async with beside(collector(bus, server.now).run), bus.feed(subjects.EVENTS, [GATES], after=0) as moves:
            with anyio.fail_after(PATIENCE_S):
                states = [envelope.decode((await anext(moves)).data, GateMoved) for _ in range(2)]

    assert [list(state.taken) for state in states] == [["task-1"], []]


async def test_what_was_begun_between_the_look_that_led_to_an_end_and_the_end_counts_as_spent() -> None:
    async with MemoryServer(declare(("echo",))) as server, server.connect("test") as bus:
        voice = Voice(bus, "test", server.now)
        task = replace(submitted(), policy=replace(submitted().policy, max_cost_usd=0.6), job_cost_usd=3.0)
        job = JobSubmitted(namespace="default", job_id="job-1", task_ids=("task-1",), created_at=NOW, max_cost_usd=3.0)
        gate = GateMoved(namespace="default", kind="job", gate="job-1", max_cost_usd=3.0, taken={"task-1": 0.6})
        for message in (job, task, gate, started(item=1), finished("cancelled")):
            await voice.say(Publish(message=message), {})
        async with beside(collector(bus, server.now).run), bus.feed(subjects.EVENTS, [GATES], after=0) as moves:
            with anyio.fail_after(PATIENCE_S):
                states = [envelope.decode((await anext(moves)).data, GateMoved) for _ in range(2)]

    assert [(state.taken, state.spent_usd) for state in states] == [({"task-1": 0.6}, 0.0), ({}, 0.6)]


async def nothing(move: GateMoved, stored: Stored) -> None:
    """Follow from a move."""


async def test_a_task_that_has_left_a_gate_is_not_let_in_again_when_its_submission_is_told_twice() -> None:
    async with MemoryServer(declare(("echo",))) as server, server.connect("test") as bus:
        entrance = Entrance(bus, Voice(bus, "test", server.now), nothing)
        gate = Gate(namespace="default", kind="job", name="job-1", limit=Limit(places=1))
        voice = Voice(bus, "test", server.now)
        for message in (submitted(), finished("cancelled")):
            await voice.say(Publish(message=message), {})

        await entrance.enter(gate, submitted(), {})

        assert await bus.last(subjects.EVENTS, subjects.gate_event("default", "job", "job-1")) is None


async def test_none_that_was_let_in_is_forgotten_when_more_moves_follow_than_a_gate_keeps() -> None:
    async with world() as here:
        await limit(here.bus, LimitsSet(namespace="default", max_cost_usd=1.0, set_at=NOW))
        job = await here.client.submit_bundle(many("m", 3 * MOVES_KEPT), replace(POLICY, max_cost_usd=0.0))
        with anyio.fail_after(PATIENCE_S):
            results = [await here.client.wait(task.id) for task in job.tasks]

    assert {result.outcome for result in results} == {"completed"}


async def test_a_move_of_which_the_first_to_act_on_it_fails_is_settled_by_the_next() -> None:
    begun, fails, tries = anyio.Event(), anyio.Event(), list[int]()
    move = GateMoved(namespace="default", kind="job", gate="job-1", places=1, admitted=("task-1",))
    subject = subjects.event(move)

    async def settle(told: GateMoved, stored: Stored) -> None:
        tries.append(stored.deliveries)
        if len(tries) == 1:
            begun.set()
            await fails.wait()
            raise BusTimeoutError("a confirmation", 30)

    async def first() -> None:
        with pytest.raises(BusTimeoutError):
            await entrance.settle(move, Stored(subjects.EVENTS, 7, subject, b"", NOW, {}, 1))

    async with MemoryServer(declare(("echo",))) as server, server.connect("test") as bus:
        entrance = Entrance(bus, Voice(bus, "test", server.now), settle)
        async with anyio.create_task_group() as slots:
            slots.start_soon(first)
            await begun.wait()
            slots.start_soon(entrance.settle, move, Stored(subjects.EVENTS, 7, subject, b"", NOW, {}, 2))
            await anyio.wait_all_tasks_blocked()
            fails.set()

    assert tries == [1, 2]
