"""Which namespaces have a gate, as one collector knows them, and what it lets in."""

from testwright.bus import Bus, Stored
from testwright.collector import gates
from testwright.collector.entrance import MOVES
from testwright.collector.gates import Gate
from testwright.limits import Limits
from testwright.watching import read
from testwright_schemas import subjects


class Namespaces(Limits):
    """The limits of all namespaces, and what is in force where nobody has set any.

    A namespace without limits has ``places``, if there are any by default. Where there are none it has no gate, unless
    it had one and tasks are inside, or wait: under other limits, or let in by a collector with another default. They
    all pass then, until this process ends.

    Args:
        bus: where limits are told, and gates are.
        places: tasks at work at a time of each namespace without limits; ``None`` for as many as there are.
    """

    def __init__(self, bus: Bus, places: int | None = None) -> None:
        super().__init__(bus)
        self._places = places
        self._gated: set[str] = set()
        self._looked_at: set[str] = set()

    async def gate(self, namespace: str) -> Gate | None:
        """Return the gate of a namespace, ``None`` where all tasks begin at once."""
        limits = await self.of(namespace)
        if limits or self._places or await self._is_gated(namespace):
            return gates.gate_of_namespace(namespace, limits, self._places)
        return None

    async def _is_gated(self, namespace: str) -> bool:
        if namespace not in self._looked_at:
            last = await self._bus.last(subjects.EVENTS, subjects.gate_event(namespace, "namespace", namespace))
            if last:
                self._hear(last)
            self._looked_at.add(namespace)
        return namespace in self._gated

    def _followed(self) -> list[str]:
        # With a default each namespace has a gate: nothing is to be learned of them.
        moves = [] if self._places else [subjects.gate_event(kind="namespace")]
        return [*super()._followed(), *moves]

    def _hear(self, event: Stored) -> None:
        namespace = subjects.namespace_of(event.subject)
        if event.subject != subjects.gate_event(namespace, "namespace", namespace):
            super()._hear(event)
        elif namespace not in self._gated and _is_used(event):
            self._gated.add(namespace)


def _is_used(event: Stored) -> bool:
    """Return whether tasks are inside a gate, or may wait at it; one whose last move cannot be read may be used."""
    state = read(event, MOVES)
    return state is None or bool(state.taken) or gates.next_queue(state) is not None
