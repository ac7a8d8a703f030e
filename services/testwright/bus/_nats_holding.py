"""Says which deliveries a connection holds, so that they can be handed on when it ends; see ``reclaim``."""

import asyncio

import msgspec

from testwright.bus._nats_link import Link
from testwright_schemas import Lease, subjects

SOON_S = 0.025
"""Seconds within which most of what takes milliseconds is answered, and need not be told of."""


class Holding:
    """What is to be told of one connection; what happens within a moment is told at once.

    Args:
        link: the connection.
    """

    def __init__(self, link: Link) -> None:
        self._link = link
        self._untold: dict[str, bool] = {}
        self._timer: asyncio.TimerHandle | None = None

    def take(self, ack: str, *, brief: bool) -> None:
        """Take note that a delivery is held.

        Args:
            ack: where answers to it go.
            brief: whether its work takes milliseconds: then it is told of when it is not answered soon.
        """
        self._untold[ack] = True
        if brief:
            self._tell_soon()
        else:
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
