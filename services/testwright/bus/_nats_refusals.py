"""Who is to be told when the server refuses a subject: it says so in an error text, not in an answer."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Literal

from testwright.bus._nats_wire import answered, denied

Kind = Literal["publish", "subscription"]
Refuse = Callable[[], None]


class Refusals:
    """Pending operations by the subject they use; nats-py hands over the server's text in lower case."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[str, str], list[Refuse]] = {}

    def add(self, kind: Kind, subject: str, refuse: Refuse) -> None:
        """Have ``refuse`` called when the server does not let us publish or subscribe to a subject."""
        self._waiting.setdefault((kind, subject.lower()), []).append(refuse)

    def discard(self, kind: Kind, subject: str, refuse: Refuse) -> None:
        """Take it back."""
        key = (kind, subject.lower())
        waiting = self._waiting.get(key, [])
        if refuse in waiting:
            waiting.remove(refuse)
        if not waiting:
            self._waiting.pop(key, None)

    @contextmanager
    def of(self, kind: Kind, subject: str, refuse: Refuse) -> Generator[None]:
        """Do both around an operation."""
        self.add(kind, subject, refuse)
        try:
            yield
        finally:
            self.discard(kind, subject, refuse)

    def dispatch(self, text: str) -> None:
        """Tell those whom an error text concerns."""
        found = denied(text)
        if found is None:
            return
        kind, subject = found
        concerned = list(self._waiting.get((kind, subject), []))
        if subject.startswith("$js.ack."):
            # Nobody waits for what becomes of an ack: it is the queue that can say so.
            concerned += self._waiting.get((kind, answered(subject).lower()), [])
        for refuse in concerned:
            refuse()
