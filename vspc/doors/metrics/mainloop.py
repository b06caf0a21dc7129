"""Numbers about the server itself: version, main loop, certificate, configuration, health."""

import platform
from collections.abc import Iterator

from prometheus_client.metrics_core import Metric

from twisted import __version__ as twisted_version
from vspc import __version__
from vspc.doors.metrics.families import counter, counters, gauge, gauges, histogram
from vspc.doors.metrics.health import problems
from vspc.doors.metrics.sources import MetricSources


def families(sources: MetricSources) -> Iterator[Metric]:
    """Of the process as a whole; those of the system are prometheus-client's own."""
    versions = __version__, platform.python_version(), twisted_version
    yield gauges(
        "vspc_build_info",
        "Always 1; the versions are labels.",
        ("version", "python", "twisted"),
        ((versions, 1.0),),
    )
    yield gauge("vspc_healthy", "Whether /healthz says ok.", float(not any(problems(sources))))
    turns, scheduler = sources.turns, sources.scheduler
    yield histogram(
        "vspc_reactor_turn_seconds",
        "Lengths of turns of the main loop; nobody else is served in one.",
        turns.lengths,
    )
    yield counter(
        "vspc_reactor_slow_turns", "Turns that were longer than metrics.slow_turn.", turns.slow
    )
    yield gauge(
        "vspc_reactor_longest_turn_seconds",
        "The longest turn since the server started.",
        turns.longest,
    )
    yield histogram(
        "vspc_reactor_lag_seconds",
        "By how much a timer that runs each second was late.",
        sources.lag,
    )
    yield counter(
        "vspc_turns_over_budget",
        "Turns after which connections waited for a later one.",
        scheduler.over_budget,
    )
    yield counters(
        "vspc_scheduler_waits",
        "How often a connection waited: it was over its own share, or the turn was full.",
        ("reason",),
        ((("share",), scheduler.share_waits), (("turn",), scheduler.turn_waits)),
    )
    yield gauge("vspc_scheduler_waiting", "Connections that wait now.", scheduler.waiting)
    validity = sources.certificate()
    if validity is not None:
        yield gauge(
            "vspc_certificate_expiry_timestamp_seconds",
            "When the certificate of the TLS listeners expires.",
            validity.not_after.timestamp(),
        )
    yield counters(
        "vspc_reloads",
        "Reloads of the configuration that were applied, and that were refused.",
        ("result",),
        (((result,), count) for result, count in sources.reloads.items()),
    )
