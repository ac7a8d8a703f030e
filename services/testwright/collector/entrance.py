"""Leads tasks through gates: reads a gate, lets ``gates`` decide, publishes the move unless another came first."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import anyio
from msgspec.structs import replace

from testwright.bus import Bus, Stored
from testwright.collector import gates
from testwright.collector.gates import Gate
from testwright.errors import ConflictError
from testwright.voice import Archive, Voice
from testwright.watching import read, readable
from testwright_schemas import (
    Expect,
    GateMoved,
    Priority,
    Publish,
    TaskFinished,
    TaskQueued,
    TaskSubmitted,
    envelope,
    subjects,
)

MOVES = envelope.Decoder[GateMoved](GateMoved)
"""Decodes a move of a gate."""

_ENTRIES = envelope.Decoder[TaskQueued](TaskQueued)

MAX_RACES = 20
"""Moves of a gate that others may make first before an event is handed back, to be handled later."""

Cause = Mapping[str, str]
"""Headers of the message that led to a move."""

Why = Literal["entered", "left", "limits"]

Change = Callable[[GateMoved], Awaitable[GateMoved]]

Settle = Callable[[GateMoved, Stored], Awaitable[None]]
"""Sees to it that what a move has decided happens: those that it let in begin, those that it refused end."""

MOST_KNOWN = 10_000
"""Gates of which it is remembered that their last move is settled; of others, it is settled once more."""


@dataclass(eq=False, slots=True)
class _Wish:
    """What somebody wants of the next move of a gate: see ``GateMoved``; ``granted`` once that was said."""

    gate: Gate
    why: Why
    task_id: str
    change: Change
    cause: Cause
    over: int = 0
    granted: bool = False

    @property
    def subject(self) -> str:
        return subjects.gate_event(self.gate.namespace, self.gate.kind, self.gate.name)


class Entrance:
    """Where tasks come to gates and leave them; whoever is let in is told of by the gate's own event.

    The stream keeps only so many moves of a gate. When others follow fast, one that nobody has acted on may be dropped
    before it is delivered, or delivered again. So whoever moves a gate settles its last move first: only the last one,
    which the stream keeps, can have consequences that are not stored yet. One move has in it what all want who wait for
    that then, as moves of one gate are one after the other.

    Args:
        bus: where gates and queues are.
        voice: how moves are said.
        settle: has the consequences of a move stored; may itself move gates.
    """

    def __init__(self, bus: Bus, voice: Voice, settle: Settle) -> None:
        self._archive = Archive(bus)
        self._bus = bus
        self._voice = voice
        self._settle = settle
        self._settled: dict[str, int] = {}
        self._settling: dict[tuple[str, int], anyio.Event] = {}
        # The slots of one process need not race each other.
        self._moving = anyio.Lock()
        self._wishes: dict[str, list[_Wish]] = {}

    async def enter(self, gate: Gate, task: TaskSubmitted, cause: Cause) -> None:
        """Have a task let in, now or when it is its turn; one that has come before is not let in twice."""
        await self._move(_Wish(gate, "entered", task.task_id, partial(self._entered, gate, task, cause), cause))

    async def leave(self, gate: Gate, ends: Mapping[int, TaskFinished], cause: Cause, *, over: int = 0) -> None:
        """Give the places of tasks that have ended to whoever is next.

        Args:
            gate: that they have passed.
            ends: one or more, by their sequences.
            cause: of the move.
            over: sequence of a move that needs not be settled first.
        """
        first = next(iter(ends.values()))
        await self._move(_Wish(gate, "left", first.task_id, partial(self._left, ends), cause, over))

    async def settle(self, told: GateMoved, stored: Stored) -> None:
        """Have the consequences of a move stored, unless they are.

        Slots that meet at one move wait for the first; where that fails, the next one does it.
        """
        place = stored.subject, stored.sequence
        while place in self._settling:
            await self._settling[place].wait()
        if self._owes_nothing(told, stored):
            return
        self._settling[place] = anyio.Event()
        try:
            await self._settle(told, stored)
        finally:
            self._settling.pop(place).set()
        if len(self._settled) >= MOST_KNOWN:
            self._settled.clear()
        self._settled[stored.subject] = max(stored.sequence, self._settled.get(stored.subject, 0))

    async def review(self, gate: Gate, cause: Cause) -> None:
        """Let in who may pass under new limits."""

        async def same(state: GateMoved) -> GateMoved:
            return state

        await self._move(_Wish(gate, "limits", "", same, cause))

    async def _move(self, wish: _Wish) -> None:
        wishes = self._wishes.setdefault(wish.subject, [])
        wishes.append(wish)
        try:
            for _ in range(MAX_RACES):
                async with self._moving:
                    owed = None if wish.granted else await self._grant(wish, wishes)
                if wish.granted:
                    return
                if owed:
                    await self.settle(*owed)
            raise ConflictError(wish.subject)
        finally:
            wishes.remove(wish)
            if not wishes:
                self._wishes.pop(wish.subject, None)

    async def _grant(self, wish: _Wish, wishes: Sequence[_Wish]) -> tuple[GateMoved, Stored] | None:
        """Move a gate as all of these want it, unless others are first; returns a move that is to be settled before."""
        last = await self._bus.last(subjects.EVENTS, wish.subject)
        known = await readable(self._bus, last, MOVES) if last else None
        if known and known[0].sequence != wish.over and not self._owes_nothing(known[1], known[0]):
            return known[1], known[0]
        before = state = gates.under(known[1] if known else None, wish.gate)
        wanted = [each for each in wishes if not each.granted]
        for each in wanted:
            state = await each.change(state)
        state = await self._filled(wish.gate, state)
        expect = Expect(subject=wish.subject, sequence=last.sequence if last else 0)
        move = replace(state, after=expect.sequence, cause=wish.why, task_id=wish.task_id)
        if state == before or await self._is_said(Publish(message=move, expect=expect), wish.cause):
            for each in wanted:
                each.granted = True
        return None

    def _owes_nothing(self, told: GateMoved, stored: Stored) -> bool:
        return not (told.admitted or told.refused) or stored.sequence <= self._settled.get(stored.subject, 0)

    async def _is_said(self, move: Publish, cause: Cause) -> bool:
        try:
            await self._voice.say(move, cause)
        except ConflictError:
            return False
        return True

    async def _left(self, ends: Mapping[int, TaskFinished], state: GateMoved) -> GateMoved:
        for sequence, end in ends.items():
            told = end
            if state.taken.get(end.task_id):
                history = await self._archive.task(end.namespace, end.task_id, at_least=sequence)
                told = gates.settled(end, history)
            state = gates.left(state, told)
        return state

    async def _entered(self, gate: Gate, task: TaskSubmitted, cause: Cause, state: GateMoved) -> GateMoved:
        price_usd = gates.price(task)
        if task.task_id in state.taken or await self._has_ended(task):
            # One that has left was paid for: let in once more, it would be paid for twice.
            return state
        if gates.is_open(state, price_usd):
            return gates.let_in(state, task.task_id, price_usd)
        priority = task.policy.priority
        return gates.known(state, priority, await self._queued(gate, task, price_usd, cause))

    async def _queued(self, gate: Gate, task: TaskSubmitted, price_usd: float, cause: Cause) -> int:
        """Return the sequence of a task in its queue."""
        entry = TaskQueued(
            namespace=gate.namespace,
            kind=gate.kind,
            gate=gate.name,
            priority=task.policy.priority,
            task_id=task.task_id,
            price_usd=price_usd,
        )
        receipt = await self._voice.say(Publish(message=entry, once=True), cause)
        if receipt and not receipt.duplicate:
            return receipt.sequence
        # It has queued before.
        stored = await self._bus.last(subjects.EVENTS, subjects.event(entry))
        if stored is None:
            raise ConflictError(subjects.event(entry))
        return stored.sequence

    async def _filled(self, gate: Gate, state: GateMoved) -> GateMoved:
        """Return a gate that has let in all who may pass."""
        while priority := gates.next_queue(state):
            if state.places is not None and len(state.taken) >= state.places:
                return state
            drawn = await self._drawn(gate, priority, state)
            if gates.waits(drawn, priority):
                return drawn
            state = drawn
        return state

    async def _drawn(self, gate: Gate, priority: Priority, state: GateMoved) -> GateMoved:
        """Return a gate that has let in who may pass of those of one priority."""
        queue = subjects.queued_event(gate.namespace, gate.kind, gate.name, priority)
        while gates.waits(state, priority):
            stored = await self._bus.next(subjects.EVENTS, queue, after=state.heads.get(priority, 0))
            if stored is None:
                # What is no longer kept waits no longer: it has long ended.
                return gates.passed(state, priority, state.tails[priority])
            entry = read(stored, _ENTRIES)
            if entry and entry.task_id not in state.taken and not await self._has_ended(entry):
                if gates.answer(state, entry.price_usd) == "wait":
                    return state
                state = gates.let_in(state, entry.task_id, entry.price_usd)
            state = gates.passed(state, priority, stored.sequence)
        return state

    async def _has_ended(self, entry: TaskQueued | TaskSubmitted) -> bool:
        subject = subjects.task_event(entry.namespace, entry.task_id, "finished")
        return await self._bus.last(subjects.EVENTS, subject) is not None
