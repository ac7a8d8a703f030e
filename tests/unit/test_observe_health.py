"""Health and metrics over HTTP, and what is loaded where nobody asks for them."""

import json
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime

import anyio
import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from testwright._telemetry import Telemetry
from testwright.bus.figures import Depth
from testwright.bus.service import Endpoint, Service, answer
from testwright.errors import PermissionDeniedError, SettingError
from testwright.observe import core
from testwright.observe.core import Sample
from testwright.observe.exporting import Metering
from testwright.observe.health import Health, listening
from testwright.observe.measuring import Measuring
from testwright.observe.observation import observe
from testwright.observe.prometheus import Prometheus

DEPTH = Depth(stream="S", consumer="c", pending=3, unanswered=2, redelivered=1)


async def test_a_process_is_ready_when_all_that_must_hold_does() -> None:
    health, holds = Health(Prometheus()), {"one": True, "two": False}

    assert (await health.answer("/readyz"))[0] == 503
    health.checks["one"] = lambda: holds["one"]
    health.checks["two"] = lambda: holds["two"]
    assert await health.answer("/readyz") == (503, "text/plain", b"not ready: two\n")
    holds["two"] = True
    assert (await health.answer("/readyz"))[0] == 200


async def test_a_queue_that_is_gone_is_not_shown_any_more() -> None:
    found = [DEPTH]

    async def depths() -> Sequence[Depth]:
        return found

    health = Health(Prometheus(), depths=depths)

    assert b'testwright_queue_pending{consumer="c",stream="S"} 3.0' in (await health.answer("/metrics"))[2]
    found.clear()
    assert b"testwright_queue_pending{" not in (await health.answer("/metrics"))[2]


async def test_what_the_server_does_not_tell_leaves_the_rest() -> None:
    async def depths() -> Sequence[Depth]:
        raise PermissionDeniedError("request", "$JS.API.CONSUMER.LIST")

    metrics = Prometheus()
    metrics.count(Sample("testwright_tasks_total", 1, ("completed",)))

    status, _, body = await Health(metrics, depths=depths).answer("/metrics")

    assert status == 200
    assert b'testwright_tasks_total{outcome="completed"} 1.0' in body


def test_an_outage_is_measured_from_loss_to_return() -> None:
    metrics = Prometheus()
    tell = Measuring([metrics]).on_state("collector")

    for state in ("connected", "disconnected", "disconnected", "connected"):
        tell(state, "")

    text = metrics.text().decode()
    assert 'testwright_disconnects_total{actor="collector"} 1.0' in text
    assert 'testwright_outage_seconds_count{actor="collector"} 1.0' in text
    assert 'testwright_connected{actor="collector"} 1.0' in text


def test_slots_that_wait_for_memory_are_shown() -> None:
    metrics = Prometheus()
    tell = Measuring([metrics]).on_wait("verifier")

    for waiting in (0, 2, 1):
        tell(waiting)

    assert 'testwright_slots_waiting{actor="verifier"} 1.0' in metrics.text().decode()


@pytest.mark.parametrize("metric", core.METRICS, ids=lambda m: m.name)
def test_both_sinks_take_every_metric(metric: core.Metric) -> None:
    reader = InMemoryMetricReader()
    sample = Sample(metric.name, 1, tuple("x" for _ in metric.labels))
    for sink in (Prometheus(), Metering(MeterProvider([reader]))):
        if metric.kind == "histogram":
            sink.observe(sample)
        elif metric.kind == "gauge" and metric.name not in core.ADDED:
            sink.put(sample)
        else:
            sink.count(sample)
    assert reader.get_metrics_data() is not None


def test_an_exporter_that_is_not_there_is_named() -> None:
    with pytest.raises(SettingError, match="OTEL_TRACES_EXPORTER no exporter 'zipkin'"):
        observe(Telemetry(traces="zipkin"), "testwright", "worker", served=False)


def test_nobody_watches_unless_somebody_asks() -> None:
    assert observe(Telemetry(), "testwright", "worker", served=False).spectators("collector") == ()


def test_what_is_off_is_not_loaded() -> None:
    script = """
import sys
from testwright import app, client, settings
for role in app.ROLES:
    app.build(role, object(), settings.load(), app.Options())
print(*sys.modules)
"""
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()

    loaded = {name.partition(".")[0] for name in found}
    assert not loaded & {"opentelemetry", "prometheus_client", "hypercorn", "starlette"}


def test_a_service_answers_as_tools_of_nats_expect() -> None:
    from nats.micro.service import ServiceInfo, ServiceStats  # noqa: PLC0415  it belongs to this test alone

    service = Service(
        name="testwright-verifier",
        id="1",
        version="0.1.0",
        description="",
        started=datetime(2026, 1, 1, tzinfo=UTC),
        metadata={"worker": "w"},
    )
    endpoints = [Endpoint(name="verify-low", subject="x.>", requests=4, errors=1, taken_ns=8)]

    info = ServiceInfo.from_dict(json.loads(answer(service, "INFO", endpoints)))
    stats = ServiceStats.from_dict(json.loads(answer(service, "STATS", endpoints)))

    assert (info.name, info.endpoints[0].name) == ("testwright-verifier", "verify-low")
    assert (stats.endpoints[0].num_requests, stats.endpoints[0].average_processing_time) == (4, 2)


async def test_connections_that_are_kept_alive_do_not_disturb_the_end() -> None:
    """A Prometheus keeps its connection to each process, which must end in peace nevertheless."""
    bound = socket.create_server(("127.0.0.1", 0))
    port = bound.getsockname()[1]
    async with AsyncExitStack() as clients:
        async with listening(bound, Health(Prometheus())):
            client = await clients.enter_async_context(await anyio.connect_tcp("127.0.0.1", port))
            await client.send(b"GET /livez HTTP/1.1\r\nHost: here\r\n\r\n")
            said = await client.receive()

        assert said.startswith(b"HTTP/1.1 200")
        async for more in client:
            said += more
