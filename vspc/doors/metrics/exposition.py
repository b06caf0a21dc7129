"""Numbers as the text that Prometheus reads."""

from collections.abc import Iterator

from attrs import frozen
from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import Metric

from vspc.doors.metrics import alerting, mainloop, operators, storage, vms
from vspc.doors.metrics.sources import MetricSources
from vspc.doors.metrics.vms import ConsoleNumbers, console_families

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""The text format, version 0.0.4, which every Prometheus reads."""


@frozen(eq=False)
class Collected:
    """All numbers of ours at one time."""

    families: tuple[Metric, ...]
    consoles: tuple[ConsoleNumbers, ...]

    def collect(self) -> Iterator[Metric]:
        """For the registry, as a collector of prometheus-client."""
        yield from self.families
        yield from console_families(self.consoles)


def collect(sources: MetricSources) -> Collected:
    """All numbers of ours as they are now: in the reactor's thread."""
    families = (
        *mainloop.families(sources),
        *vms.families(sources),
        *operators.families(sources),
        *storage.families(sources),
        *alerting.families(sources),
    )
    return Collected(families, tuple(map(ConsoleNumbers.of, sources.selection)))


def registry(collected: Collected) -> CollectorRegistry:
    """What was collected, and those of the process that the library has."""
    made = CollectorRegistry()
    made.register(collected)
    ProcessCollector(registry=made)
    GCCollector(registry=made)
    return made


def render(collected: Collected) -> bytes:
    """As text. It reads /proc, and takes milliseconds: in a thread."""
    return generate_latest(registry(collected))
