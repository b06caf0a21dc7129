"""Numbers about what is kept: histories in memory, logs and the audit file on the disk."""

from collections.abc import Iterator

from prometheus_client.metrics_core import Metric

from vspc.audit.writer import COUNT, AuditWriter
from vspc.doors.metrics.families import counter, counters, gauge, gauges
from vspc.doors.metrics.health import lag
from vspc.doors.metrics.sources import MetricSources
from vspc.log.log import Log


def families(sources: MetricSources) -> Iterator[Metric]:
    """Those of the log and of the audit file only where they are on."""
    now = sources.clock.seconds()
    yield gauge("vspc_history_bytes", "Memory of all histories.", sources.budget.used)
    yield gauge("vspc_history_limit_bytes", "Its limit, history_total.", sources.budget.total)
    if sources.log is not None:
        yield from _log(sources.log, now)
    writer = sources.audit.writer
    if writer is not None:
        yield from _audit(writer, now)


def _log(log: Log, now: float) -> Iterator[Metric]:
    writer, recorder = log.writer, log.recorder
    written, counts = not (writer.failing or log.is_stalled), writer.counts
    yield gauge("vspc_log_healthy", "Whether the disk takes the log.", float(written))
    yield counter("vspc_log_written_bytes", "Bytes of records that were written.", counts.bytes)
    yield counter("vspc_log_writes", "Writes of the log.", counts.writes)
    yield counter("vspc_log_syncs", "Calls of fsync that succeeded.", counts.syncs)
    yield counters(
        "vspc_log_errors",
        "Writes and calls of fsync that failed.",
        ("operation",),
        ((("write",), counts.failures), (("sync",), counts.sync_failures)),
    )
    yield gauge(
        "vspc_log_queue_bytes",
        "Output and records that wait for the disk.",
        recorder.batches.queued,
    )
    yield gauge(
        "vspc_log_queue_high_water_bytes",
        "The most that waited at once since the server started.",
        recorder.batches.most_queued,
    )
    yield gauge(
        "vspc_log_queue_limit_bytes",
        "What may wait; over it logs get gaps.",
        recorder.bounds.total,
    )
    yield gauge(
        "vspc_log_lag_seconds",
        "For how long the oldest output has waited to be written.",
        lag(recorder.batches.waiting_since, now),
    )
    yield gauge(
        "vspc_log_sync_lag_seconds",
        "For how long the oldest written output is not known to be on the disk (fsync).",
        lag(writer.unsynced_since, now),
    )
    yield gauge("vspc_log_damages", "Damaged files that were found, 100 at most.", len(log.damage))
    yield gauges(
        "vspc_log_sink_healthy",
        "Whether the other side of a [[log.sink]] takes it.",
        ("sink",),
        (((sink.name,), float(not sink.failing)) for sink in log.sinks),
    )


def _audit(writer: AuditWriter, now: float) -> Iterator[Metric]:
    written = not (writer.failing or writer.is_stalled)
    yield gauge("vspc_audit_healthy", "Whether the audit file is written.", float(written))
    yield gauge(
        "vspc_audit_refuses",
        "Whether typing is refused until the file can be written (on_failure).",
        float(writer.refuses),
    )
    yield counter("vspc_audit_written_events", "Events that were written.", writer.written)
    yield counter("vspc_audit_lost_events", "Events that were lost.", writer.lost)
    yield counter("vspc_audit_errors", "Writes that failed.", writer.failures)
    yield gauge("vspc_audit_queue_events", "Events that wait.", len(writer.waiting))
    yield gauge(
        "vspc_audit_queue_high_water_events",
        "The most that waited at once since the server started.",
        writer.waiting.most,
    )
    yield gauge("vspc_audit_queue_limit_events", "What may wait.", COUNT)
    yield gauge(
        "vspc_audit_sync_lag_seconds",
        "For how long the oldest written event is not known to be on the disk (fsync).",
        lag(writer.unsynced_since, now),
    )
