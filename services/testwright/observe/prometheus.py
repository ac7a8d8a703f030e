"""Metrics for Prometheus: the only place that knows its library."""

from collections.abc import Iterable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from testwright.observe import core
from testwright.observe.core import Metric, Sample

# A second series for each counter and histogram, which nobody asks for.
disable_created_metrics()  # type: ignore[no-untyped-call]  # all but this has types

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Prometheus:
    """A sink of its own registry, so that what a program beside us measures does not show here."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        self._known = {metric.name: self._made(metric) for metric in core.METRICS}
        for metric in core.METRICS:
            for labels in core.expected(metric):
                self._known[metric.name].labels(*labels)

    def count(self, sample: Sample) -> None:
        """Add to a counter, or to a gauge."""
        known = self._of(sample)
        if isinstance(known, Counter | Gauge):
            known.inc(sample.value)

    def observe(self, sample: Sample) -> None:
        """Add to a histogram."""
        known = self._of(sample)
        if isinstance(known, Histogram):
            known.observe(sample.value)

    def put(self, sample: Sample) -> None:
        """Set a gauge."""
        known = self._of(sample)
        if isinstance(known, Gauge):
            known.set(sample.value)

    def renew(self, samples: Iterable[Sample], *names: str) -> None:
        """Set gauges to what was found just now; those of a name that were not found are gone."""
        for name in names:
            self._known[name].clear()
        for sample in samples:
            self.put(sample)

    def text(self) -> bytes:
        """Return everything in the text format."""
        return generate_latest(self._registry)

    def _of(self, sample: Sample) -> Counter | Gauge | Histogram:
        return self._known[sample.name].labels(*sample.labels)

    def _made(self, metric: Metric) -> Counter | Gauge | Histogram:
        match metric.kind:
            case "counter":
                return Counter(metric.name, metric.help, metric.labels, registry=self._registry)
            case "gauge":
                return Gauge(metric.name, metric.help, metric.labels, registry=self._registry)
            case "histogram":
                return Histogram(
                    metric.name, metric.help, metric.labels, registry=self._registry, buckets=metric.buckets
                )
