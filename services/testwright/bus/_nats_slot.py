"""A slot: takes one delivery at a time from several queues, the most urgent first.

While somebody waits, a pull request lies at the server for every queue, and nothing is sent but heartbeats. When one is
answered the others are withdrawn, so that no message is delivered to a slot that is busy; one that was already on its
way is handed back. Where the last work took less than a moment, that is done only if this one takes longer. A request
that may be lost is made again: after a reconnect, when a queue has a new leader, when its heartbeats stay away.

That a queue was found empty is believed for a moment, so that slots with very short work need not ask them all for each
message. A slot over a single queue has no order to keep and may fetch ahead: then nothing is withdrawn.
"""

import asyncio
import math
from collections.abc import AsyncGenerator, Sequence
from contextlib import ExitStack, asynccontextmanager
from functools import partial

import anyio

from testwright.bus._nats_answers import now
from testwright.bus._nats_api import NO_RESPONDERS, require_consumer
from testwright.bus._nats_delivery import NatsDelivery
from testwright.bus._nats_holding import Holding
from testwright.bus._nats_link import Link, Retire, State
from testwright.bus._nats_pulls import AT_ONCE, HEARTBEAT, QUIET_S, Pulls, Signal, pull_subject, queue_of, waiting
from testwright.bus._nats_wire import Message, answers_to, origin
from testwright.errors import BusClosedError, BusError, PermissionDeniedError, StreamNotFoundError
from testwright.pacing import Backoff

_ANSWER_S = 5.0
_BAD_REQUEST = "400"
_EMPTY = "404"
_EXPIRED = "408"

_BELIEVED_S = 0.05
"""Seconds for which a queue that was found empty is not asked again: a more urgent message may wait as long."""


class NatsSlot:
    """A place for one delivery at a time.

    Args:
        link: the connection.
        stream: where the queues are.
        consumers: their names, the most urgent first.
        within_s: how long an answer to a delivery is repeated until the server confirms it.
        holding: where to say which deliveries it holds, if that is to be said.
        ahead: messages to fetch before they are asked for; of a single consumer only.
    """

    def __init__(
        self,
        link: Link,
        stream: str,
        consumers: Sequence[str],
        within_s: float,
        *,
        holding: Holding | None = None,
        ahead: int = 0,
    ) -> None:
        self._link = link
        self._holding = holding
        self._stream = stream
        self._consumers = tuple(consumers)
        self._ahead = ahead if len(self._consumers) == 1 else 0
        self._empty_at: dict[str, float] = {}
        self._within_s = within_s
        self._pulls: Pulls | None = None
        self._retire: Retire | None = None
        self._lingering: asyncio.TimerHandle | None = None
        self._taken_at = -math.inf
        self._brief = False
        self._backoff = Backoff()
        self._interrupted = False
        self._wake: anyio.Event | None = None

    async def next(self) -> NatsDelivery:
        """Return the next delivery of the first consumer that has one; wait where none has."""
        # Work is taken to be like that before it: what has been long must not keep anything from others.
        self._brief = now() - self._taken_at < _BELIEVED_S
        while True:
            await self._link.ready()
            pulls = self._pulls or await self._open()
            message = await (self._steadily(pulls) if self._ahead else self._round(pulls))
            if message is not None:
                self._backoff.reset()
                self._note_more(message)
                self._taken_at = now()
                if not self._ahead:
                    self._take_note(message.reply)
                return NatsDelivery(self._link, message, self._within_s, holding=self._holding)

    def signal(self, signal: Signal) -> None:
        """Interrupt whoever waits: with an error, or to have all queues asked again."""
        self._interrupted = True
        if self._wake is not None:
            self._wake.set()
        if self._pulls is not None:
            self._pulls.signal(signal)

    def on_state(self, state: State) -> None:
        """Take note of the connection."""
        self.signal(BusClosedError("the connection was closed for good") if state == "closed" else "again")

    def close(self) -> None:
        """Withdraw every request, and hand back what was fetched ahead."""
        self._stop_lingering()
        if self._pulls is not None:
            self._pulls.dismiss()
        if self._retire is not None:
            self._retire()
        self._pulls = self._retire = None

    async def _open(self) -> Pulls:
        pulls = Pulls(self._link, self._stream, self._take_note if self._ahead else None)

        def refused() -> None:
            pulls.signal(PermissionDeniedError("subscribe to", pulls.inbox))

        self._retire = await self._link.subscribe(f"{pulls.inbox}.*", pulls.receive, refused)
        self._pulls = pulls
        return pulls

    async def _round(self, pulls: Pulls) -> Message | None:
        """Return what comes first, of the most urgent queue that has any; ``None`` to have all asked again."""
        self._interrupted = False
        self._stop_lingering()
        message: Message | None = None
        try:
            message = await self._most_urgent(pulls)
        finally:
            if message is not None and pulls.pending and self._brief:
                self._lingering = asyncio.get_running_loop().call_later(_BELIEVED_S, self._let_go, pulls)
            else:
                self._let_go(pulls)
        return message

    async def _most_urgent(self, pulls: Pulls) -> Message | None:
        if not await self._caught_up(pulls):
            return None
        for consumer in self._consumers:
            if self._doubtful(pulls, consumer) and not await self._asked(pulls, consumer):
                return None
            if (kept := pulls.kept(consumer)) is not None:
                return kept
        for consumer in self._consumers:
            if not pulls.asks(consumer):
                pulls.ask(consumer, waiting(1))
        answer = await self._wait(pulls)
        if answer is not None:
            self._empty_at = dict.fromkeys(self._consumers, now())
        return answer

    async def _caught_up(self, pulls: Pulls) -> bool:
        """Take what has come while the slot was at work; returns whether its requests still hold."""
        for signal in pulls.arrived():
            if isinstance(signal, BusError):
                raise signal
            if signal == "again":
                return False
            await self._put_aside(pulls, signal)
        return True

    async def _asked(self, pulls: Pulls, consumer: str) -> bool:
        """Ask a queue for what it has now; returns whether it answered, and keeps what comes of it and others."""
        pulls.ask(consumer, AT_ONCE)
        while (answer := await pulls.heard(_ANSWER_S)) is not None:
            await self._put_aside(pulls, answer)
            if queue_of(answer) == consumer:
                return True
        return False

    async def _put_aside(self, pulls: Pulls, answer: Message) -> None:
        if answer.delivered:
            pulls.keep(answer)
        else:
            await self._judge(answer)

    def _let_go(self, pulls: Pulls) -> None:
        pulls.dismiss()
        if pulls.pending:
            self.close()

    def _stop_lingering(self) -> None:
        if self._lingering is not None:
            self._lingering.cancel()
            self._lingering = None

    async def _steadily(self, pulls: Pulls) -> Message | None:
        """Return what comes next of a single queue, asking for more in good time."""
        self._interrupted = False
        [consumer] = self._consumers
        due = pulls.due(consumer)
        if due <= self._ahead // 2:
            # What is due comes meanwhile.
            pulls.ask(consumer, waiting(self._ahead - due), self._ahead - due, soon=due > 0)
        answer = await self._wait(pulls)
        if answer is None:
            self.close()
        return answer

    def _note_more(self, message: Message) -> None:
        where = origin(message.reply)
        if where.pending:
            self._empty_at.pop(where.consumer, None)
        else:
            self._empty_at[where.consumer] = now()

    def _doubtful(self, pulls: Pulls, consumer: str) -> bool:
        """Return whether a queue may have something, so that it matters which one is asked first."""
        if len(self._consumers) == 1 or pulls.asks(consumer):
            return False
        return pulls.keeps or self._empty_at.get(consumer, -math.inf) < now() - _BELIEVED_S

    def _take_note(self, ack: str) -> None:
        if self._holding is not None:
            self._holding.take(ack)

    async def _wait(self, pulls: Pulls) -> Message | None:
        answer = await pulls.heard(QUIET_S)
        while answer is not None and answer.status == HEARTBEAT and not pulls.overdue:
            answer = await pulls.heard(QUIET_S)
        if answer is None or answer.delivered:
            return answer
        await self._judge(answer)
        if answer.status not in (HEARTBEAT, _EXPIRED):
            await self._rest()
        return None

    async def _rest(self) -> None:
        # Few rounds get here: an event for each would cost more than the round.
        if self._interrupted:
            return
        self._wake = anyio.Event()
        try:
            await self._backoff.pause(self._wake)
        finally:
            self._wake = None

    async def _judge(self, answer: Message) -> None:
        consumer = queue_of(answer)
        if answer.status == _EMPTY:
            self._empty_at[consumer] = now()
        if answer.status == NO_RESPONDERS:
            await require_consumer(self._link, self._stream, consumer)
        elif answer.description == "Consumer Deleted":
            raise StreamNotFoundError(f"consumer {consumer} of stream {self._stream}")
        elif answer.status == _BAD_REQUEST:
            raise BusError(f"consumer {consumer} of stream {self._stream}: {answer.description}")


@asynccontextmanager
async def open_slot(
    link: Link,
    stream: str,
    consumers: Sequence[str],
    within_s: float,
    *,
    holding: Holding | None = None,
    ahead: int = 0,
) -> AsyncGenerator[NatsSlot]:
    """Open a slot over durable consumers, highest priority first."""
    slot = NatsSlot(link, stream, consumers, within_s, holding=holding, ahead=ahead)

    def again(_advisory: Message) -> None:
        slot.signal("again")

    with ExitStack() as stack:
        stack.callback(slot.close)
        stack.enter_context(link.listening(slot.on_state))
        for consumer in consumers:
            subject = pull_subject(stream, consumer)
            refused = partial(slot.signal, PermissionDeniedError("pull from", subject))
            stack.enter_context(link.refusals.of("publish", subject, refused))
            answers = answers_to(stream, consumer)
            unheard = partial(slot.signal, PermissionDeniedError("answer on", answers))
            stack.enter_context(link.refusals.of("publish", answers, unheard))
            elected = f"$JS.EVENT.ADVISORY.CONSUMER.LEADER_ELECTED.{stream}.{consumer}"
            stack.callback(await link.subscribe(elected, again))
        yield slot
