"""The one loop of every actor: take a delivery, handle it, publish what follows, then ack.

What is acked has been said; what was not said is delivered again. An unexpected error hands the message back with a
growing delay; one that nobody can decode, that claims to be from elsewhere, or that failed too often, becomes a dead
letter with an event. A server that does not answer is not the message's fault, however long it stays away: as far as
an actor knows of such failures, deliveries are counted from the last one.
"""

import hashlib
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import anyio
import msgspec
from anyio.abc import TaskStatus
from msgspec.structs import replace

from testwright.background import together
from testwright.bus import Bus, Delivery, Stored
from testwright.drain import Drain
from testwright.errors import BusClosedError, BusError, BusTimeoutError, PayloadTooLargeError, PublishTimeoutError
from testwright.excused import Excused
from testwright.held import Held
from testwright.observe.current import Handling
from testwright.room import Gate
from testwright.voice import Voice, address, steps
from testwright_schemas import Effect, MessageDeadLettered, Publish, brief, envelope, subjects

log = logging.getLogger("testwright.actor")

MAX_DELIVERIES = 20
"""Deliveries of one message that may fail before it becomes a dead letter: the last resort behind each actor's own
counting."""

LAST_DELIVERY = 400
"""Deliveries of one message of which not even the failure is known: it may take its actor down each time."""

AWAY = (PublishTimeoutError, BusTimeoutError)
"""Failures that say nothing about a message."""

AHEAD = 8
"""Messages that an actor whose work takes milliseconds fetches before it can handle them."""

HAND_BACK_S = 2.0
"""Seconds that handing a message back may take when everything else is being stopped."""


class SupersededError(Exception):
    """Raised by a handler whose delivery belongs to somebody else by now: it is left unanswered."""


Handler = Callable[[Any, Stored], Awaitable[Sequence[Effect]]]
"""What an actor does with one message: the effects it returns are said before the message is acked.

It raises ``SupersededError`` where the delivery belongs to somebody else by now.
"""

GivenUp = Callable[[Any, Stored], Awaitable[Sequence[Effect]]]
"""What follows for a message that failed too often, before it becomes a dead letter: what it had begun is to end."""

Refused = Callable[[Stored, msgspec.DecodeError], Awaitable[bool]]
"""Answers a message that cannot be decoded; returns whether it did."""


@dataclass(frozen=True, slots=True)
class Reaction:
    """Which messages go to which handler.

    Attributes:
        stream: where they are queued.
        consumers: durable consumers, highest priority first.
        type_: union of the structs that may come.
        handle: what to do with one.
        slots: how many at a time.
        ahead: how many a slot may fetch before it can handle them: see ``Puller.slot``.
        refused: what to try before a message that cannot be decoded becomes a dead letter.
        given_up: what to say before a message that failed too often becomes a dead letter.
        gate: whether there is memory for one more, to be asked before each; by default there is.
    """

    stream: str
    consumers: tuple[str, ...]
    type_: Any
    handle: Handler
    slots: int = 1
    ahead: int = 0
    refused: Refused | None = None
    given_up: GivenUp | None = None
    gate: Gate | None = None


@dataclass
class Actor:
    """A named set of reactions on one connection.

    Attributes:
        name: its role, e.g. ``collector``.
        bus: its connection.
        voice: how it speaks.
        reactions: what it reacts to.
        background: long-running parts such as a feed; each is started before the first delivery is taken.
    """

    name: str
    bus: Bus
    voice: Voice
    reactions: Sequence[Reaction]
    background: Sequence[Callable[..., Coroutine[Any, Any, None]]] = ()
    _drain: Drain = field(default_factory=Drain)
    _rested: anyio.Event | None = None
    _open: bool = False

    def __post_init__(self) -> None:
        """Hold nothing yet."""
        self._held, self._excused = Held(self.name), Excused()

    @property
    def ready(self) -> bool:
        """Whether it takes work: every slot is open, and it is not being drained."""
        return self._open

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Serve until drained; reports started when every slot is open."""
        rested = self._rested = anyio.Event()
        try:
            async with anyio.create_task_group() as parts:
                for part in self.background:
                    await parts.start(part)
                parts.start_soon(self._held.keep)
                async with anyio.create_task_group() as slots:
                    for reaction in self.reactions:
                        for _ in range(reaction.slots):
                            await slots.start(self._serve, reaction)
                    self._open = True
                    task_status.started()
                parts.cancel_scope.cancel()
        finally:
            self._open = False
            rested.set()

    async def rest(self, grace_s: float) -> None:
        """Drain: take nothing new, give running work ``grace_s`` seconds, then hand it back."""
        self._open = False
        self._drain.begin()
        if self._rested is None:
            return
        with anyio.move_on_after(grace_s):
            await self._rested.wait()
            return
        self._drain.stop()
        await self._rested.wait()

    async def _serve(self, reaction: Reaction, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        gate = reaction.gate
        async with (
            self.bus.slot(reaction.stream, reaction.consumers, ahead=reaction.ahead) as opened,
            gate.slot(self.name, opened) if gate else nullcontext(opened) as slot,
        ):
            task_status.started()
            with self._drain.serving() as scope:
                while delivery := await self._drain.next(slot, scope):
                    await self._answer(reaction, delivery)

    async def _answer(self, reaction: Reaction, delivery: Delivery) -> None:
        self._held.take(delivery)
        try:
            with Handling(delivery.message):
                await self._process(reaction, delivery)
        finally:
            self._held.drop(delivery)

    async def _process(self, reaction: Reaction, delivery: Delivery) -> None:
        stored = delivery.message
        try:
            await self._handle(reaction, delivery)
            self._excused.forget(delivery)
            log.info("handled actor=%s subject=%s delivery=%d", self.name, stored.subject, delivery.count)
        except SupersededError:
            log.info("superseded actor=%s subject=%s delivery=%d", self.name, stored.subject, delivery.count)
        except BusClosedError:
            raise
        except anyio.get_cancelled_exc_class():
            await self._hand_back(delivery)
            raise
        except Exception as error:  # the loop must outlive any one message
            log.warning("failed actor=%s subject=%s error=%r", self.name, stored.subject, error, exc_info=error)
            await self._failed(reaction, delivery, error)

    async def _handle(self, reaction: Reaction, delivery: Delivery) -> None:
        stored = delivery.message
        if self._excused.since(delivery) > LAST_DELIVERY:
            await self._give_up(reaction, delivery, f"delivered {LAST_DELIVERY} times")
            return
        try:
            message = envelope.decode(stored.data, reaction.type_)
        except msgspec.DecodeError as error:
            await self._refuse(reaction, delivery, error)
            return
        # What a sender may say is decided by the subjects that it may publish on.
        if (place := address(message)) != stored.subject:
            await self._bury(delivery, f"belongs on {place}")
            return
        for effects in steps(await reaction.handle(message, stored)):
            await together([partial(self.voice.say, effect, stored.headers) for effect in effects])
        # What was said is confirmed. Where this is lost, the message comes again, and says the same again.
        await delivery.done()

    async def _failed(self, reaction: Reaction, delivery: Delivery, error: Exception) -> None:
        """Hand a message back, or give it up."""
        if isinstance(error, AWAY):
            self._excused.note(delivery)
        elif self._excused.since(delivery) >= MAX_DELIVERIES:
            try:
                await self._give_up(reaction, delivery, f"failed {MAX_DELIVERIES} times: {brief(repr(error))}")
            except BusClosedError:
                raise
            except Exception as why:  # as above
                log.warning("not-given-up actor=%s error=%r", self.name, why, exc_info=why)
            else:
                return
        # No more than 30 s, nor more digits than a float has.
        await self._hand_back(delivery, min(0.1 * 2 ** min(delivery.count, MAX_DELIVERIES), 30.0))

    async def _give_up(self, reaction: Reaction, delivery: Delivery, reason: str) -> None:
        stored = delivery.message
        if reaction.given_up:
            for effect in await reaction.given_up(envelope.decode(stored.data, reaction.type_), stored):
                await self.voice.say(effect, stored.headers)
        await self._bury(delivery, reason)

    async def _hand_back(self, delivery: Delivery, delay_s: float = 0.0) -> None:
        with anyio.move_on_after(HAND_BACK_S, shield=True):
            try:
                await delivery.nak(delay_s)
            except BusError as error:
                # It comes back by itself after the ack wait.
                log.warning("not-handed-back actor=%s error=%s", self.name, error)

    async def _refuse(self, reaction: Reaction, delivery: Delivery, error: msgspec.DecodeError) -> None:
        if reaction.refused and await reaction.refused(delivery.message, error):
            await delivery.ack()
            return
        await self._bury(delivery, str(error))

    async def _bury(self, delivery: Delivery, reason: str) -> None:
        stored = delivery.message
        log.error("dead-letter actor=%s subject=%s reason=%s", self.name, stored.subject, reason)
        # A letter about a letter would be as bad as that one, and so on for ever.
        if not subjects.is_dead(stored.subject):
            await self._tell_of(dead_letter(stored, delivery.consumer, delivery.count, reason), stored)
        await delivery.term(reason)

    async def _tell_of(self, letter: MessageDeadLettered, stored: Stored) -> None:
        try:
            await self.voice.say(Publish(message=letter, once=True), stored.headers)
        except PayloadTooLargeError:
            short = replace(letter, data=b"", headers={})
            await self.voice.say(Publish(message=short, once=True), {})


def dead_letter(stored: Stored, consumer: str, deliveries: int, reason: str) -> MessageDeadLettered:
    """Return the event that tells of a message taken off its queue; its id is a digest of where the message was."""
    place = f"{stored.stream}/{stored.sequence}/{stored.time.isoformat()}"
    return MessageDeadLettered(
        namespace=subjects.namespace_of(stored.subject),
        letter_id=hashlib.sha256(place.encode()).hexdigest()[:20],
        stream=stored.stream,
        subject=stored.subject,
        sequence=stored.sequence,
        consumer=consumer,
        reason=reason,
        deliveries=deliveries,
        data=stored.data,
        headers=dict(stored.headers),
        task_id=subjects.task_of(stored.subject),
    )
