"""What is asked for of all this, put together: the only place that decides who watches, and loads what that takes."""

import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from anyio.to_thread import run_sync

from testwright import settings
from testwright._telemetry import Telemetry
from testwright.bus import Bus
from testwright.observe.spectator import Spectator

if TYPE_CHECKING:
    from testwright.environments import Environments
    from testwright.observe.health import Health
    from testwright.observe.measuring import Measuring, Sink
    from testwright.sandbox import Sandbox

log = logging.getLogger("testwright.observe")

FLUSH_MS = 5000
"""Milliseconds that sending the last spans and metrics may take."""


@dataclass
class Observation:
    """Who watches a process; by default nobody.

    Attributes:
        health: what is served about it, ``None`` where nothing is.
        measuring: makes metrics.
        tracing: makes a spectator that traces an actor.
        flushes: send what was not sent yet.
    """

    health: "Health | None" = None
    measuring: "Measuring | None" = None
    tracing: Callable[[str], Spectator] | None = None
    flushes: list[Callable[[], Any]] = field(default_factory=list[Callable[[], Any]])

    def spectators(self, actor: str) -> tuple[Spectator, ...]:
        """Return who watches an actor."""
        tracing = (self.tracing(actor),) if self.tracing else ()
        return (*tracing, self.measuring) if self.measuring else tracing

    def bus(self, bus: Bus, actor: str) -> Bus:
        """Return the bus of an actor, watched."""
        return observed_bus(bus, self.spectators(actor))

    def on_state(self, actor: str) -> Callable[[str, str], None] | None:
        """Return what is to be told when the connection of an actor comes and goes."""
        return self.measuring.on_state(actor) if self.measuring else None

    def on_wait(self, actor: str) -> Callable[[int], None] | None:
        """Return what is to be told how many slots of an actor wait for memory."""
        return self.measuring.on_wait(actor) if self.measuring else None

    def check(self, name: str, ready: Callable[[], bool]) -> None:
        """Have the process count as ready while this holds, too."""
        if self.health:
            self.health.checks[name] = ready

    async def close(self) -> None:
        """Send what was not sent yet."""
        for flush in self.flushes:
            await run_sync(flush)


def observed_bus(bus: Bus, spectators: Sequence[Spectator]) -> Bus:
    """Return a bus that is watched; the bus itself where nobody watches."""
    if not spectators:
        return bus
    from testwright.observe.bus import ObservedBus  # noqa: PLC0415  free where nobody watches

    return ObservedBus(bus, spectators)


def observed_tools(
    sandbox: "Sandbox", environments: "Environments", spectators: Sequence[Spectator]
) -> "tuple[Sandbox, Environments]":
    """Return what work is done with, watched; unchanged where nobody watches."""
    if not spectators:
        return sandbox, environments
    from testwright.observe.steps import ObservedEnvironments, ObservedSandbox  # noqa: PLC0415  as above

    return ObservedSandbox(sandbox, spectators), ObservedEnvironments(environments, spectators)


@asynccontextmanager
async def observing(service: str, worker: str, *, served: bool = False) -> AsyncGenerator[Observation]:
    """Set up what the surroundings ask for; what is left of it is sent at the end.

    Args:
        service: name of the process where the surroundings do not give it one.
        worker: tells it apart from others of that name.
        served: whether health and metrics are served.

    Raises:
        SettingError: there is no exporter of the name that is asked for.
    """
    observation = observe(settings.telemetry(), service, worker, served=served)
    try:
        yield observation
    finally:
        await observation.close()


def observe(asked: Telemetry, service: str, worker: str, *, served: bool) -> Observation:
    """Return what watches as was asked for; see ``observing``."""
    made, sinks = Observation(), list["Sink"]()
    if served:
        from testwright.observe.health import Health  # noqa: PLC0415  free where it is off
        from testwright.observe.prometheus import Prometheus  # noqa: PLC0415  free where it is off

        made.health = Health(Prometheus())
        sinks.append(made.health.metrics)
    if (asked.traces or asked.metrics) and _has_sdk():
        _export(made, sinks, asked, service, worker)
    if sinks:
        from testwright.observe.measuring import Measuring  # noqa: PLC0415  free where it is off

        made.measuring = Measuring(sinks)
    return made


def _has_sdk() -> bool:
    if find_spec("opentelemetry") and find_spec("opentelemetry.sdk"):
        return True
    # Whoever has these variables set for other programs does not want us to stop for that.
    log.warning("no-telemetry: OTEL_… asks for it, and it is not installed: pip install 'testwright[otel]'")
    return False


def _export(made: Observation, sinks: "list[Sink]", asked: Telemetry, service: str, worker: str) -> None:
    from testwright.observe import exporting, tracing  # noqa: PLC0415  free where it is off

    about = exporting.resource(asked.service or service, worker)
    if asked.traces:
        spans = exporting.tracer_provider(asked.traces, about)
        made.tracing = lambda actor: tracing.Tracing(spans, actor)
        made.flushes.append(spans.shutdown)
    if asked.metrics:
        meters = exporting.meter_provider(asked.metrics, about)
        sinks.append(exporting.Metering(meters))
        made.flushes.append(lambda: meters.shutdown(FLUSH_MS))
