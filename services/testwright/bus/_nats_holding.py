"""Says which deliveries a connection holds, so that they can be handed on when it ends; see ``reclaim``."""

import asyncio
import math

import msgspec

from testwright.bus._nats_answers import now
from testwright.bus._nats_link import Link
from testwright_schemas import Lease, subjects

SOON_S = 0.025
"""Seconds within which most of what takes milliseconds is answered, and need not be told of."""

RUSH_S = 0.05
RUSH = 32
"""Deliveries in a row, each within ``RUSH_S`` of the one before, after which the next are told of late: where so many
come and go, telling of each would cost as much as their work."""


class Holding:
    """What is to be told of one connection: a delivery at once, in a rush only if it is not answered soon.

    Args:
        link: the connection.
    """

    def __init__(self, link: Link) -> None:
        self._link = link
        self._untold: dict[str, bool] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._taken_at = -math.inf
        self._in_a_row = 0

    def take(self, ack: str) -> None:
        """Take note that a delivery is held; ``ack`` is where answers to it go."""
        self._untold[ack] = True
        time = now()
        self._in_a_row = self._in_a_row + 1 if time - self._taken_at < RUSH_S else 0
        self._taken_at = time
        if self._in_a_row < RUSH:
            self._tell()
        else:
            self._tell_soon()

    def show(self, ack: str) -> None:
        """Tell once more of a delivery that is still held: whoever heard of it may have gone since."""
        self._untold[ack] = True
        self._tell()

    def leave(self, ack: str) -> None:
        """Take note that a delivery was answered."""
        if self._untold.pop(ack, False):
            return
        self._untold[ack] = False
        self._tell_soon()

    def _tell_soon(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(SOON_S, self._tell)

    def _tell(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        untold, self._untold = self._untold, {}
        if not self._link.connected:
            return
        for held in (True, False):
            if acks := tuple(ack for ack, is_held in untold.items() if is_held is held):
                lease = Lease(connection=self._link.identity, ack=acks[0], others=acks[1:], held=held)
                self._link.post(subjects.LEASES, msgspec.json.encode(lease))
