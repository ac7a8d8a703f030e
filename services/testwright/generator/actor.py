"""The generator's shell: announces an attempt, lets ``produce`` do it, publishes the candidate or the failure."""

import itertools
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import anyio

from testwright.actor import Actor, Reaction, SupersededError
from testwright.bus import Bus, Stored
from testwright.endings import Endings
from testwright.engines import Progress
from testwright.errors import (
    BlobCorruptError,
    BlobNotFoundError,
    BusError,
    ConflictError,
    PayloadTooLargeError,
    WorkError,
    unexpected,
)
from testwright.generator import core
from testwright.reporter import Reporter
from testwright.sources import Sources
from testwright.voice import Archive, Clock, Voice
from testwright_schemas import (
    PRIORITIES,
    Artifact,
    Attempt,
    Effect,
    Failure,
    GenerateSuite,
    Publish,
    SuiteGenerated,
    Usage,
    brief,
    subjects,
)

log = logging.getLogger("testwright.generator")


@dataclass(frozen=True, slots=True)
class Product:
    """A candidate, packed: ``files`` are the names in ``archive``; see ``testwright.engines.Candidate``."""

    archive: bytes
    files: tuple[str, ...]
    requirements: tuple[str, ...] = ()
    usage: Usage = field(default_factory=Usage)
    log: bytes = b""


class Produce(Protocol):
    """Runs the engine that a work item names on a snapshot."""

    async def __call__(self, item: GenerateSuite, snapshot: bytes, progress: Progress) -> Product:
        """Return a candidate with at least one file.

        Raises:
            WorkError: there is none, and why.
        """
        ...


class _Generator:
    def __init__(self, bus: Bus, voice: Voice, clock: Clock, worker: str, produce: Produce) -> None:
        self._bus = bus
        self._sources = Sources(bus)
        self._archive = Archive(bus)
        self._voice = voice
        self._clock = clock
        self._worker = worker
        self._produce = produce
        self._turns = itertools.count(1)
        self.endings = Endings(bus)

    async def handle(self, item: GenerateSuite, stored: Stored) -> Sequence[Effect]:
        with self.endings.watch(item.namespace, item.task_id):
            try:
                await self._attempt(item, stored)
            except ConflictError as error:
                raise SupersededError from error
            return ()
        log.info("stopped task=%s: it has ended", item.task_id)
        return ()

    async def _attempt(self, item: GenerateSuite, stored: Stored) -> None:
        history = await self._archive.task(item.namespace, item.task_id)
        match core.decide(history, item, self._worker, self._clock(), turn=next(self._turns)):
            case core.Drop(reason=reason):
                log.info("dropped task=%s: %s", item.task_id, reason)
            case core.GiveUp(failure=failure):
                await self._voice.say(failure, stored.headers)
            case core.Start(attempt=attempt, announcement=announcement):
                await self._run(item, stored, attempt, announcement)

    async def _run(self, item: GenerateSuite, stored: Stored, attempt: Attempt, announcement: Publish) -> None:
        receipt = await self._voice.say(announcement, stored.headers)
        fence = receipt.sequence if receipt else 0
        outcome = await self._outcome(item, stored, attempt, fence)
        try:
            await self._voice.say(outcome, stored.headers)
        except PayloadTooLargeError as error:
            too_large = await self._failed(item, attempt, fence, WorkError("result-too-large", str(error)))
            await self._voice.say(too_large, stored.headers)

    async def _outcome(self, item: GenerateSuite, stored: Stored, attempt: Attempt, fence: int) -> Publish:
        reporter = Reporter(self._voice, item, attempt.number, "generate", stored.headers)
        try:
            with anyio.fail_after(item.policy.timeout_s):
                snapshot = await self._sources.fetch(item.snapshot.digest)
                product = await self._produce(item, snapshot, reporter)
            return await self._generated(item, attempt, fence, product)
        except (BlobNotFoundError, BlobCorruptError) as error:
            return await self._failed(item, attempt, fence, WorkError("snapshot-lost", str(error)))
        except TimeoutError:
            message = f"the attempt took longer than {item.policy.timeout_s:g} s"
            return await self._failed(item, attempt, fence, WorkError("timeout", message, retryable=True))
        except WorkError as error:
            return await self._failed(item, attempt, fence, error)
        except BusError:
            raise
        except Exception as error:
            log.exception("unexpected task=%s", item.task_id)
            return await self._failed(item, attempt, fence, unexpected(error))

    async def _generated(self, item: GenerateSuite, attempt: Attempt, fence: int, product: Product) -> Publish:
        message = SuiteGenerated(
            namespace=item.namespace,
            job_id=item.job_id,
            task_id=item.task_id,
            attempt=attempt,
            candidate=await self._keep("candidate.tar.gz", product.archive),
            files=product.files,
            fence=fence,
            requirements=product.requirements,
            usage=product.usage,
            log=await self._keep(f"{attempt.engine}.log", product.log) if product.log else None,
        )
        return Publish(message=message, expect=core.under(item, fence))

    async def _failed(self, item: GenerateSuite, attempt: Attempt, fence: int, error: WorkError) -> Publish:
        artifact = await self._keep(f"{attempt.engine}.log", error.log) if error.log else None
        failure = Failure(cause=error.cause, message=brief(str(error)), retryable=error.retryable)
        return core.failed(item, attempt, "generate", failure, fence=fence, log=artifact)

    async def _keep(self, name: str, data: bytes) -> Artifact:
        return Artifact(name=name, digest=await self._bus.put(subjects.ARTIFACTS, data), size=len(data))


def generator(
    bus: Bus, clock: Clock, produce: Produce, engines: Sequence[str], *, worker: str, slots: int = 1
) -> Actor:
    """Return a generator.

    Args:
        bus: its connection.
        clock: time of day.
        produce: what runs engines.
        engines: names of the engines whose queues it serves.
        worker: name of the process in events.
        slots: attempts at a time.
    """
    voice = Voice(bus, "generator", clock)
    part = _Generator(bus, voice, clock, worker, produce)
    consumers = tuple(subjects.generate_consumer(engine, priority) for priority in PRIORITIES for engine in engines)
    reaction = Reaction(stream=subjects.WORK, consumers=consumers, type_=GenerateSuite, handle=part.handle, slots=slots)
    return Actor("generator", bus, voice, (reaction,), background=(part.endings.follow,))
