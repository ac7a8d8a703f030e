"""Pull requests of one waiter, and where they are answered: nothing that arrives here is ever lost."""

from collections.abc import Callable, Iterator
from functools import cache
from typing import Literal

import msgspec

from testwright.bus._nats_answers import Mailbox, now
from testwright.bus._nats_api import API
from testwright.bus._nats_delivery import NAK
from testwright.bus._nats_link import Link
from testwright.bus._nats_wire import NS, Message, origin
from testwright.errors import BusError

HEARTBEAT = "100"
QUIET_S = 75.0
"""How long a waiting request may be without a heartbeat: two and a half intervals."""

_HEARTBEAT_S = 30.0
_EXPIRES_S = 3600.0

AT_ONCE = msgspec.json.encode({"batch": 1, "no_wait": True})

Signal = Message | BusError | Literal["again"]


@cache
def waiting(batch: int) -> bytes:
    """Return a request for that many messages, whenever they come."""
    times = {"expires": int(_EXPIRES_S * NS), "idle_heartbeat": int(_HEARTBEAT_S * NS)}
    return msgspec.json.encode({"batch": batch, **times})


def pull_subject(stream: str, consumer: str) -> str:
    """Return where a queue is asked for messages."""
    return f"{API}.CONSUMER.MSG.NEXT.{stream}.{consumer}"


class Pulls:
    """Requests under way: a status answers on a request's own subject, a message comes on its original one.

    Args:
        link: the connection.
        stream: where the queues are.
        arrived: told the ack subject of each message that is kept for whoever asks.
    """

    def __init__(self, link: Link, stream: str, arrived: Callable[[str], None] | None = None) -> None:
        self.inbox = link.new_inbox()
        self._link = link
        self._stream = stream
        self._arrived = arrived
        self._signals: Mailbox[Signal] = Mailbox()
        self._alive: dict[str, float] = {}
        self._due: dict[str, int] = {}
        self._kept: list[Message] = []
        self._wanted = False

    @property
    def pending(self) -> bool:
        """Return whether a request is still to be answered, or an answer to be taken."""
        return bool(self._alive or self._kept) or not self._signals.empty

    @property
    def overdue(self) -> bool:
        """Return whether the server seems to have lost one."""
        return any(alive + QUIET_S < now() for alive in self._alive.values())

    def due(self, consumer: str) -> int:
        """Return how many messages a queue was asked for and has not sent."""
        return self._due.get(consumer, 0)

    def asks(self, consumer: str) -> bool:
        """Return whether a request lies at a queue, which is empty then, or its answer is kept."""
        return consumer in self._alive or any(queue_of(message) == consumer for message in self._kept)

    @property
    def keeps(self) -> bool:
        """Return whether anything is kept, of any queue."""
        return bool(self._kept)

    def keep(self, message: Message) -> None:
        """Keep a delivery for whoever asks for its queue."""
        self._kept.append(message)

    def kept(self, consumer: str) -> Message | None:
        """Take what was kept of a queue."""
        found = next((message for message in self._kept if queue_of(message) == consumer), None)
        if found is not None:
            self._kept.remove(found)
        return found

    def ask(self, consumer: str, body: bytes, batch: int = 1, *, soon: bool = False) -> None:
        """Ask a queue for messages, now or ``soon``: see ``Link.post``."""
        self._wanted = True
        self._alive[consumer] = now()
        self._due[consumer] = self.due(consumer) + batch
        self._link.post(pull_subject(self._stream, consumer), body, reply=f"{self.inbox}.{consumer}", soon=soon)

    def arrived(self) -> Iterator[Signal]:
        """Take all that has come since it was last asked for."""
        return self._signals.drain()

    async def heard(self, within_s: float) -> Message | None:
        """Return the next answer; ``None`` where there is none in time, or everything is to be asked again.

        Raises:
            BusError: what ``signal`` was given.
        """
        signal = await self._signals.take(within_s)
        if isinstance(signal, BusError):
            raise signal
        return None if signal == "again" else signal

    def signal(self, signal: Signal) -> None:
        """Tell whoever waits, if anyone does."""
        if self._wanted:
            self._signals.put(signal)

    def receive(self, message: Message) -> None:
        """Take what the server sends: pass it on, or hand a message back that nobody waits for."""
        if message.delivered:
            consumer = queue_of(message)
            self._ended(consumer, self.due(consumer) - 1)
        elif message.status == HEARTBEAT:
            self._alive[queue_of(message)] = now()
        else:
            self._ended(queue_of(message), 0)
        if not self._wanted:
            if message.delivered:
                self._link.post(message.reply, NAK)
            return
        self._signals.put(message)
        if self._arrived is not None and message.delivered:
            self._arrived(message.reply)

    def _ended(self, consumer: str, due: int) -> None:
        if due > 0:
            self._due[consumer] = due
            self._alive[consumer] = now()
            return
        self._due.pop(consumer, None)
        self._alive.pop(consumer, None)

    def dismiss(self) -> None:
        """Hand back what has arrived and was not taken: nobody waits any more."""
        self._wanted = False
        for signal in (*self._kept, *self._signals.drain()):
            if isinstance(signal, Message) and signal.delivered:
                self._link.post(signal.reply, NAK)
        self._kept.clear()


def queue_of(answer: Message) -> str:
    """Return the consumer that a delivery or a status comes from."""
    return origin(answer.reply).consumer if answer.delivered else answer.subject.rpartition(".")[2]
