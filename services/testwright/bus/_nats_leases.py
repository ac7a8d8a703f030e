"""Which connection holds which deliveries, and which connections have ended. Pure."""

from collections import OrderedDict
from typing import NamedTuple

from testwright.bus._nats_wire import Delivered, delivered
from testwright_schemas import Lease

_MOST_ENDED = 1000
"""Ended connections that are remembered, for a lease that is heard of after the end of its holder."""


class _Holder(NamedTuple):
    connection: str
    ack: str
    deliveries: int


class Leases:
    """What is held, as far as is known.

    Nothing is certain here: a note may be missed, or come late. Whoever was handed a message last holds it, and nobody
    else: to hand it back in the name of one before would take it from whoever is at work on it now.
    """

    def __init__(self) -> None:
        self._held: dict[Delivered, _Holder] = {}
        self._ended: OrderedDict[str, None] = OrderedDict()

    def note(self, lease: Lease) -> tuple[str, ...]:
        """Take note of a lease; return the ack subjects that must be handed back, because its holder has ended."""
        owed: list[str] = []
        for ack in (lease.ack, *lease.others):
            what, deliveries = delivered(ack)
            known = self._held.get(what)
            if known is not None and (known.deliveries > deliveries or (known.ack != ack and not lease.held)):
                continue
            if not lease.held:
                self._held.pop(what, None)
            elif lease.connection in self._ended:
                owed.append(ack)
            else:
                self._held[what] = _Holder(lease.connection, ack, deliveries)
        return tuple(owed)

    def end(self, connection: str) -> tuple[str, ...]:
        """Take note of the end of a connection; return the ack subjects that it held."""
        self._ended[connection] = None
        if len(self._ended) > _MOST_ENDED:
            self._ended.popitem(last=False)
        held = {what: holder.ack for what, holder in self._held.items() if holder.connection == connection}
        for what in held:
            del self._held[what]
        return tuple(sorted(held.values()))

    def clear(self) -> None:
        """Forget everything: the server was away, and with it went all connections."""
        self._held.clear()
