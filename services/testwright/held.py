"""What an actor is at work on, and the signs of life that keep the server from handing it to others."""

import logging

import anyio

from testwright.bus import Delivery
from testwright.errors import BusError
from testwright.pacing import beat

log = logging.getLogger("testwright.actor")

BEAT_S = 10.0
"""Seconds between signs of life: a third of the ack wait, so that two may be lost."""


class Held:
    """Deliveries that are not answered yet.

    Args:
        actor: who is at work on them.
    """

    def __init__(self, actor: str) -> None:
        self._actor = actor
        self._deliveries: dict[int, Delivery] = {}
        self._taken = anyio.Event()

    def take(self, delivery: Delivery) -> None:
        """Take note that work on a delivery begins."""
        self._deliveries[id(delivery)] = delivery
        self._taken.set()

    def drop(self, delivery: Delivery) -> None:
        """Take note that it has ended."""
        del self._deliveries[id(delivery)]

    async def keep(self) -> None:
        """Say so every ``BEAT_S`` seconds for as long as there is work, until cancelled."""
        await beat(BEAT_S, self._show_life)

    async def _show_life(self) -> None:
        for delivery in tuple(self._deliveries.values()):
            try:
                await delivery.in_progress()
            except BusError as error:
                log.warning("progress-ack-failed actor=%s error=%s", self._actor, error)
        if not self._deliveries:
            # Who has nothing to do wakes for nothing.
            self._taken = anyio.Event()
            await self._taken.wait()
