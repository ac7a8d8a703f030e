"""Which connection holds which deliveries, and which connections have ended. Pure."""

from collections import OrderedDict

from testwright_schemas import Lease

_MOST_ENDED = 1000
"""Ended connections that are remembered, for a lease that is heard of after the end of its holder."""


class Leases:
    """What is held, as far as is known.

    Nothing is certain here: a note may be missed, and a delivery may have gone on meanwhile. Handing back what is not
    held any more changes nothing.
    """

    def __init__(self) -> None:
        self._held: dict[str, set[str]] = {}
        self._ended: OrderedDict[str, None] = OrderedDict()

    def note(self, lease: Lease) -> tuple[str, ...]:
        """Take note of a lease; return the ack subjects that must be handed back, because its holder has ended."""
        acks = (lease.ack, *lease.others)
        if not lease.held:
            held = self._held.get(lease.connection, set())
            held.difference_update(acks)
            if not held:
                self._held.pop(lease.connection, None)
            return ()
        if lease.connection in self._ended:
            return acks
        self._held.setdefault(lease.connection, set()).update(acks)
        return ()

    def end(self, connection: str) -> tuple[str, ...]:
        """Take note of the end of a connection; return the ack subjects that it held."""
        self._ended[connection] = None
        if len(self._ended) > _MOST_ENDED:
            self._ended.popitem(last=False)
        return tuple(sorted(self._held.pop(connection, set())))

    def clear(self) -> None:
        """Forget everything: the server was away, and with it went all connections."""
        self._held.clear()
