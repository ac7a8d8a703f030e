"""A durable consumer in memory: which message goes to which waiting slot, and when it comes again.

An answer names a message, not a delivery: as on the real server, an answer to a stale delivery counts.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import anyio

from testwright.bus import Stored
from testwright.bus._filters import compile_filters
from testwright.bus._memory_faults import Dice
from testwright.bus._memory_link import Link
from testwright.bus._memory_stream import MemoryStream
from testwright.bus._memory_timers import Timer, Timers
from testwright.bus.topology import Consumer


@dataclass(frozen=True, slots=True)
class Handout:
    """A message on its way to one slot, delivered for the ``count``-th time."""

    queue: "Queue"
    message: Stored
    count: int


class Waiter:
    """A slot that waits for one message of the first of its queues that has one.

    Attributes:
        arrived: set once ``handout`` is there.
        abandoned: whether nobody waits any more.
    """

    def __init__(self, link: Link, queues: Sequence["Queue"]) -> None:
        self.link = link
        self.queues = queues
        self.arrived = anyio.Event()
        self.handout: Handout | None = None
        self.abandoned = False

    def arm(self) -> None:
        """Get in line; the queues are asked in their order."""
        for queue in self.queues:
            queue.join(self)
            if self not in queue.waiters:
                return

    def taken(self) -> Handout:
        """Return what arrived."""
        if self.handout is None:
            raise RuntimeError("a slot was woken without a message")
        return self.handout

    def leave(self) -> None:
        """Get out of every line."""
        for queue in self.queues:
            queue.waiters.pop(self, None)

    def arrive(self, handout: Handout) -> None:
        """Take a message that got here; handed back at once where nobody waits for it any more."""
        self.handout = handout
        self.arrived.set()
        if self.abandoned:
            self.hand_back()

    def abandon(self) -> None:
        """Wait no more."""
        self.abandoned = True
        self.leave()
        self.hand_back()

    def hand_back(self) -> None:
        """Let the message that arrived, if any, go to somebody else; cut off, its ack wait has to pass."""
        if self.handout is not None and self.link.reachable:
            self.handout.queue.nak(self.handout.message.sequence)


class Queue:
    """A durable pull consumer with explicit acks.

    Attributes:
        config: how it is declared.
        waiters: slots in line, the first is served first.
    """

    def __init__(self, config: Consumer, stream: MemoryStream, timers: Timers, dice: Dice) -> None:
        self.config = config
        self.waiters: dict[Waiter, None] = {}
        self._stream = stream
        self._timers = timers
        self._dice = dice
        self._wanted = compile_filters(config.filters)
        self._fresh: deque[int] = deque()
        self._again: dict[int, None] = {}
        self._unanswered: dict[int, Timer] = {}
        self._counts: dict[int, int] = {}
        for stored in stream.after(0):
            self.offer(stored)
        stream.listeners.append(self.offer)

    def offer(self, stored: Stored) -> None:
        """Line up a message of the stream, if it is one for this queue."""
        if self._wanted.fullmatch(stored.subject):
            self._fresh.append(stored.sequence)
            self.dispatch()

    def join(self, waiter: Waiter) -> None:
        """Line up a slot."""
        self.waiters[waiter] = None
        self.dispatch()

    def dispatch(self) -> None:
        """Hand messages to waiting slots while there are both."""
        for waiter in [each for each in self.waiters if each.link.reachable]:
            handout = self._take()
            if handout is None:
                return
            waiter.leave()
            lag_s = self._dice.lag_s()
            if lag_s:
                self._timers.call_after(lag_s, partial(self._deliver, waiter, handout))
            else:
                waiter.arrive(handout)

    def done(self, sequence: int) -> None:
        """Take a message off the queue: acked or terminated."""
        self._forget(sequence)
        if self._stream.config.retention == "work":
            self._stream.remove(sequence)
        self.dispatch()

    def nak(self, sequence: int, delay_s: float = 0.0) -> None:
        """Deliver a message again after ``delay_s``, unless it is done."""
        if sequence not in self._unanswered:
            return
        if delay_s:
            self._wait(sequence, delay_s)
        else:
            self._repeat(sequence)

    def in_progress(self, sequence: int) -> None:
        """Start a message's ack wait anew, unless it is done."""
        if sequence in self._unanswered and sequence not in self._again:
            self._wait(sequence, self.config.ack_wait_s)

    def _take(self) -> Handout | None:
        while (sequence := self._next()) is not None:
            stored = self._stream.get(sequence)
            if stored is not None:
                return self._hand_out(stored)
            self._forget(sequence)
        return None

    def _hand_out(self, stored: Stored) -> Handout:
        sequence = stored.sequence
        count = self._counts[sequence] = self._counts.get(sequence, 0) + 1
        self._wait(sequence, self.config.ack_wait_s)
        repeat_s = self._dice.repeat_after_s()
        if repeat_s == 0:
            self._again[sequence] = None
        elif repeat_s is not None:
            self._timers.call_after(repeat_s, partial(self._repeat, sequence))
        return Handout(self, stored, count)

    def _next(self) -> int | None:
        if self._again:
            sequence = next(iter(self._again))
            del self._again[sequence]
            return sequence
        if not self._fresh or len(self._unanswered) >= self.config.max_ack_pending:
            return None
        index = self._dice.pick(len(self._fresh))
        sequence = self._fresh[index]
        del self._fresh[index]
        return sequence

    def _deliver(self, waiter: Waiter, handout: Handout) -> None:
        if waiter.link.reachable:
            waiter.arrive(handout)
        elif not waiter.abandoned:
            waiter.arm()

    def _wait(self, sequence: int, delay_s: float) -> None:
        if sequence in self._unanswered:
            self._unanswered[sequence].cancel()
        self._unanswered[sequence] = self._timers.call_after(delay_s, partial(self._repeat, sequence))

    def _repeat(self, sequence: int) -> None:
        if sequence in self._unanswered:
            self._again[sequence] = None
            self.dispatch()

    def _forget(self, sequence: int) -> None:
        timer = self._unanswered.pop(sequence, None)
        if timer is not None:
            timer.cancel()
        self._again.pop(sequence, None)
        self._counts.pop(sequence, None)
