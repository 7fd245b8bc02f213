"""The page that Prometheus reads, of what `exposition.py` counted. Buckets are cumulative; the text of a
figure is its definition.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from telemetry.exposition import OF_ATTEMPTS, OF_REQUESTS, Exposition
from telemetry.metrics import METRICS


def page_of(seen: Exposition) -> bytes:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Page(seen))
    return generate_latest(registry)


class _Page(Collector):
    def __init__(self, seen: Exposition) -> None:
        self._seen = seen

    def collect(self) -> Iterator[Family]:
        seen = self._seen
        for name, help_, labels, counts in (
            ("tiltyard_requests", "Requests that ended.",
             ("surface", "model", "provider", "outcome", "status"), seen.requests),
            ("tiltyard_attempts", "Calls to providers.", ("model", "provider", "outcome"), seen.attempts),
            ("tiltyard_tokens", "Tokens, as billed.", ("model", "provider", "kind"), seen.tokens),
        ):  # fmt: skip
            yield self._counter(name, help_, labels, counts, 1.0)
        cost = ("model", "provider", "series")
        yield self._counter("tiltyard_cost_usd", "What was charged.", cost, seen.cost_nano_usd, 1e-9)
        yield from self._histograms()
        for gauge in seen.gauges:
            family = GaugeMetricFamily(gauge.name, gauge.help, labels=("process", "role"))
            family.add_metric(seen.process, gauge.read())
            yield family

    def _counter(
        self, name: str, help_: str, labels: tuple[str, ...], counts: Counter[tuple[str, ...]], unit: float
    ) -> CounterMetricFamily:
        family = CounterMetricFamily(name, help_, labels=("process", "role", *labels))
        for key, count in counts.items():
            family.add_metric((*self._seen.process, *key), count * unit)
        return family

    def _histograms(self) -> Iterator[HistogramMetricFamily]:
        for name in (*OF_REQUESTS, *OF_ATTEMPTS):
            family = HistogramMetricFamily(
                f"tiltyard_{name.removesuffix('_ms')}_seconds",
                METRICS[name].definition,
                labels=("process", "role", "model", "provider"),
            )
            for (of, *whose), histogram in self._seen.times.items():
                if of == name:
                    family.add_metric((*self._seen.process, *whose), histogram.cumulative(), histogram.sum_s)
            yield family
