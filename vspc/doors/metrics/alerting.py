"""Numbers about [[alert]] and panics."""

from collections.abc import Iterator

from prometheus_client.metrics_core import Metric

from vspc.doors.metrics.families import counter, counters, gauges
from vspc.doors.metrics.sources import MetricSources


def families(sources: MetricSources) -> Iterator[Metric]:
    """By the names that the configuration gives to alerts."""
    states = sources.alerts.states()
    yield counters(
        "vspc_alerts_fired",
        "How often an alert matched, without those that its time limit suppressed.",
        ("alert",),
        (((each.name,), each.fired) for each in states),
    )
    results = ("delivered", "failures", "dropped")
    yield counters(
        "vspc_alert_deliveries",
        "Deliveries that succeeded, attempts that failed, and alerts that were dropped.",
        ("alert", "result"),
        (
            ((each.name, name.replace("failures", "failed")), getattr(each, name))
            for each in states
            for name in results
        ),
    )
    yield gauges(
        "vspc_alerts_waiting",
        "Alerts that wait to be delivered.",
        ("alert",),
        (((each.name,), each.waiting) for each in states),
    )
    yield counter(
        "vspc_alert_skipped_bytes",
        "Output in which no alert was looked for because there was too much.",
        sources.alerts.skipped,
    )
    yield counter("vspc_panics", "Panics of VMs that were seen and are kept.", sources.panics())
