"""OpenTelemetry's SDK: the only place that sets it up, from the variables that it defines itself."""

import logging
from collections.abc import Mapping
from importlib.metadata import entry_points, version
from typing import Any

from opentelemetry.metrics import Meter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter

from testwright.errors import SettingError
from testwright.observe import core
from testwright.observe.core import Metric, Sample
from testwright.observe.tracing import Ids

log = logging.getLogger("testwright.observe")

_KNOWN_AS = {"otlp": "otlp_proto_http"}


def resource(service: str, worker: str) -> Resource:
    """Return what spans and metrics say of this process."""
    about = {"service.name": service, "service.version": version("testwright"), "service.instance.id": worker}
    return Resource.create(about)


def tracer_provider(exporter: str, about: Resource) -> TracerProvider:
    """Return what makes spans and exports them.

    Raises:
        SettingError: there is no exporter of that name.
    """
    return exporting_to(_found("opentelemetry_traces_exporter", exporter, "OTEL_TRACES_EXPORTER")(), about)


def exporting_to(exporter: SpanExporter, about: Resource) -> TracerProvider:
    """Return what makes spans and exports them there."""
    provider = TracerProvider(resource=about, id_generator=Ids())
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider


def meter_provider(exporter: str, about: Resource) -> MeterProvider:
    """Return what collects metrics and exports them every while.

    Raises:
        SettingError: there is no exporter of that name.
    """
    made = _found("opentelemetry_metrics_exporter", exporter, "OTEL_METRICS_EXPORTER")()
    return MeterProvider([PeriodicExportingMetricReader(made)], about)


class Metering:
    """A sink for metrics; their names lose what the conventions of Prometheus add (``_total``, the unit)."""

    def __init__(self, provider: MeterProvider) -> None:
        meter = provider.get_meter("testwright", version("testwright"))
        self._known = {metric.name: _instrument(meter, metric) for metric in core.METRICS}

    def count(self, sample: Sample) -> None:
        """Add to a counter, or to a gauge."""
        self._known[sample.name].add(sample.value, _labels(sample))

    def observe(self, sample: Sample) -> None:
        """Add to a histogram."""
        self._known[sample.name].record(sample.value, _labels(sample))

    def put(self, sample: Sample) -> None:
        """Set a gauge."""
        self._known[sample.name].set(sample.value, _labels(sample))


def _instrument(meter: Meter, metric: Metric) -> Any:
    name, unit = otel_name(metric)
    match metric.kind:
        case "counter":
            return meter.create_counter(name, unit, metric.help)
        case "histogram":
            return meter.create_histogram(
                name, unit, metric.help, explicit_bucket_boundaries_advisory=list(metric.buckets)
            )
        case "gauge" if metric.name in core.ADDED:
            return meter.create_up_down_counter(name, unit, metric.help)
        case "gauge":
            return meter.create_gauge(name, unit, metric.help)


def otel_name(metric: Metric) -> tuple[str, str]:
    """Return name and unit of a metric as OpenTelemetry writes them."""
    name = metric.name.removesuffix("_total")
    for ending, unit in (("_seconds", "s"), ("_ratio", "1"), ("_usd", "USD")):
        if name.endswith(ending):
            return name.removesuffix(ending).replace("_", ".", 1), unit
    return name.replace("_", ".", 1), "1"


def _labels(sample: Sample) -> Mapping[str, str]:
    return dict(zip(core.BY_NAME[sample.name].labels, sample.labels, strict=True))


def _found(group: str, name: str, variable: str) -> Any:
    for entry in entry_points(group=group, name=_KNOWN_AS.get(name, name)):
        return entry.load()
    raise SettingError(variable, f"no exporter {name!r} is installed here")
