"""The page of metrics, from the table that they are made from."""

from docs._reference.text import GENERATED, table
from testwright.observe import core
from testwright.observe.core import Metric
from testwright.observe.exporting import otel_name

HEAD = """# Metrics

What `/metrics` shows and OTLP carries; [observability](../observability.md#metrics) says how to have it, and how
figures add up. Labels are engines, models, queues and words of the [protocol](events.md); never a task, a module or a
namespace. What a joined task has in common with another one is counted there.
"""

MORE = {
    "testwright_deliveries_total": "`acked`, `handed-back`, `buried` (a dead letter), `left` (somebody else's by then)",
    "testwright_step_seconds": "`environment`, `generate`, `judge`, `sandbox`",
    "testwright_attempt_seconds": "`generate` is the engine, `verify` is verification",
    "testwright_verdicts_total": "`kept` over all of them is the share of good tests",
    "testwright_queue_pending": "asked of the server when somebody scrapes a collector or gateway; not by OTLP",
    "testwright_queue_unanswered": "likewise; the lag of a queue is both together",
    "testwright_queue_redelivered": "likewise",
    "testwright_connected": "1 or 0",
}
"""What is to be known of a metric besides its meaning."""


def metrics() -> str:
    """Return the page."""
    rows = [[f"`{each.name}`", each.kind, ", ".join(each.labels), _meaning(each), _otel(each)] for each in core.METRICS]
    bounds = dict.fromkeys(each.buckets for each in core.METRICS if each.buckets)
    return "\n".join(
        [
            GENERATED,
            HEAD,
            table(["metric", "kind", "labels", "meaning", "as OTLP has it"], rows),
            "## Buckets\n",
            table(["upper bounds", "of"], [[_numbers(each), _of(each)] for each in bounds]),
        ]
    )


def _meaning(metric: Metric) -> str:
    more = MORE.get(metric.name)
    return f"{metric.help.removesuffix('.')}: {more}" if more else metric.help.removesuffix(".")


def _otel(metric: Metric) -> str:
    name, unit = otel_name(metric)
    return "" if metric.name.startswith("testwright_queue_") else f"`{name}` ({unit})"


def _numbers(buckets: tuple[float, ...]) -> str:
    return ", ".join(f"{each:g}" for each in buckets)


def _of(buckets: tuple[float, ...]) -> str:
    return ", ".join(f"`{each.name}`" for each in core.METRICS if each.buckets == buckets)
