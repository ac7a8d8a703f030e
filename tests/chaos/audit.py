"""Whether the books balance: what clients know against what is on the server, once everybody has come to rest."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

import anyio
import msgspec

from tests.chaos.customers import Book
from tests.chaos.findings import Audit
from tests.chaos.ledger import Account, billed, check_ledger
from testwright.bus import Bus, Stored
from testwright.bus._nats_api import call
from testwright.bus._nats_link import Link
from testwright.bus.nats import connect
from testwright.errors import BlobNotFoundError, BusError
from testwright.pacing import Backoff
from testwright_schemas import (
    AttemptStarted,
    GateMoved,
    JobFinished,
    OutcomeCounts,
    TaskFinished,
    TaskSubmitted,
    envelope,
    subjects,
)

SETTLING_S = 90.0
"""Seconds that queues may take to become empty: what a dead process held without a lease takes an ack wait."""

QUEUES = (subjects.COMMANDS, subjects.WORK, subjects.TIMERS, subjects.EVENTS)
"""Streams with consumers that everything is to be taken from."""

T = TypeVar("T")


async def audit(url: str, book: Book, bill: Path) -> Audit:
    """Read the whole event stream, every file and what was billed, and compare."""
    made = Audit()
    async with connect(url, name="auditor") as bus:
        pending = await _pending(url)
        made.expect("messages that nobody has answered", pending, 0)
        made.counts["messages that nobody has answered"] = pending
        made.counts.update(await _kept(bus))
        events = await _events(bus)
        ends = _read(events, "finished", TaskFinished, subjects.task_of)
        check_tasks(made, book, events, ends)
        _check_jobs(made, book, ends, _read(events, "finished", JobFinished, subjects.job_of))
        await _check_files(made, bus, ends)
    _check_money(made, billed(bill), events, ends)
    for end in ends:
        made.outcomes[f"{end.outcome} ({end.error.cause})" if end.error else end.outcome] += 1
    made.counts["events"] = len(events)
    letters = [stored for stored in events if subjects.is_dead(stored.subject)]
    made.counts["dead letters"] = len(letters)
    made.expect("dead letters", [stored.data[:300] for stored in letters], [])
    return made


async def _pending(url: str) -> int:
    """Return how many messages are still to be delivered or answered, once none is or patience is at its end."""
    link, backoff, left = Link("_INBOX"), Backoff(), 1
    await link.open(url, "auditor")
    try:
        with anyio.move_on_after(SETTLING_S):
            while left:
                await backoff.pause()
                lists = [await call(link, f"CONSUMER.LIST.{stream}", {}, within_s=SETTLING_S) for stream in QUEUES]
                durable = [each for found in lists for each in found["consumers"] if each["config"].get("durable_name")]
                left = sum(each["num_pending"] + each["num_ack_pending"] for each in durable)
    finally:
        await link.close()
    return left


async def _kept(bus: Bus) -> Counter[str]:
    """Return what queues hold that nobody is to do anything about."""
    work = [stored async for stored in bus.last_per_subject(subjects.WORK, [subjects.WORK_ALL])]
    timers = [stored async for stored in bus.last_per_subject(subjects.TIMERS, [subjects.TIMERS_SET_ALL])]
    return Counter({"work items answered that the server still keeps": len(work), "timers still set": len(timers)})


async def _events(bus: Bus) -> list[Stored]:
    mark = JobFinished(namespace="mark", job_id="mark", total=1, counts=OutcomeCounts())
    last = await bus.publish(subjects.event(mark), envelope.encode(mark), message_id=uuid4().hex)
    found: list[Stored] = []
    async with bus.feed(subjects.EVENTS, [subjects.EVENTS_ALL], after=0) as events:
        async for stored in events:
            if stored.sequence == last.sequence:
                break
            found.append(stored)
    return found


def _read(events: Sequence[Stored], kind: str, type_: type[T], of: Callable[[str], str | None]) -> list[T]:
    decoder = msgspec.json.Decoder(type_)
    return [decoder.decode(each.data) for each in events if each.subject.endswith(f".{kind}") and of(each.subject)]


def check_tasks(made: Audit, book: Book, events: Sequence[Stored], ends: Sequence[TaskFinished]) -> None:
    """Compare what was submitted with what was accepted, has ended, and was told."""
    submitted = book.submitted
    accepted = [subjects.task_of(each.subject) for each in events if each.subject.endswith(".submitted")]
    began = Counter(task_id for task_id in accepted if task_id)
    ended = Counter(end.task_id for end in ends)
    starts = _read(events, "started", AttemptStarted, subjects.task_of)
    made.counts["attempts"] = len(starts)
    made.counts["tasks whose attempt was replaced"] = len({each.task_id for each in starts if each.attempt.number > 1})
    engines = Counter(end.engine for end in ends if end.outcome == "completed")
    made.counts.update({f"tasks completed by {engine}": count for engine, count in engines.items()})
    made.counts["tasks really judged"] = sum(end.isolation != "none" for end in ends)
    made.expect("tasks accepted other than once", _other_than_once(began, submitted), {})
    made.expect("tasks ended other than once", _other_than_once(ended, submitted), {})
    told = {end.task_id: end for end in ends}
    made.expect(
        "ends that clients were told otherwise", [id_ for id_, end in book.told.items() if told[id_] != end], []
    )
    made.expect("tasks whose client was not told", sorted(submitted.keys() - book.told.keys()), [])
    made.expect("ends under another job", [end.task_id for end in ends if submitted.get(end.task_id) != end.job_id], [])


def _check_money(made: Audit, bills: dict[str, float], events: Sequence[Stored], ends: Sequence[TaskFinished]) -> None:
    attempts = Counter(start.task_id for start in _read(events, "started", AttemptStarted, subjects.task_of))
    tasks = _read(events, "submitted", TaskSubmitted, subjects.task_of)
    accounts = {task.task_id: Account(task.policy.max_cost_usd or 0.0, attempts[task.task_id]) for task in tasks}
    moves = [envelope.decode(each.data, GateMoved) for each in events if each.subject.endswith(".moved")]
    gates = [move for move in moves if move.kind == "namespace"]
    made.expect("that the namespace's gate was used", bool(gates), True)
    if gates:
        check_ledger(made, bills, ends, accounts, gates[-1])


def _other_than_once(found: Counter[str], wanted: dict[str, str]) -> dict[str, int]:
    return {id_: found[id_] for id_ in found.keys() | wanted.keys() if found[id_] != 1 or id_ not in wanted}


def _check_jobs(made: Audit, book: Book, ends: Sequence[TaskFinished], jobs: Sequence[JobFinished]) -> None:
    outcomes = {job.id: Counter[str]() for job in book.jobs}
    for end in ends:
        outcomes.setdefault(end.job_id, Counter())[end.outcome] += 1
    counted = {job.job_id: job.counts for job in jobs}
    wanted = {id_: OutcomeCounts(**each) for id_, each in outcomes.items()}
    wrong = sorted(id_ for id_ in wanted.keys() | counted.keys() if wanted.get(id_) != counted.get(id_))
    made.expect("jobs whose count is wrong", wrong, [])
    made.expect("ends of jobs", len(jobs), len(wanted))


async def _check_files(made: Audit, bus: Bus, ends: Sequence[TaskFinished]) -> None:
    digests = {(end.namespace, file.digest) for end in ends for file in end.files}
    made.expect("completed without files", [end.task_id for end in ends if _bare(end)], [])
    missing: list[str] = []
    for namespace, digest in sorted(digests):
        try:
            await bus.fetch(subjects.ARTIFACTS, namespace, digest)
        except (BlobNotFoundError, BusError) as error:
            missing.append(str(error))
    made.counts["files named in results"] = sum(len(end.files) for end in ends)
    made.counts["files fetched and checked, by digest"] = len(digests)
    made.expect("files missing", missing, [])


def _bare(end: TaskFinished) -> bool:
    return end.outcome == "completed" and not end.files
