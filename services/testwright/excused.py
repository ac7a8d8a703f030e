"""Messages that failed because of the server, as far as this process knows, and how often one was delivered since."""

from datetime import datetime

from testwright.bus import Delivery

KEPT = 10_000
"""Messages that are remembered: as many as a queue hands out at a time."""


class Excused:
    """Deliveries of which it is known that nothing is to be learned from their failure."""

    def __init__(self) -> None:
        """Remember nothing yet."""
        self._counts: dict[tuple[str, int, datetime], int] = {}

    def note(self, delivery: Delivery) -> None:
        """Remember that this delivery, and all before it, say nothing about its message."""
        self.forget(delivery)
        self._counts[_key(delivery)] = delivery.count
        while len(self._counts) > KEPT:
            del self._counts[next(iter(self._counts))]

    def forget(self, delivery: Delivery) -> None:
        """Forget a message that is answered."""
        self._counts.pop(_key(delivery), None)

    def since(self, delivery: Delivery) -> int:
        """Return how often a message was delivered, this one included, since it last failed because of the server."""
        return delivery.count - self._counts.get(_key(delivery), 0)


def _key(delivery: Delivery) -> tuple[str, int, datetime]:
    return delivery.consumer, delivery.message.sequence, delivery.message.time
