"""Which message is being handled here and now: the only place that remembers it, for log lines."""

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar

from testwright.bus import Stored

_HANDLED: ContextVar[Stored | None] = ContextVar("testwright-handled", default=None)


@contextmanager
def handling(stored: Stored) -> Generator[None]:
    """Have everything that the body does, and the tasks it starts, count as done for a message."""
    token = _HANDLED.set(stored)
    try:
        yield
    finally:
        _HANDLED.reset(token)


def handled() -> Stored | None:
    """Return the message that is being handled, ``None`` where none is."""
    return _HANDLED.get()
