"""The verifier's shell: fetches a candidate, lets ``judge`` judge it, stores the suite, publishes the verdicts."""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Protocol

import anyio
from msgspec.structs import replace

from testwright.actor import Actor, Reaction, SupersededError
from testwright.background import together
from testwright.bus import Bus, Stored
from testwright.endings import Endings
from testwright.engines import Progress
from testwright.errors import (
    BlobCorruptError,
    BlobNotFoundError,
    BusError,
    ConflictError,
    PayloadTooLargeError,
    SnapshotError,
    WorkError,
)
from testwright.history import TaskHistory
from testwright.leaving import keep, unexpected
from testwright.reporter import Reporter
from testwright.room import Gate
from testwright.shelf import Shelf
from testwright.sources import Sources
from testwright.verification.inquiry import Finding
from testwright.verifier import core, merging
from testwright.voice import Archive, Clock, Voice
from testwright_schemas import (
    PRIORITIES,
    Effect,
    Failure,
    Judgement,
    Publish,
    SuiteVerified,
    VerifySuite,
    brief,
    subjects,
)

log = logging.getLogger("testwright.verifier")


class Judge(Protocol):
    """Judges a candidate on a snapshot."""

    async def __call__(self, item: VerifySuite, snapshot: bytes, candidate: bytes, progress: Progress) -> Finding:
        """Return what was found in a packed candidate.

        Raises:
            SnapshotError: snapshot or candidate cannot be unpacked.
            WorkError: it cannot be judged, and why.
        """
        ...


Join = Callable[[Mapping[str, bytes], bytes], Awaitable[bytes]]
"""Puts accepted files, by name, and a packed candidate into one archive; see ``testwright.verifier.merging.joined``."""


class _Verifier:
    def __init__(self, bus: Bus, voice: Voice, judge: Judge, join: Join, worker: str, *, shelf: Shelf) -> None:
        self._bus = bus
        self._worker = worker
        self._sources = Sources(bus)
        self._archive = Archive(bus)
        self._voice = voice
        self._judge = judge
        self._join = join
        self._shelf = shelf
        self.endings = Endings(bus)

    async def handle(self, item: VerifySuite, stored: Stored) -> Sequence[Effect]:
        with self.endings.watch(item.namespace, item.task_id):
            history = await self._history(item, stored)
            reason = core.obsolete(history, item)
            if reason:
                log.info("dropped task=%s: %s", item.task_id, reason)
                return ()
            outcome = await self._outcome(core.current(item, history), history, stored)
            try:
                await self._say(core.current(item, history), stored, outcome)
            except ConflictError as error:
                raise SupersededError from error
            return ()
        log.info("stopped task=%s: it has ended", item.task_id)
        return ()

    async def _history(self, item: VerifySuite, stored: Stored) -> TaskHistory:
        # Before the first verdicts there is nothing to build on, and an end would have been heard of.
        first = item.attempt.number == 1 and stored.deliveries == 1
        if first and self.endings.open(item.namespace, item.task_id, since=item.fence):
            return TaskHistory()
        return await self._archive.task(item.namespace, item.task_id, at_least=item.fence)

    async def _say(self, item: VerifySuite, stored: Stored, outcome: Publish) -> None:
        try:
            await self._voice.say(outcome, stored.headers)
        except PayloadTooLargeError as error:
            too_large = await self._failed(item, WorkError("result-too-large", str(error)))
            await self._voice.say(too_large, stored.headers)

    async def _outcome(self, item: VerifySuite, history: TaskHistory, stored: Stored) -> Publish:
        reporter = Reporter(self._voice, item, item.attempt.number, "verify", stored.headers, worker=self._worker)
        try:
            with anyio.fail_after(item.policy.timeout_s):
                snapshot, candidate = await self._material(item)
                if history.accepted:
                    item, candidate = await self._joined(item, candidate, history.accepted)
                finding = await self._judge(item, snapshot, candidate, reporter)
            return core.verified(item, await self._judgement(item, finding), history)
        except (BlobNotFoundError, BlobCorruptError, SnapshotError) as error:
            return await self._failed(item, WorkError("candidate-lost", str(error)))
        except TimeoutError:
            message = f"verification took longer than {item.policy.timeout_s:g} s"
            return await self._failed(item, WorkError("timeout", message, retryable=True))
        except WorkError as error:
            return await self._failed(item, error)
        except BusError:
            raise
        except Exception as error:
            log.exception("unexpected task=%s", item.task_id)
            return await self._failed(item, unexpected(error))

    async def _material(self, item: VerifySuite) -> tuple[bytes, bytes]:
        """Return snapshot and candidate."""
        digest = item.candidate.digest
        snapshot = partial(self._sources.fetch, item.namespace, item.snapshot.digest)
        at_hand = self._shelf.get(item.namespace, digest)
        if at_hand is not None:
            return await snapshot(), at_hand
        fetched = partial(self._bus.fetch, subjects.ARTIFACTS, item.namespace, digest)
        source, candidate = await together([snapshot, fetched])
        return source, candidate

    async def _joined(self, item: VerifySuite, candidate: bytes, accepted: SuiteVerified) -> tuple[VerifySuite, bytes]:
        """Return the item for a candidate together with what was accepted, and that as an archive, which is kept."""
        files = accepted.judgement.files
        before = {file.name: await self._bus.fetch(subjects.ARTIFACTS, item.namespace, file.digest) for file in files}
        archive = await self._join(before, candidate)
        kept = await keep(self._bus, item, "candidate.tar.gz", archive)
        needed = merging.united(accepted.requirements, item.requirements)
        return replace(item, candidate=kept, requirements=needed), archive

    async def _judgement(self, item: VerifySuite, finding: Finding) -> Judgement:
        files = [await keep(self._bus, item, name, content) for name, content in sorted(finding.files.items())]
        report = await keep(self._bus, item, "report.json", finding.report)
        return Judgement(
            cases=finding.cases,
            coverage=finding.coverage,
            mutation=finding.mutation,
            files=tuple(files),
            brief=replace(finding.brief, accepted=tuple(files)) if finding.brief else None,
            report=report,
            isolation=finding.isolation,
            python=finding.python,
            wall_s=finding.wall_s,
        )

    async def _failed(self, item: VerifySuite, error: WorkError) -> Publish:
        failure = Failure(cause=error.cause, message=brief(str(error)), retryable=error.retryable)
        kept = await keep(self._bus, item, "verification.log", error.log) if error.log else item.log
        return core.failed(item, failure, kept)


def verifier(
    bus: Bus,
    clock: Clock,
    judge: Judge,
    *,
    worker: str = "",
    slots: int = 1,
    join: Join = merging.joined,
    shelf: Shelf | None = None,
    gate: Gate | None = None,
) -> Actor:
    """Return a verifier.

    Args:
        bus: its connection.
        clock: time of day.
        judge: what judges candidates.
        worker: name of this process, for whoever watches.
        slots: candidates at a time.
        join: what puts a candidate together with what was accepted before.
        shelf: where the generator of this process, if there is one, leaves candidates.
        gate: whether there is memory for one more; by default there is.
    """
    voice = Voice(bus, "verifier", clock)
    part = _Verifier(bus, voice, judge, join, worker, shelf=shelf or Shelf())
    consumers = tuple(subjects.verify_consumer(priority) for priority in PRIORITIES)
    reaction = Reaction(
        stream=subjects.WORK, consumers=consumers, type_=VerifySuite, handle=part.handle, slots=slots, gate=gate
    )
    return Actor("verifier", bus, voice, (reaction,), background=(part.endings.follow,))
