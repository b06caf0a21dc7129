"""Families of samples as prometheus-client has them, in one line each."""

from collections.abc import Iterable, Sequence

from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.utils import floatToGoString

from vspc.common.measures import Distribution

Row = tuple[Sequence[str], float]
"""Values of labels, and the number."""


def gauge(name: str, about: str, value: float) -> Metric:
    """A number that goes up and down."""
    return GaugeMetricFamily(name, about, value)


def gauges(name: str, about: str, labels: Sequence[str], rows: Iterable[Row]) -> Metric:
    """The same for each combination of labels."""
    family = GaugeMetricFamily(name, about, labels=labels)
    for values, value in rows:
        family.add_metric(values, value)
    return family


def counter(name: str, about: str, value: float) -> Metric:
    """A number that only grows while the server runs; `_total` is added to its name."""
    return CounterMetricFamily(name, about, value)


def counters(name: str, about: str, labels: Sequence[str], rows: Iterable[Row]) -> Metric:
    """The same for each combination of labels."""
    family = CounterMetricFamily(name, about, labels=labels)
    for values, value in rows:
        family.add_metric(values, value)
    return family


def histogram(name: str, about: str, measured: Distribution) -> Metric:
    """A distribution of values."""
    bounds = [*map(floatToGoString, measured.bounds), "+Inf"]
    buckets = list(zip(bounds, map(float, measured.cumulative), strict=True))
    return HistogramMetricFamily(name, about, buckets, measured.total)
