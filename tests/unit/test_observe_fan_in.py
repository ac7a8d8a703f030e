"""Where the work of many tasks comes together, it is linked: at the end of their job, and where a run collects it."""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import anyio
import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.support.runs import Rejudge
from tests.support.world import Engine
from testwright.background import beside
from testwright.bus import Bus
from testwright.bus.memory import MemoryServer
from testwright.bus.topology import declare
from testwright.client import Client
from testwright.clock import now
from testwright.collector.actor import collector
from testwright.generator.actor import generator
from testwright.observe.observation import observed_bus
from testwright.observe.tracing import Ids, Tracing
from testwright.sandbox.local import LocalSandbox
from testwright.submitter.actor import submitter
from testwright.verifier.actor import verifier
from testwright.voice import Voice
from testwright.workflow.actor import workflow
from testwright.workflow.definition import check
from testwright.workflow.stages import Tools
from testwright_schemas import (
    CollectSuites,
    Plan,
    Policy,
    Publish,
    RunWorkflow,
    StageSpec,
    SubmitModules,
    envelope,
    subjects,
)

MODULES = ("one", "two", "three")
POLICY = Policy(engines=("echo",))


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").touch()
    for name in MODULES:
        (tmp_path / f"{name}.py").write_text(f"def {name}():\n    return 1\n", encoding="utf-8")
    return tmp_path


@asynccontextmanager
async def traced(exporter: InMemorySpanExporter) -> AsyncGenerator[Bus]:
    """Run all actors, each on a traced connection of its own; yields a connection that nobody watches."""
    provider = TracerProvider(resource=Resource({}), id_generator=Ids())
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    engine = Engine()
    engine.go.set()
    async with MemoryServer(declare(("echo",))) as server, AsyncExitStack() as stack:

        async def bus(actor: str) -> Bus:
            made = await stack.enter_async_context(server.connect(actor))
            return observed_bus(made, (Tracing(provider, actor),))

        tools = Tools(server.now, "worker", Rejudge(), LocalSandbox(), {})
        actors = (
            submitter(await bus("submitter"), server.now, ("echo",)),
            collector(await bus("collector"), server.now),
            generator(await bus("generator"), server.now, engine.produce, ("echo",), worker="worker"),
            verifier(await bus("verifier"), server.now, engine.judge),
            workflow(await bus("workflow"), tools),
        )
        plain = await stack.enter_async_context(server.connect("test"))
        async with beside(*(actor.run for actor in actors)):
            yield plain


async def span_of(bus: Bus, subject: str) -> str:
    """Return the id of the span of the last message on a subject, as soon as there is one."""
    with anyio.fail_after(30):
        async with bus.feed(subjects.EVENTS, [subject], after=0) as feed:
            stored = await anext(feed)
    return stored.headers[envelope.TRACEPARENT].split("-")[2]


def links(span: ReadableSpan) -> list[str]:
    return [f"{link.context.span_id:016x}" for link in span.links]


def own(span: ReadableSpan) -> str:
    assert span.context is not None
    return f"{span.context.span_id:016x}"


async def test_from_the_end_of_a_job_links_lead_back_to_the_end_of_each_of_its_tasks(
    exporter: InMemorySpanExporter, root: Path
) -> None:
    async with traced(exporter) as bus, Client(bus).following() as client:
        job = await client.submit([root], POLICY)
        ends = {await span_of(bus, subjects.task_event("default", task.id, "finished")) for task in job.tasks}
        last = await span_of(bus, subjects.job_event("default", job.id, "finished"))

    spans = {own(span): span for span in exporter.get_finished_spans()}
    reached, todo = set[str](), [last]
    while todo:
        span = spans.get(todo.pop())  # nobody watches the client
        behind = [*links(span), *([f"{span.parent.span_id:016x}"] if span.parent else [])] if span else []
        todo += [one for one in behind if one not in reached]
        reached |= set(behind)
    assert len(ends) == len(MODULES)
    assert ends <= reached


async def test_a_run_that_collects_is_linked_to_the_end_of_each_task(
    exporter: InMemorySpanExporter, root: Path
) -> None:
    stages = (
        StageSpec(name="generate", work=SubmitModules(paths=(".",), policy=POLICY)),
        StageSpec(name="collect", work=CollectSuites(stage="generate")),
    )
    command = RunWorkflow(
        namespace="default", run_id="run-1", plan=check(Plan(stages=stages)), root=str(root), submitted_at=now()
    )
    async with traced(exporter) as bus:
        await Voice(bus, "client", now).say(Publish(message=command), {})
        await span_of(bus, subjects.workflow_event("default", "run-1", "finished"))
        found = [
            stored.headers[envelope.TRACEPARENT].split("-")[2]
            async for stored in bus.last_per_subject(subjects.EVENTS, [subjects.task_event(kind="finished")])
        ]

    [run] = [span for span in exporter.get_finished_spans() if span.name.endswith("command.*.run-workflow")]
    assert len(found) == len(MODULES)
    assert set(found) <= set(links(run))
