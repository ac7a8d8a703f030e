"""The generator's shell: announces an attempt, lets ``produce`` do it, publishes the candidate or the failure."""

import itertools
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

import anyio
from msgspec.structs import replace

from testwright.actor import Actor, Reaction, SupersededError
from testwright.bus import Bus, Stored
from testwright.endings import Endings
from testwright.engines import Notes, Progress
from testwright.errors import (
    BlobCorruptError,
    BlobNotFoundError,
    BusError,
    ConflictError,
    PayloadTooLargeError,
    SnapshotError,
    WorkError,
)
from testwright.generator import core, lanes
from testwright.generator.lanes import Lanes
from testwright.generator.notes import Notebook
from testwright.history import TaskHistory
from testwright.leaving import keep, unexpected
from testwright.reporter import Reporter
from testwright.room import Gate
from testwright.shelf import Shelf
from testwright.sources import Sources
from testwright.voice import Archive, Clock, Voice
from testwright_schemas import (
    PRIORITIES,
    Attempt,
    AttemptFailed,
    Effect,
    Failure,
    GenerateSuite,
    Isolation,
    Publish,
    SuiteGenerated,
    Usage,
    brief,
    subjects,
)

log = logging.getLogger("testwright.generator")


@dataclass(frozen=True, slots=True)
class Product:
    """A candidate, packed: ``files`` are the names in ``archive``; see ``testwright.engines.Candidate``.

    ``rounds`` says whether the engine has use for another round.
    """

    archive: bytes
    files: tuple[str, ...]
    requirements: tuple[str, ...] = ()
    usage: Usage = field(default_factory=Usage)
    log: bytes = b""
    isolation: Isolation = "none"
    rounds: bool = False


class Produce(Protocol):
    """Runs the engine that a work item names on a snapshot."""

    async def __call__(self, item: GenerateSuite, snapshot: bytes, progress: Progress, notes: Notes) -> Product:
        """Return a candidate with at least one file.

        Raises:
            SnapshotError: the snapshot cannot be unpacked.
            WorkError: there is none, and why.
        """
        ...


Charges = Callable[[str], bool]
"""Says whether the work of an engine, by its name, costs money."""


def _all(engine: str) -> bool:
    del engine
    return True


class _Generator:
    def __init__(
        self, bus: Bus, voice: Voice, clock: Clock, worker: str, workshop: tuple[Produce, Charges], *, shelf: Shelf
    ) -> None:
        self._bus = bus
        self._sources = Sources(bus)
        self._archive = Archive(bus)
        self._voice = voice
        self._clock = clock
        self._worker = worker
        self._produce, self._charges = workshop
        self._shelf = shelf
        self._turns = itertools.count(1)
        self.endings = Endings(bus)
        self.lanes = Lanes(bus)

    async def handle(self, item: GenerateSuite, stored: Stored) -> Sequence[Effect]:
        keeps = core.resumes(item, charges=self._charges(item.attempt.engine))
        notebook = Notebook(self._bus, item, keeps=keeps)
        with self.endings.watch(item.namespace, item.task_id) as scope:
            try:
                await self._attempt(item, stored, notebook)
            except ConflictError as error:
                raise SupersededError from error
        if scope.cancelled_caught:
            log.info("stopped task=%s: it has ended", item.task_id)
        await notebook.discard(left=stored.deliveries > 1)
        return ()

    async def _attempt(self, item: GenerateSuite, stored: Stored, notebook: Notebook) -> None:
        if announced := await self._announced(item, stored):
            start, fence = announced
            vain = await self._in_vain(item, fence) if start.doubtful else None
            if vain:
                log.info("dropped task=%s: %s", item.task_id, vain)
                return
            async with notebook.open(start.attempt.number):
                item = replace(item, spent=item.spent.plus(core.spent(notebook.before)))
                if start.declined:
                    await self._voice.say(core.failed(item, start.attempt, start.declined, fence), stored.headers)
                else:
                    await self._run(item, stored, start, fence, notebook)

    async def _announced(self, item: GenerateSuite, stored: Stored) -> tuple[core.Start, int] | None:
        """Return the attempt that an item leads to, and the sequence of its announcement; ``None`` if it leads to none.

        Raises:
            ConflictError: another worker has announced one meanwhile.
        """
        if item.known and stored.deliveries == 1:
            decision = self._decision(TaskHistory(), item)
            if isinstance(decision, core.Start):
                with suppress(ConflictError):
                    return await self._announce(core.unseen(decision, item), stored)
        decision = self._decision(await self._archive.task(item.namespace, item.task_id), item)
        if isinstance(decision, core.Start):
            return await self._announce(decision, stored)
        log.info("dropped task=%s: %s", item.task_id, decision.reason)
        return None

    def _decision(self, history: TaskHistory, item: GenerateSuite) -> core.Start | core.Drop:
        now = self._clock()
        conditions = core.Conditions(
            pause=self.lanes.paused(item.namespace, item.attempt.engine, now),
            charges=self._charges(item.attempt.engine),
        )
        return core.decide(history, item, self._worker, now, turn=next(self._turns), conditions=conditions)

    async def _announce(self, start: core.Start, stored: Stored) -> tuple[core.Start, int]:
        receipt = await self._voice.say(start.announcement, stored.headers)
        return start, receipt.sequence if receipt else 0

    async def _in_vain(self, item: GenerateSuite, fence: int) -> str | None:
        return core.in_vain(await self._archive.task(item.namespace, item.task_id, at_least=fence), fence)

    async def _run(self, item: GenerateSuite, stored: Stored, start: core.Start, fence: int, notes: Notes) -> None:
        attempt = start.attempt
        try:
            outcome = await self._outcome(item, stored, start, fence, notes)
        except WorkError as error:
            await self._pause(item, error, stored)
            outcome = await self._failed(item, attempt, fence, error)
        try:
            await self._voice.say(outcome, stored.headers)
        except PayloadTooLargeError as error:
            usage = outcome.message.usage if isinstance(outcome.message, SuiteGenerated | AttemptFailed) else None
            too_large = WorkError("result-too-large", str(error), usage=usage)
            await self._voice.say(await self._failed(item, attempt, fence, too_large), stored.headers)

    async def _pause(self, item: GenerateSuite, error: WorkError, stored: Stored) -> None:
        broken = error.retry_after_s is None
        pause_s = error.pause_s if broken else error.retry_after_s
        if pause_s is None:
            return
        # Said before the failure is: whoever gets the attempt back knows of it.
        reason, lane = brief(str(error)), item.attempt.engine
        pause = lanes.pause(item.namespace, lane, self._clock(), pause_s, reason, broken=broken)
        self.lanes.note(pause)
        await self._voice.say(Publish(message=pause), stored.headers)

    async def _outcome(
        self, item: GenerateSuite, stored: Stored, start: core.Start, fence: int, notes: Notes
    ) -> Publish:
        """Return what an attempt has led to.

        Raises:
            WorkError: to nothing.
        """
        reporter = Reporter(self._voice, item, start.attempt.number, "generate", stored.headers, worker=self._worker)
        try:
            with anyio.fail_after(item.policy.timeout_s):
                snapshot = await self._sources.fetch(item.namespace, item.snapshot.digest)
                product = await self._produce(item, snapshot, reporter, notes)
            return await self._generated(item, start, fence, product)
        except (BlobNotFoundError, BlobCorruptError) as error:
            raise WorkError("snapshot-lost", str(error), usage=Usage()) from error
        except SnapshotError as error:
            raise WorkError("snapshot-unusable", str(error), usage=Usage()) from error
        except TimeoutError as error:
            message = f"the attempt took longer than {item.policy.timeout_s:g} s"
            raise WorkError("timeout", message, retryable=True) from error
        except (WorkError, BusError):
            raise
        except Exception as error:
            log.exception("unexpected task=%s", item.task_id)
            raise unexpected(error) from error

    async def _generated(self, item: GenerateSuite, start: core.Start, fence: int, product: Product) -> Publish:
        attempt = start.attempt
        candidate = await keep(self._bus, item, "candidate.tar.gz", product.archive)
        self._shelf.put(item.namespace, candidate.digest, product.archive)
        message = SuiteGenerated(
            namespace=item.namespace,
            job_id=item.job_id,
            task_id=item.task_id,
            attempt=attempt,
            candidate=candidate,
            files=product.files,
            fence=fence,
            requirements=product.requirements,
            usage=product.usage,
            log=await keep(self._bus, item, f"{attempt.engine}.log", product.log) if product.log else None,
            isolation=product.isolation,
            rounds=product.rounds,
            spent=item.spent.plus(product.usage),
            first_started_at=start.first_started_at,
        )
        return Publish(message=message, expect=core.under(item, fence))

    async def _failed(self, item: GenerateSuite, attempt: Attempt, fence: int, error: WorkError) -> Publish:
        artifact = await keep(self._bus, item, f"{attempt.engine}.log", error.log) if error.log else None
        failure = Failure(
            cause=error.cause,
            message=brief(str(error)),
            retryable=error.retryable,
            retry_after_s=None if error.retry_after_s is None else lanes.bounded(error.retry_after_s),
        )
        usage = error.usage
        if usage is None:
            doubtful = core.limited(item) and self._charges(attempt.engine)
            usage = core.UNKNOWN if doubtful else Usage()
        setback = core.Setback(phase="generate", failure=failure, usage=usage, log=artifact)
        return core.failed(item, attempt, setback, fence)


def generator(
    bus: Bus,
    clock: Clock,
    produce: Produce,
    engines: Sequence[str],
    *,
    worker: str,
    slots: int = 1,
    charges: Charges = _all,
    shelf: Shelf | None = None,
    gate: Gate | None = None,
) -> Actor:
    """Return a generator.

    Args:
        bus: its connection.
        clock: time of day.
        produce: what runs engines.
        engines: names of the engines whose queues it serves.
        worker: name of the process in events.
        slots: attempts at a time.
        charges: whether an engine costs money; by default each may.
        shelf: where others in this process find candidates.
        gate: whether there is memory for one more; by default there is.
    """
    voice = Voice(bus, "generator", clock)
    part = _Generator(bus, voice, clock, worker, (produce, charges), shelf=shelf or Shelf())
    consumers = tuple(subjects.generate_consumer(engine, priority) for priority in PRIORITIES for engine in engines)
    reaction = Reaction(
        stream=subjects.WORK, consumers=consumers, type_=GenerateSuite, handle=part.handle, slots=slots, gate=gate
    )
    return Actor("generator", bus, voice, (reaction,), background=(part.endings.follow, part.lanes.follow))
