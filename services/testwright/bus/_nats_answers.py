"""Futures for answers that may be a message, nothing, or an error: settled once, by whoever is first."""

import asyncio
from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

from msgspec import Struct

from testwright.bus._nats_wire import Message, denied
from testwright.errors import BusError, PermissionDeniedError

Answer = asyncio.Future[Message | BusError | None]

T = TypeVar("T")


def now() -> float:
    """Return the time of the event loop in seconds."""
    return asyncio.get_running_loop().time()


def settle(future: "asyncio.Future[T] | None", result: T) -> None:
    """Settle a future that nobody has settled yet."""
    if future is not None and not future.done():
        future.set_result(result)


class Mailbox(Generic[T]):
    """What has arrived for one taker, in that order; nothing is lost where the taker is cancelled."""

    def __init__(self) -> None:
        self._items: deque[T] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._until = 0.0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def empty(self) -> bool:
        """Return whether there is nothing to take."""
        return not self._items

    def put(self, item: T) -> None:
        """Put something in, and wake who waits for it."""
        self._items.append(item)
        settle(self._waiter, None)

    async def take(self, within_s: float) -> T | None:
        """Take what is there, or comes in time; ``None`` where nothing does."""
        if not self._items:
            loop = asyncio.get_running_loop()
            self._waiter = waiter = loop.create_future()
            self._give_up_at(loop.time() + within_s)
            try:
                await waiter
            finally:
                self._waiter = None
        return self._items.popleft() if self._items else None

    def _give_up_at(self, time: float) -> None:
        # A cancel scope would cost more than all else about a message, and a timer for each as much. What is waited for
        # comes long before that as a rule: so the timer is left to run, and looks how long is waited by then.
        self._until = time
        if self._timer is None or time < self._timer.when():
            if self._timer is not None:
                self._timer.cancel()
            self._timer = asyncio.get_running_loop().call_at(time, self._give_up)

    def _give_up(self) -> None:
        self._timer = None
        if self._waiter is None:
            return
        if now() < self._until:
            self._give_up_at(self._until)
        else:
            settle(self._waiter, None)

    def drain(self) -> Iterator[T]:
        """Take all that is there."""
        while self._items:
            yield self._items.popleft()


def checked(result: T | BusError) -> T:
    """Return a result, or raise it where it is an error."""
    if isinstance(result, BusError):
        raise result
    return result


class Question(Struct, frozen=True):
    """A request that waits for its answer.

    Attributes:
        answer: is settled with it.
        operation: what is asked for, for errors.
        subject: where it was sent.
        gather: where the messages go that come before a status ends them; ``None`` where the first one is the answer.
        until: the time of the event loop at which it is given up: the answer is ``None`` then.
    """

    answer: Answer
    operation: str
    subject: str
    gather: list[Message] | None
    until: float


class Questions:
    """Requests that wait for their answers, each under the last word of the subject that it is answered on."""

    def __init__(self) -> None:
        self._open: dict[str, Question] = {}
        self._timer: asyncio.TimerHandle | None = None

    def put(self, token: str, question: Question) -> None:
        """Wait for an answer."""
        self._open[token] = question
        # One timer for all: nearly every one is answered, and those that are not may wait equally long.
        if self._timer is None or question.until < self._timer.when():
            self._look_at(question.until)

    def drop(self, token: str) -> None:
        """Wait no longer."""
        del self._open[token]

    def take(self, message: Message) -> None:
        """Give a message to the question that it answers, if anyone waits for it still."""
        question = self._open.get(message.subject.rpartition(".")[2])
        if question is None:
            return
        if question.gather is None or message.status:
            settle(question.answer, message)
        else:
            question.gather.append(message)

    def refuse(self, text: str) -> None:
        """Answer those that an error text of the server concerns."""
        found = denied(text)
        for question in self._open.values():
            if found == ("publish", question.subject.lower()):
                settle(question.answer, PermissionDeniedError(question.operation, question.subject))

    def _look_at(self, time: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(time, self._give_up)

    def _give_up(self) -> None:
        self._timer = None
        for question in self._open.values():
            if question.until <= now():
                settle(question.answer, None)
        if left := [question.until for question in self._open.values() if not question.answer.done()]:
            self._look_at(min(left))

    def settle_all(self, result: BusError | None) -> None:
        """Answer all alike."""
        for question in self._open.values():
            settle(question.answer, result)
