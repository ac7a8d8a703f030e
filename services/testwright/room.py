"""Who of a process may ask for work, by the memory that is free then: the only place where slots adapt to it.

Before a slot asks for its next message it needs a place. Each place is expected to take up to ``each_mb`` MiB. So those
at work may still want that much each, less what their processes hold already; those that ask may be given work at any
moment, and want all of it. One more place is given where all this and one more ``each_mb`` is free. An actor has one
place in any case: others wait for what it does.

A slot without a place waits until somebody else in the process begins or ends an attempt: then it is decided anew,
first come, first served. Where memory has become short by then, slots that ask are withdrawn, and wait, too.
"""

import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Literal

import anyio

from testwright.bus import Delivery, Slot
from testwright.machine import free_mb, held_mb

log = logging.getLogger("testwright.room")

BELIEVED_S = 0.1
"""Seconds for which it is believed that there is room for all: looking takes longer than work that is short."""

State = Literal["away", "waits", "asks", "works"]

Told = Callable[[int], None]
"""Is told how many slots of an actor wait for memory."""


@dataclass(eq=False)
class Place:
    """What a slot has; none while it is away or waits for one.

    Attributes:
        actor: whose slot it is.
        state: what the slot does.
        began: when its work began, in seconds of the event loop's clock.
        given: what wakes it, while it waits.
        asking: what ends its asking, while it asks.
    """

    actor: str
    state: State = "away"
    began: float = 0.0
    given: anyio.Event | None = None
    asking: anyio.CancelScope | None = None


class Room:
    """Who has a place, who waits for one, and who is next. Pure.

    Args:
        each_mb: memory that the work of a place may take, in MiB.
    """

    def __init__(self, each_mb: int) -> None:
        self._each_mb = each_mb
        self._of: dict[State, list[Place]] = {"waits": [], "asks": [], "works": []}

    def move(self, place: Place, state: State) -> None:
        """Take note of what a slot does from now on."""
        if place in self._of.get(place.state, ()):
            self._of[place.state].remove(place)
        place.state = state
        if state in self._of:
            self._of[state].append(place)

    def waiting(self, actor: str) -> int:
        """Return how many slots of an actor wait."""
        return sum(place.actor == actor for place in self._of["waits"])

    @property
    def busy(self) -> tuple[Place, ...]:
        """Return the places where work is done."""
        return tuple(self._of["works"])

    def spare(self, free: int, held: int = 0) -> int:
        """Return for how many more places there is memory; below zero where fewer should have been given.

        Args:
            free: memory that can be had, in MiB.
            held: what those at work have already, in MiB; where it is not known, 0 is safe.
        """
        used = min(held, len(self._of["works"]) * self._each_mb)
        return (free + used) // self._each_mb - len(self._of["asks"]) - len(self._of["works"])

    def suffices(self, spare: int) -> bool:
        """Return whether that many more places are enough for all who wait."""
        return spare >= len(self._of["waits"])

    def next(self, spare: int) -> Place | None:
        """Return the slot that is to have a place, where there is memory for that many more; ``None`` for none."""
        waiting = self._of["waits"]
        if spare > 0 and waiting:
            return waiting[0]
        return next((place for place in waiting if not self._given(place.actor)), None)

    def excess(self, spare: int) -> tuple[Place, ...]:
        """Return the slots that are to ask no longer, the last to ask first: none that is all that its actor has."""
        gone: list[Place] = []
        for place in reversed(self._of["asks"]):
            others = self._given(place.actor) - sum(each.actor == place.actor for each in gone) - 1
            if len(gone) < -spare and others:
                gone.append(place)
        return tuple(gone)

    def _given(self, actor: str) -> int:
        return sum(place.actor == actor for place in (*self._of["asks"], *self._of["works"]))


class Gate:
    """Gives places to the slots of a process.

    Args:
        each_mb: memory that the work of a place may take, in MiB.
        free: tells how much can be had, in MiB.
        held: tells how much processes hold that this one has started within so many seconds, in MiB; asked only where
            what is free does not do.
    """

    def __init__(self, each_mb: int, free: Callable[[], int] = free_mb, held: Callable[[float], int] = held_mb) -> None:
        self._room = Room(each_mb)
        self._free = free
        self._held = held
        self._seen: tuple[float, int] | None = None
        self._told: dict[str, Told] = {}

    def tell(self, actor: str, told: Told) -> None:
        """Have somebody told how many slots of an actor wait, now and whenever that changes."""
        self._told[actor] = told
        told(self._room.waiting(actor))

    @asynccontextmanager
    async def slot(self, actor: str, slot: Slot) -> AsyncGenerator[Slot]:
        """Return a slot that asks for work only while it has a place."""
        place = Place(actor)
        try:
            yield _Admitted(self, place, slot)
        finally:
            self._move(place, "away")
            self._review()

    async def ask(self, place: Place) -> None:
        """Return once a slot may ask; the work that was done in its place, if any, has ended."""
        # Whoever has worked has a place unless it is one too many: slots do not take turns.
        self._move(place, "asks" if place.state == "works" else "waits")
        self._review()
        await self.wait(place)

    async def wait(self, place: Place) -> None:
        """Return once a slot has a place."""
        if place.state != "waits":
            return
        log.warning("fewer-slots actor=%s waiting=%d: memory is short", place.actor, self._room.waiting(place.actor))
        place.given = anyio.Event()
        await place.given.wait()
        log.info("more-slots actor=%s waiting=%d", place.actor, self._room.waiting(place.actor))

    def begin(self, place: Place) -> None:
        """Take note that a slot was given work."""
        place.began = anyio.current_time()
        self._move(place, "works")
        self._review()

    def _review(self) -> None:
        while (place := self._room.next(self._spare())) is not None:
            self._move(place, "asks")
            if place.given is not None:
                place.given.set()
        for place in self._room.excess(self._spare()):
            self._move(place, "waits")
            if place.asking is not None:
                place.asking.cancel()

    def _move(self, place: Place, state: State) -> None:
        self._room.move(place, state)
        if place.actor in self._told:
            self._told[place.actor](self._room.waiting(place.actor))

    def _spare(self) -> int:
        now = anyio.current_time()
        if self._seen is not None and now - self._seen[0] < BELIEVED_S:
            spare = self._room.spare(self._seen[1])
            if self._room.suffices(spare):
                return spare
        free = self._free()
        self._seen = now, free
        spare = self._room.spare(free)
        if self._room.suffices(spare) or not self._room.busy:
            return spare
        oldest = min(place.began for place in self._room.busy)
        return self._room.spare(free, self._held(now - oldest))


class _Admitted:
    """A slot that asks for work only while it has a place."""

    def __init__(self, gate: Gate, place: Place, slot: Slot) -> None:
        self._gate = gate
        self._place = place
        self._slot = slot

    async def next(self) -> Delivery:
        """Return the next delivery; the one before it has been dealt with."""
        await self._gate.ask(self._place)
        while True:
            with anyio.CancelScope() as asking:
                self._place.asking = asking
                try:
                    delivery = await self._slot.next()
                finally:
                    self._place.asking = None
                self._gate.begin(self._place)
                return delivery
            # Withdrawn.
            await self._gate.wait(self._place)
