"""Numbers as the text that Prometheus reads."""

from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import Metric

from vspc.doors.metrics import mainloop, operators, storage, vms
from vspc.doors.metrics.sources import MetricSources

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
"""The text format, version 0.0.4, which every Prometheus reads."""


def collect(sources: MetricSources) -> list[Metric]:
    """All numbers of ours as they are now: in the reactor's thread."""
    return [
        *mainloop.families(sources),
        *vms.families(sources),
        *vms.console_families(sources),
        *operators.families(sources),
        *storage.families(sources),
    ]


class _Collected:
    """A collector of what was collected already."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = tuple(families)

    def collect(self) -> Iterator[Metric]:
        """For the registry."""
        return iter(self._families)


def registry(families: Iterable[Metric]) -> CollectorRegistry:
    """`families`, and those of the process that the library has."""
    made = CollectorRegistry()
    made.register(_Collected(families))
    ProcessCollector(registry=made)
    GCCollector(registry=made)
    return made


def render(families: Iterable[Metric]) -> bytes:
    """As text. It reads /proc, and takes milliseconds: in a thread."""
    return generate_latest(registry(families))
