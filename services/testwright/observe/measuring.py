"""Turns what happens into samples: the spectator that metrics are made from."""

import logging
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol, get_args

import msgspec

from testwright.bus import Delivery, Stored
from testwright.observe import core
from testwright.observe.core import Sample
from testwright.observe.spectator import Answer, Indifferent, Said, Step
from testwright_schemas import envelope

log = logging.getLogger("testwright.observe")

_TOLD = envelope.Decoder[core.Told](core.Told)
_MEANT = frozenset(f"testwright.{type_.__struct_config__.tag}" for type_ in get_args(core.Told))


@dataclass(slots=True)
class _Recovery:
    """Work that somebody else had before: when we took it, and when that one was last heard of."""

    took_at: datetime
    alive_at: datetime | None = None


_RECOVERY: ContextVar[_Recovery | None] = ContextVar("testwright-recovery", default=None)


class Sink(Protocol):
    """Where samples go."""

    def count(self, sample: Sample) -> None:
        """Add to a counter, or to a gauge."""
        ...

    def observe(self, sample: Sample) -> None:
        """Add to a histogram."""
        ...

    def put(self, sample: Sample) -> None:
        """Set a gauge."""
        ...


class Measuring(Indifferent):
    """Measures what one process does.

    Args:
        sinks: where samples go.
    """

    def __init__(self, sinks: Sequence[Sink]) -> None:
        self._sinks = sinks

    def took(self, delivery: Delivery) -> None:
        """Measure how long a message has waited, or that it comes again."""
        consumer = (delivery.consumer,)
        self._take(Sample("testwright_in_hand", 1, consumer))
        if delivery.count > 1:
            self._take(Sample("testwright_redeliveries_total", 1, consumer))
            _RECOVERY.set(_Recovery(datetime.now(UTC)))
        else:
            waited_s = (datetime.now(UTC) - delivery.message.time).total_seconds()
            # The server's clock may be ahead of ours.
            self._take(Sample("testwright_wait_seconds", max(0.0, waited_s), consumer))

    def answered(self, delivery: Delivery, answer: Answer, seconds: float) -> None:
        """Measure how long handling has taken, and what it has led to."""
        consumer = delivery.consumer
        self._take(Sample("testwright_in_hand", -1, (consumer,)))
        self._take(Sample("testwright_deliveries_total", 1, (consumer, answer)))
        self._take(Sample("testwright_handling_seconds", seconds, (consumer,)))
        if (recovery := _RECOVERY.get()) is not None:
            _RECOVERY.set(None)
            if recovery.alive_at is not None:
                lost_s = (recovery.took_at - recovery.alive_at).total_seconds()
                self._take(Sample("testwright_recovery_seconds", lost_s, (consumer,)))

    def read(self, stored: Stored) -> None:
        """Look for the last sign of life of whoever had this work before."""
        recovery = _RECOVERY.get()
        if recovery is None or not core.is_sign_of_life(stored.subject) or stored.time > recovery.took_at:
            return
        recovery.alive_at = max(stored.time, recovery.alive_at or stored.time)

    def said(self, said: Said) -> None:
        """Measure what a message says."""
        type_ = said.headers.get("ce-type", "unknown")
        self._take(Sample("testwright_published_total", 1, (type_,)))
        if said.scheduled or type_ not in _MEANT:
            return
        try:
            message = _TOLD.decode(said.data)
        except msgspec.DecodeError as error:
            log.warning("not-measured subject=%s error=%s", said.subject, error)
            return
        for sample in core.samples(message):
            self._take(sample)

    @contextmanager
    def step(self, step: Step) -> Generator[None]:
        """Measure how long a step takes."""
        began = time.monotonic()
        try:
            yield
        finally:
            self._take(Sample("testwright_step_seconds", time.monotonic() - began, (step.name,)))

    def on_state(self, actor: str) -> Callable[[str, str], None]:
        """Return what an actor's connection tells when it comes and goes; see ``testwright.bus.nats.connect``."""
        lost: list[float] = []

        def tell(state: str, _: str) -> None:
            for sink in self._sinks:
                sink.put(Sample("testwright_connected", state == "connected", (actor,)))
            if state == "disconnected" and not lost:
                lost.append(time.monotonic())
                self._take(Sample("testwright_disconnects_total", 1, (actor,)))
            elif state == "connected" and lost:
                self._take(Sample("testwright_outage_seconds", time.monotonic() - lost.pop(), (actor,)))

        return tell

    def on_wait(self, actor: str) -> Callable[[int], None]:
        """Return what is told how many slots of an actor wait for memory; see ``testwright.room.Gate``."""

        def tell(waiting: int) -> None:
            for sink in self._sinks:
                sink.put(Sample("testwright_slots_waiting", waiting, (actor,)))

        return tell

    def _take(self, sample: Sample) -> None:
        kind = core.BY_NAME[sample.name].kind
        for sink in self._sinks:
            (sink.observe if kind == "histogram" else sink.count)(sample)
