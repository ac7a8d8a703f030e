"""Who is told what an actor does on the bus, and in between."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Literal, Protocol

from testwright.bus import Delivery, Receipt, Stored

Answer = Literal["acked", "handed-back", "buried", "left"]
"""How a delivery ended for its holder; ``left`` is one that belonged to somebody else by then, or was interrupted."""


@dataclass(frozen=True, slots=True)
class Said:
    """A message that was published, and confirmed.

    Attributes:
        subject: where it was published.
        data: its body.
        message_id: its id.
        headers: see ``testwright_schemas.envelope``.
        began_ns: when that began, in nanoseconds since 1970.
        receipt: the confirmation.
        scheduled: whether the server holds it back until it is due.
    """

    subject: str
    data: bytes
    message_id: str
    headers: Mapping[str, str]
    began_ns: int
    receipt: Receipt
    scheduled: bool = False


@dataclass(slots=True)
class Step:
    """A part of the work that takes its time.

    Attributes:
        name: of the kind of step: a few words in all.
        about: what is known of it from the start; ``result`` is what it led to.
    """

    name: str
    about: Mapping[str, str | int] = field(default_factory=dict[str, str | int])
    result: object = None


class Spectator(Protocol):
    """Is told what happens, when it has happened; calls are cheap, do not wait and do not raise."""

    def took(self, delivery: Delivery) -> None:
        """Take note of a delivery, in the task that handles it."""
        ...

    def answered(self, delivery: Delivery, answer: Answer, seconds: float) -> None:
        """Take note of how a delivery ended, and after how many seconds; in the same task."""
        ...

    def said(self, said: Said) -> None:
        """Take note of a message that was published."""
        ...

    def read(self, stored: Stored) -> None:
        """Take note of a message that was looked up."""
        ...

    def step(self, step: Step) -> AbstractContextManager[None]:
        """Take note of a step for as long as the context is open."""
        ...

    def noted(self, text: str) -> None:
        """Take note of a line of progress within a step."""
        ...


class Indifferent:
    """Takes note of nothing: a base for those who want to know one thing only."""

    def took(self, delivery: Delivery) -> None:
        """Ignore it."""

    def answered(self, delivery: Delivery, answer: Answer, seconds: float) -> None:
        """Ignore it."""

    def said(self, said: Said) -> None:
        """Ignore it."""

    def read(self, stored: Stored) -> None:
        """Ignore it."""

    def noted(self, text: str) -> None:
        """Ignore it."""
