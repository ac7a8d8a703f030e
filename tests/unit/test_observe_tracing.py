"""A task is one trace, from its command to its end, whichever actors it passes."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from typing import Any

import anyio
import pytest
from msgspec.structs import replace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from tests.support.buses import MemoryWorld, memory_world
from tests.support.tasks import NOW, submitted
from testwright.background import beside
from testwright.bus.topology import declare
from testwright.collector.actor import collector
from testwright.engines import Notes, Progress
from testwright.errors import WorkError
from testwright.generator.actor import Product, generator
from testwright.observe.observation import observed_bus
from testwright.observe.steps import producing
from testwright.observe.tracing import Ids, Tracing
from testwright.pacing import until
from testwright.submitter.actor import submitter
from testwright.voice import Voice
from testwright_schemas import GenerateSuite, Policy, Publish, SubmitJob, TaskSpec, Usage, subjects

pytestmark = pytest.mark.virtual_time

ENGINES = ("echo",)
POLICY = Policy(engines=ENGINES)
USAGE = Usage(model="openai/gpt-x", input_tokens=10, output_tokens=5, cost_usd=0.01, wall_s=1.0)


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    """Return what keeps spans."""
    return InMemorySpanExporter()


@pytest.fixture
def provider(exporter: InMemorySpanExporter) -> TracerProvider:
    """Return what makes them."""
    made = TracerProvider(resource=Resource({}), id_generator=Ids())
    made.add_span_processor(SimpleSpanProcessor(exporter))
    return made


@pytest.fixture
async def world() -> AsyncIterator[MemoryWorld]:
    """Run a memory server with the product's topology."""
    async with memory_world(declare(ENGINES), seed=1, epoch=NOW) as world:
        yield world


async def produce(item: GenerateSuite, snapshot: bytes, progress: Progress, notes: Notes) -> Product:
    """Fail once, then deliver."""
    if item.attempt.number == 1:
        raise WorkError("engine-crashed", "once", retryable=True)
    await progress("half way")
    return Product(archive=b"candidate", files=("test_calc.py",), usage=USAGE)


async def one_task(world: MemoryWorld, provider: TracerProvider) -> None:
    """Submit a task, and have an engine fail once and then deliver."""
    now = world.server.now

    async def bus(actor: str) -> Any:
        return observed_bus(await world.connect(actor), (Tracing(provider, actor),))

    work = producing(produce, (Tracing(provider, "generator"),))
    client = await bus("client")
    task = submitted(POLICY)
    digest = await client.put(subjects.SNAPSHOTS, "default", b"snapshot")
    spec = TaskSpec(task_id=task.task_id, target=task.target)
    command = SubmitJob(
        namespace="default",
        job_id=task.job_id,
        tasks=(spec,),
        snapshot=replace(task.snapshot, digest=digest),
        policy=task.policy,
        submitted_at=NOW,
    )
    async with AsyncExitStack() as stack:
        for actor in (
            submitter(await bus("submitter"), now, ENGINES),
            collector(await bus("collector"), now),
            generator(await bus("generator"), now, work, ENGINES, worker="worker"),
        ):
            await stack.enter_async_context(beside(actor.run))
        await Voice(client, "client", now).say(Publish(message=command), {})
        await until(anyio.current_time() + 600)


def named(spans: Sequence[ReadableSpan], start: str) -> list[ReadableSpan]:
    return [span for span in spans if span.name.startswith(start)]


async def test_a_task_is_one_trace_that_begins_with_its_command(
    world: MemoryWorld, provider: TracerProvider, exporter: InMemorySpanExporter
) -> None:
    await one_task(world, provider)

    spans = exporter.get_finished_spans()
    assert len({span.context.trace_id for span in spans if span.context}) == 1
    assert [span.name for span in spans if span.parent is None] == ["publish testwright.command.*.submit"]
    known = {span.context.span_id for span in spans if span.context}
    assert [span.name for span in spans if span.parent and span.parent.span_id not in known] == []


async def test_the_span_of_a_message_has_the_id_that_the_message_carries(
    world: MemoryWorld, provider: TracerProvider, exporter: InMemorySpanExporter
) -> None:
    await one_task(world, provider)
    bus = await world.connect("reader")
    [stored] = [s async for s in bus.last_per_subject(subjects.EVENTS, [subjects.task_event(kind="generated")])]

    [span] = named(exporter.get_finished_spans(), "publish testwright.event.*.task.*.generated")

    assert span.context is not None
    assert stored.headers["traceparent"].split("-")[1:3] == [
        f"{span.context.trace_id:032x}",
        f"{span.context.span_id:016x}",
    ]


async def test_an_attempt_is_linked_to_the_failure_of_the_one_before(
    world: MemoryWorld, provider: TracerProvider, exporter: InMemorySpanExporter
) -> None:
    await one_task(world, provider)

    spans = exporter.get_finished_spans()
    [failure] = named(spans, "publish testwright.event.*.task.*.attempt-failed")
    attempts = named(spans, "process testwright.work.generate")
    linked = [[link.context.span_id for link in span.links] for span in attempts]
    assert failure.context is not None
    assert linked == [[], [failure.context.span_id]]


async def test_an_engine_run_says_model_tokens_and_progress(
    world: MemoryWorld, provider: TracerProvider, exporter: InMemorySpanExporter
) -> None:
    await one_task(world, provider)

    failed, run = named(exporter.get_finished_spans(), "invoke_agent echo")
    assert failed.status.status_code == StatusCode.ERROR
    assert run.attributes is not None
    assert {name: run.attributes[name] for name in run.attributes if name.startswith("gen_ai.")} == {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.name": "echo",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "openai/gpt-x",
        "gen_ai.usage.input_tokens": 10,
        "gen_ai.usage.output_tokens": 5,
    }
    assert [event.name for event in run.events] == ["half way"]


async def test_what_is_taken_and_said_follows_the_conventions_of_messaging(
    world: MemoryWorld, provider: TracerProvider, exporter: InMemorySpanExporter
) -> None:
    await one_task(world, provider)

    taken = named(exporter.get_finished_spans(), "process testwright.work.generate")[0]
    assert taken.kind == SpanKind.CONSUMER
    about = dict(taken.attributes or {})
    assert about["messaging.system"] == "nats"
    assert about["messaging.operation.type"] == "process"
    assert about["messaging.consumer.group.name"] == subjects.generate_consumer("echo", POLICY.priority)
    assert about["testwright.answer"] == "acked"
