"""One delivery to one worker: the only place that spells an acknowledgement."""

import msgspec

from testwright.bus import Stored
from testwright.bus._nats_api import NO_RESPONDERS, insist
from testwright.bus._nats_holding import Holding
from testwright.bus._nats_link import Link
from testwright.bus._nats_wire import NS, Message, origin, stored
from testwright.errors import BusError, BusTimeoutError

NAK = b"-NAK"

_TRY_S = 1.0
_TRIES = 4
"""A server that lost in a crash what it delivered just before says nothing to an answer, however often it is asked."""


class NatsDelivery:
    """A message that this process is to answer for.

    Each answer raises ``BusTimeoutError`` where the server does not confirm it; the message then comes again.

    Args:
        link: the connection.
        message: as it was delivered.
        within_s: how long an answer is repeated until the server confirms it.
        holding: where to say that it was answered, if that is to be said.
    """

    def __init__(self, link: Link, message: Message, within_s: float, *, holding: Holding | None = None) -> None:
        where = origin(message.reply)
        self._link = link
        self._holding = holding
        self._reply = message.reply
        self._within_s = within_s
        self.message: Stored = stored(message)
        self.consumer: str = where.consumer
        self.count: int = where.count

    async def ack(self) -> None:
        """Take it off the queue; returns when the server has confirmed."""
        await self._answer(b"+ACK")

    async def done(self) -> None:
        """Take it off the queue, without waiting for the server's word: where this is lost, the message comes again."""
        self._link.post(self._reply, b"+ACK", soon=True)
        self._left()

    async def nak(self, delay_s: float = 0.0) -> None:
        """Hand it back for delivery after ``delay_s``."""
        delay = b" " + msgspec.json.encode({"delay": int(delay_s * NS)}) if delay_s > 0 else b""
        await self._answer(NAK + delay)

    async def in_progress(self) -> None:
        """Start its ack wait anew and say once more who holds it; not repeated, as the next sign says the same."""
        if self._link.connected:
            self._link.post(self._reply, b"+WPI")
            if self._holding is not None:
                self._holding.show(self._reply)

    async def term(self, reason: str) -> None:
        """Take it off the queue as undeliverable."""
        await self._answer(f"+TERM {reason}".encode())

    async def _answer(self, body: bytes) -> None:
        silences = 0

        async def ask(_timeout_s: float) -> Message | None:
            nonlocal silences
            answer = await self._link.request(self._reply, body, operation="answer", timeout_s=_TRY_S)
            if answer is None and self._link.connected:
                silences += 1
                if silences == _TRIES:
                    raise self._unanswered(_TRIES * _TRY_S)
            return answer

        async def judge(answer: Message) -> bool | None:
            return None if answer.status == NO_RESPONDERS else True

        await insist(ask, judge, within_s=self._within_s, timed_out=lambda: self._unanswered(self._within_s))
        self._left()

    def _left(self) -> None:
        if self._holding is not None:
            self._holding.leave(self._reply)

    def _unanswered(self, after_s: float) -> BusError:
        return BusTimeoutError(f"message {self.message.sequence} of {self.consumer}, which comes again", after_s)
