"""Whether the server is well: its main loop turns, and the disk takes what has to be kept."""

from collections.abc import Iterator

from vspc.doors.metrics.sources import MetricSources

BEAT = 10.0
"""Seconds after which a timer that runs each second has stopped."""

OVERDUE = 10.0
"""Seconds for which output or audit events may wait to be written, or what is written to be on the
disk.
"""


def problems(sources: MetricSources) -> Iterator[str]:
    """What is wrong, for /healthz; none: the server is well."""
    now = sources.clock.seconds()
    late = now - sources.beat()
    if late > BEAT:
        yield f"reactor: the timer of the server has not run for {late:.0f} s"
    yield from _log(sources, now)
    yield from _audit(sources, now)


def _log(sources: MetricSources, now: float) -> Iterator[str]:
    log = sources.log
    if log is None:
        return
    writer = log.writer
    if writer.failing:
        yield "log: the disk does not take output (log-failing in the server's log says why)"
    elif log.is_stalled:
        yield "log: the disk stalls"
    elif overdue(log.recorder.batches.waiting_since, now):
        yield f"log: output has waited to be written for over {OVERDUE:g} s"
    elif overdue(writer.unsynced_since, now):
        yield f"log: output that was written is not on the disk after {OVERDUE:g} s (fsync)"


def _audit(sources: MetricSources, now: float) -> Iterator[str]:
    writer = sources.audit.writer
    if writer is None:
        return
    if writer.failing:
        yield "audit: the file cannot be written (audit-failing in the server's log says why)"
    elif writer.is_stalled:
        yield "audit: the disk stalls"
    elif overdue(writer.unsynced_since, now):
        yield f"audit: events that were written are not on the disk after {OVERDUE:g} s (fsync)"


def overdue(since: float | None, now: float) -> bool:
    """Whether what began at `since` takes too long."""
    return since is not None and now - since > OVERDUE


def lag(since: float | None, now: float) -> float:
    """For how many seconds something has waited that began to wait at `since`."""
    return 0.0 if since is None else max(0.0, now - since)
