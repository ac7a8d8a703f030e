"""What operators see of real processes: health, metrics, traces by OTLP, log lines, and services of NATS."""

import json
import shutil
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.support.nats_server import World, nats_world
from tests.support.processes import PATIENCE_S, POLICY, Child, Plant, plant, project
from testwright.app import Role
from testwright.bus.topology import declare
from testwright_schemas import subjects

pytestmark = pytest.mark.nats

FOLDER = Path(__file__).parents[2] / "deploy" / "observability"
ALERTS = FOLDER / "alerts.yaml"

needs_prometheus = pytest.mark.skipif(shutil.which("prometheus") is None, reason="prometheus is not installed")


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """Run a server."""
    async with nats_world() as server:
        yield server


@pytest.fixture
async def site(world: World) -> AsyncIterator[Plant]:
    """Return the server with the product's topology on it."""
    async with plant(world) as made:
        yield made


@pytest.fixture
def module(tmp_path: Path) -> Path:
    """Return the module to be tested."""
    return project(tmp_path / "a project")


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


class Collector:
    """Takes spans as an OpenTelemetry collector does."""

    def __init__(self) -> None:
        self.spans: list[tuple[str, Span]] = []

    def take(self, body: bytes) -> None:
        """Take one request."""
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            service = next(a.value.string_value for a in resource.resource.attributes if a.key == "service.name")
            self.spans += [(service, span) for scope in resource.scope_spans for span in scope.spans]


@asynccontextmanager
async def taking(port: int, take: Callable[[bytes], None]) -> AsyncGenerator[None]:
    """Take what is posted on a port."""

    async def answer(stream: Any) -> None:
        async with stream:
            data = b""
            while b"\r\n\r\n" not in data:
                data += await stream.receive()
            head, _, body = data.partition(b"\r\n\r\n")
            lines = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
            while len(body) < int(lines[b"content-length"]):
                body += await stream.receive()
            take(body)
            await stream.send(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=port)
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, answer)
        yield
        tasks.cancel_scope.cancel()


async def scrape(port: int, path: str = "/metrics") -> httpx.Response:
    async with httpx.AsyncClient(timeout=PATIENCE_S) as http:
        return await http.get(f"http://127.0.0.1:{port}{path}")


async def test_a_task_is_one_trace_through_all_processes(
    site: Plant, module: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", f"http://127.0.0.1:{port}/v1/traces")
    collector = Collector()
    async with taking(port, collector.take):
        actors = await site.start_all()
        command = await site.run("submit", str(module), "-e", "scripted", "--json")
        call = await site.stage.call()
        await call.fail("engine-crashed", retryable=True)
        call = await site.stage.call()
        await call.deliver()
        task = next(iter(json.loads(await command.whole())["tasks"]))["id"]
        await site.client.wait(task, timeout=90)
        for child in actors.values():
            child.terminate()
            assert await child.ended() == 0

    spans = collector.spans
    traces = {span.trace_id for _, span in spans}
    assert len(traces) == 1
    assert {service for service, _ in spans} == {
        f"testwright-{name}" for name in ("client", "submitter", "collector", "generator", "verifier")
    }
    known = {span.span_id for _, span in spans}
    assert len(known) == len(spans)
    assert [span.name for _, span in spans if not span.parent_span_id] == ["publish testwright.command.*.submit"]
    assert [span.name for _, span in spans if span.parent_span_id and span.parent_span_id not in known] == []
    assert {"invoke_agent scripted", "judge", "sandbox"} <= {span.name for _, span in spans}
    retried = [span for _, span in spans if span.name.startswith("process testwright.work.generate") and span.links]
    assert len(retried) == 1


async def test_health_follows_the_connection_and_the_drain(site: Plant, world: World) -> None:
    port = free_port()
    child = await site.start("collector", "--health", f"127.0.0.1:{port}")

    assert (await scrape(port, "/livez")).status_code == 200
    assert (await scrape(port, "/readyz")).status_code == 200
    await world.kill()
    await gone(child, port)
    assert (await scrape(port, "/livez")).status_code == 200
    assert "collector" in (await scrape(port, "/readyz")).text
    assert 'testwright_connected{actor="collector"} 0.0' in (await scrape(port)).text


async def gone(child: Child, port: int) -> None:
    """Return when a process has noticed that its server is gone."""
    with anyio.fail_after(PATIENCE_S):
        while (await scrape(port, "/readyz")).status_code == 200:
            await anyio.lowlevel.checkpoint()
    assert child.output


async def test_metrics_tell_of_queues_work_and_recovery(site: Plant, module: Path, tmp_path: Path) -> None:
    ports = {role: free_port() for role in ("collector", "generator", "verifier")}
    await site.lose_patience()
    await site.start("submitter")
    lost = await site.start("generator")
    for role in ("collector", "verifier"):
        await site.start(role, "--health", f"127.0.0.1:{ports[role]}")
    job = await site.client.submit([module], POLICY)
    await site.stage.call()
    lost.kill()
    await lost.ended()
    await site.start("generator", "--health", f"127.0.0.1:{ports['generator']}")
    call = await site.stage.call()
    shown = (await scrape(ports["collector"])).text
    await call.deliver()
    await site.client.wait(job.tasks[0].id, timeout=90)

    consumer = subjects.generate_consumer("scripted", POLICY.priority)
    assert f'testwright_queue_unanswered{{consumer="{consumer}",stream="{subjects.WORK}"}} 1.0' in shown
    assert f'testwright_queue_redelivered{{consumer="{consumer}",stream="{subjects.WORK}"}} 1.0' in shown
    generator, verifier, collector = [(await scrape(ports[r])).text for r in ("generator", "verifier", "collector")]
    assert f'testwright_redeliveries_total{{consumer="{consumer}"}} 1.0' in generator
    assert 'testwright_attempts_total{engine="scripted",result="verified"} 1.0' in verifier
    assert f'testwright_queue_pending{{consumer="{consumer}",stream="{subjects.WORK}"}} 0.0' in collector
    with anyio.fail_after(PATIENCE_S):
        while "testwright_recovery_seconds_count" not in (await scrape(ports["generator"])).text:
            await anyio.lowlevel.checkpoint()
        while 'testwright_tasks_total{outcome="completed"} 1.0' not in (await scrape(ports["collector"])).text:
            await anyio.lowlevel.checkpoint()


async def test_log_lines_for_programs_have_task_and_trace_and_no_secret(
    site: Plant, module: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TESTWRIGHT_LOG", "json")
    child = await site.start("submitter")
    job = await site.client.submit([module], POLICY)

    line = json.loads(await child.says('"handled'))

    stored = await site.client.bus.last(subjects.EVENTS, subjects.task_event("default", job.tasks[0].id, "submitted"))
    assert stored is not None
    assert line["trace"] == stored.headers["traceparent"].split("-")[1]
    assert line["level"] == "info"


async def test_tools_of_nats_see_an_actor_as_a_service(site: Plant, world: World) -> None:
    await site.start("generator")

    for verb in ("PING", "INFO", "STATS"):
        said = await world.ask(f"$SRV.{verb}.testwright-generator")
        assert (said["type"], said["name"]) == (f"io.nats.micro.v1.{verb.lower()}_response", "testwright-generator")

    queues = {endpoint["name"] for endpoint in said["endpoints"]}
    declared = {consumer.name for consumer in declare(("echo",)).consumers if "generate-" in consumer.name}
    assert declared <= queues


class Prometheus:
    """A Prometheus that says by itself when it knows something: by an alert, which it posts.

    Attributes:
        port: its own.
    """

    def __init__(self, *queries: str) -> None:
        self.port = free_port()
        self._known = {query: anyio.Event() for query in queries}

    @property
    def rules(self) -> dict[str, Any]:
        """What it is to watch for."""
        alerts = [{"alert": f"Known{number}", "expr": query} for number, query in enumerate(self._known)]
        return {"groups": [{"name": "known", "interval": "1s", "rules": alerts}]}

    def take(self, body: bytes) -> None:
        """Take alerts."""
        told = {alert["labels"]["alertname"] for alert in json.loads(body)}
        for number, known in enumerate(self._known.values()):
            if f"Known{number}" in told:
                known.set()

    async def asked(self, query: str) -> list[dict[str, Any]]:
        """Return what it knows, as soon as it knows something."""
        with anyio.fail_after(PATIENCE_S):
            await self._known[query].wait()
        return list((await query_of(self.port, query)).json()["data"]["result"])


@asynccontextmanager
async def prometheus(folder: Path, *ports: int, queries: Sequence[str]) -> AsyncGenerator[Prometheus]:
    """Run a Prometheus with our alerts that scrapes these ports, and watches for answers to these queries."""
    made, alerts = Prometheus(*queries), free_port()
    (folder / "known.json").write_text(json.dumps(made.rules), encoding="utf-8")
    config = {
        "global": {"scrape_interval": "1s"},
        "rule_files": [str(ALERTS), str(folder / "known.json")],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{alerts}"]}]}]},
        "scrape_configs": [
            {"job_name": "testwright", "static_configs": [{"targets": [f"127.0.0.1:{port}" for port in ports]}]}
        ],
    }
    (folder / "prometheus.yml").write_text(json.dumps(config), encoding="utf-8")
    command = ["prometheus", f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'db'}"]
    command.append(f"--web.listen-address=127.0.0.1:{made.port}")
    async with taking(alerts, made.take), await anyio.open_process(command, stderr=None) as process:
        try:
            yield made
        finally:
            process.terminate()


@needs_prometheus
async def test_a_real_prometheus_scrapes_an_actor_and_loads_the_alerts(site: Plant, tmp_path: Path) -> None:
    port = free_port()
    await site.start("collector", "--health", f"127.0.0.1:{port}")

    pending = 'testwright_queue_pending{consumer="collector"}'
    async with prometheus(tmp_path, port, queries=[pending]) as made:
        found = await made.asked(pending)
        rules = (await scrape(made.port, "/api/v1/rules")).json()

    assert found[0]["metric"]["stream"] == subjects.EVENTS
    assert "TestwrightQueueStuck" in json.dumps(rules)


QUIET = {
    "Tokens per hour",
    "Spent per hour",
    "Pauses that providers asked for",
    "Redeliveries per hour",
    "Time to recover, p95",
    "Outages, p95",
    "Waiting",
    "Delivered, unanswered",
}
"""Panels without anything on them where nothing has gone wrong, costs money or waits."""


@needs_prometheus
async def test_every_panel_of_the_dashboard_shows_what_a_task_leaves_behind(
    site: Plant, module: Path, tmp_path: Path
) -> None:
    roles: tuple[Role, ...] = ("submitter", "collector", "generator", "verifier")
    ports: dict[Role, int] = {role: free_port() for role in roles}
    for role, port in ports.items():
        await site.start(role, "--health", f"127.0.0.1:{port}")
    # Each process is scraped in a turn of its own, and an increase takes two turns.
    counted = 'testwright_tasks_total{outcome="completed"}'
    grown = [f"increase({counted}[5m]) > 0", "increase(testwright_verdicts_total[5m])"]
    async with prometheus(tmp_path, *ports.values(), queries=[counted, *grown]) as made:
        await made.asked(counted)
        job = await site.client.submit([module], POLICY)
        await (await site.stage.call()).fail("engine-crashed", retryable=True)
        await (await site.stage.call()).deliver()
        await site.client.wait(job.tasks[0].id, timeout=90)
        for query in grown:
            await made.asked(query)
        panels = json.loads((FOLDER / "dashboard.json").read_text("utf-8"))["panels"]
        shown: dict[str, bool] = {}
        for panel in panels:
            for target in panel["targets"]:
                query = target["expr"].replace("$__rate_interval", "5m")
                answer = (await query_of(made.port, query)).json()
                assert answer["status"] == "success", (panel["title"], answer)
                shown[panel["title"]] = shown.get(panel["title"], False) or bool(answer["data"]["result"])

    assert {title for title, some in shown.items() if not some} <= QUIET
    assert len(shown) > len(QUIET) + 8


async def query_of(web: int, query: str) -> httpx.Response:
    async with httpx.AsyncClient(timeout=PATIENCE_S) as http:
        return await http.get(f"http://127.0.0.1:{web}/api/v1/query", params={"query": query})
