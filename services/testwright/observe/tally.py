"""Counts what an actor has taken off its queues, for those who ask it as a service of NATS."""

from collections.abc import Collection, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from uuid import uuid4

from testwright.bus import Delivery
from testwright.bus.service import Endpoint, Service
from testwright.bus.topology import Consumer
from testwright.observe.spectator import Answer, Indifferent, Step


@dataclass(slots=True)
class _Count:
    subject: str
    requests: int = 0
    errors: int = 0
    last_error: str = ""
    taken_s: float = 0.0


class Tally(Indifferent):
    """Counts by queue."""

    def __init__(self) -> None:
        self._counts: dict[str, _Count] = {}

    def expect(self, consumers: Collection[str], declared: Iterable[Consumer]) -> None:
        """Show queues before anything came from them.

        Args:
            consumers: names of those that the actor takes from.
            declared: all that there are.
        """
        for consumer in declared:
            if consumer.name in consumers:
                self._counts[consumer.name] = _Count(", ".join(consumer.filters))

    def answered(self, delivery: Delivery, answer: Answer, seconds: float) -> None:
        """Count a delivery."""
        count = self._counts.setdefault(delivery.consumer, _Count(delivery.message.subject))
        count.requests += 1
        count.taken_s += seconds
        if answer in ("handed-back", "buried"):
            count.errors += 1
            count.last_error = answer

    def step(self, step: Step) -> AbstractContextManager[None]:
        """Ignore it."""
        return nullcontext()

    def endpoints(self) -> Sequence[Endpoint]:
        """Return what was counted so far."""
        return [
            Endpoint(
                name=name,
                subject=count.subject,
                requests=count.requests,
                errors=count.errors,
                last_error=count.last_error,
                taken_ns=int(count.taken_s * 1e9),
            )
            for name, count in self._counts.items()
        ]


def service(actor: str, worker: str, started: datetime) -> Service:
    """Return what an actor is as a service of NATS."""
    return Service(
        name=f"testwright-{actor}",
        id=uuid4().hex,
        version=version("testwright"),
        description=f"testwright's {actor}",
        started=started,
        metadata={"worker": worker},
    )
