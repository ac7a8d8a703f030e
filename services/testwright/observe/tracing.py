"""Traces: the only place that knows the API of OpenTelemetry's spans.

Every message of ours names a trace and a span in its ``traceparent``; the span's id is made from the message's. The
span of a publish gets exactly that id, so whoever handles the message is its child, in whichever process, and what the
server stores once is one span. What was looked up meanwhile and belongs to another trace, or to an attempt before this
one, is a link.
"""

import re
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar, Token

from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import Link, NonRecordingSpan, Span, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from testwright.bus import Delivery, Stored
from testwright.observe import core
from testwright.observe.spectator import Answer, Said, Step
from testwright_schemas import Usage, envelope, subjects

MAX_LINKS = 128
"""Links of one span, as many as OpenTelemetry keeps by default: what many tasks lead to has many messages behind it."""

_LINKED = frozenset({"attempt-failed", "verified", "finished"})
_PARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")

_LINKS: ContextVar[set[str] | None] = ContextVar("testwright-links", default=None)
_FORCED: ContextVar[tuple[int, int] | None] = ContextVar("testwright-span", default=None)


class Ids(RandomIdGenerator):
    """Gives a span the id of its message, and all others one by chance."""

    def generate_span_id(self) -> int:
        """Return the id of the next span."""
        forced = _FORCED.get()
        return forced[1] if forced else super().generate_span_id()

    def generate_trace_id(self) -> int:
        """Return the id of the trace that the next span begins."""
        forced = _FORCED.get()
        return forced[0] if forced else super().generate_trace_id()


class Tracing:
    """Makes spans of what happens.

    Args:
        provider: makes them; with ``Ids``.
        actor: who handles what is handled here.
    """

    def __init__(self, provider: TracerProvider, actor: str) -> None:
        self._tracer = provider.get_tracer("testwright")
        self._actor = actor
        self._open: dict[int, tuple[Span, Token[Context]]] = {}

    def took(self, delivery: Delivery) -> None:
        """Begin the span of handling a message."""
        stored = delivery.message
        parent = _span_context(stored.headers)
        span = self._tracer.start_span(
            f"process {core.template(stored.subject)}",
            trace.set_span_in_context(NonRecordingSpan(parent), Context()) if parent else Context(),
            SpanKind.CONSUMER,
            {
                **_about(stored.subject, stored.data, stored.headers),
                "messaging.operation.name": "process",
                "messaging.operation.type": "process",
                "messaging.consumer.group.name": delivery.consumer,
                "testwright.actor": self._actor,
                "testwright.delivery": delivery.count,
            },
        )
        token = contexts.attach(trace.set_span_in_context(span))
        self._open[id(delivery)] = (span, token)
        _LINKS.set({stored.headers.get(envelope.TRACEPARENT, "")})

    def answered(self, delivery: Delivery, answer: Answer, seconds: float) -> None:
        """End the span of handling a message."""
        span, token = self._open.pop(id(delivery))
        _LINKS.set(None)
        span.set_attribute("testwright.answer", answer)
        if answer in ("handed-back", "buried"):
            span.set_status(Status(StatusCode.ERROR, answer))
        span.end()
        contexts.detach(token)

    def said(self, said: Said) -> None:
        """Make the span of a publish, under the id that the message says."""
        own = _span_context(said.headers)
        # A span for each second of an attempt would hide the rest: its steps have the progress as events.
        if own is None or core.is_sign_of_life(said.subject, "progressed"):
            return
        around = trace.get_current_span().get_span_context()
        here = around.is_valid and around.trace_id == own.trace_id
        forced = _FORCED.set((own.trace_id, own.span_id))
        try:
            span = self._tracer.start_span(
                f"publish {core.template(said.subject)}",
                None if here else Context(),
                SpanKind.PRODUCER,
                {
                    **_about(said.subject, said.data, said.headers),
                    "messaging.operation.name": "schedule" if said.scheduled else "publish",
                    "messaging.operation.type": "send",
                    "testwright.actor": self._actor,
                    "testwright.sequence": said.receipt.sequence,
                },
                links=None if here or not around.is_valid else [Link(around)],
                start_time=said.began_ns,
            )
        finally:
            _FORCED.reset(forced)
        span.end(time.time_ns())

    def read(self, stored: Stored) -> None:
        """Link what is being handled to a message that was looked up for it."""
        linked, parent = _LINKS.get(), stored.headers.get(envelope.TRACEPARENT, "")
        if linked is None or parent in linked or len(linked) > MAX_LINKS:
            return
        span, other = trace.get_current_span(), _span_context(stored.headers)
        if other is None:
            return
        if other.trace_id != span.get_span_context().trace_id or _is_behind(stored.subject):
            linked.add(parent)
            span.add_link(other, {"messaging.destination.name": stored.subject})

    @contextmanager
    def step(self, step: Step) -> Generator[None]:
        """Make a span of a step of the work."""
        agent = step.about.get("gen_ai.agent.name")
        name = f"invoke_agent {agent}" if agent else step.name
        with self._tracer.start_as_current_span(name, attributes={**step.about, "testwright.step": step.name}) as span:
            yield
            span.set_attributes(_result(step.result))

    def noted(self, text: str) -> None:
        """Have a line of progress in the span of the step."""
        trace.get_current_span().add_event(text)


def _is_behind(subject: str) -> bool:
    """Return whether a message is what this attempt, or this job, goes on from."""
    kind = subject.rpartition(".")[2]
    return kind in _LINKED if subjects.task_of(subject) else subjects.job_of(subject) is not None


def _about(subject: str, data: bytes, headers: Mapping[str, str]) -> dict[str, str | int]:
    found: dict[str, str | int | None] = {
        "messaging.system": "nats",
        "messaging.destination.name": subject,
        "messaging.destination.template": core.template(subject),
        "messaging.message.id": headers.get("ce-id"),
        "messaging.message.body.size": len(data),
        "cloudevents.event_type": headers.get("ce-type"),
        "cloudevents.event_source": headers.get("ce-source"),
        "testwright.namespace": subjects.namespace_of(subject),
        "testwright.task": subjects.task_of(subject),
        "testwright.job": subjects.job_of(subject),
    }
    return {name: value for name, value in found.items() if value is not None}


def _result(result: object) -> dict[str, str | int | float]:
    usage = getattr(result, "usage", None)
    if not isinstance(usage, Usage) or usage.model is None:
        return {}
    provider, slash, _ = usage.model.partition("/")
    found: dict[str, str | int | float | None] = {
        "gen_ai.provider.name": provider if slash else None,
        "gen_ai.request.model": usage.model,
        "gen_ai.usage.input_tokens": usage.input_tokens,
        "gen_ai.usage.output_tokens": usage.output_tokens,
        "testwright.cost_usd": usage.cost_usd,
    }
    return {name: value for name, value in found.items() if value is not None}


def _span_context(headers: Mapping[str, str]) -> SpanContext | None:
    match = _PARENT.fullmatch(headers.get(envelope.TRACEPARENT, ""))
    if match is None:
        return None
    trace_id, span_id, flags = (int(part, 16) for part in match.groups())
    found = SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(flags))
    return found if found.is_valid else None
