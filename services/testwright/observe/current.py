"""Which message is being handled here and now: the only place that remembers it, for log lines."""

from contextvars import ContextVar, Token

from testwright.bus import Stored

_HANDLED: ContextVar[Stored | None] = ContextVar("testwright-handled", default=None)


class Handling:
    """Has everything that the body does, and the tasks it starts, count as done for a message.

    No generator, as that would cost more than all else about it.

    Args:
        stored: the message.
    """

    __slots__ = ("_stored", "_token")

    def __init__(self, stored: Stored) -> None:
        self._stored = stored
        self._token: Token[Stored | None] | None = None

    def __enter__(self) -> None:
        self._token = _HANDLED.set(self._stored)

    def __exit__(self, *_: object) -> None:
        if self._token is not None:
            _HANDLED.reset(self._token)


def handled() -> Stored | None:
    """Return the message that is being handled, ``None`` where none is."""
    return _HANDLED.get()
