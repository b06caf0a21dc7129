"""Numbers about operators: sessions, attachments, logins."""

from collections import Counter
from collections.abc import Iterator

from prometheus_client.metrics_core import Metric

from vspc.doors.metrics.counting import CONTROL, SOCKET, SSH, door_of
from vspc.doors.metrics.families import counter, counters, gauge, gauges
from vspc.doors.metrics.sources import MetricSources

EXPECTED = tuple(
    (SSH, method, result)
    for method in ("publickey", "password", "certificate")
    for result in ("accepted", "failed")
)
"""Logins that are shown as 0 from the start, so that the first one is seen as an increase."""


def families(sources: MetricSources) -> Iterator[Metric]:
    """Of all operators and programs together. Sessions are walked over: few have one."""
    sessions = Counter[str](dict.fromkeys((SSH, SOCKET, CONTROL), 0))
    attachments = Counter[str](dict.fromkeys((SSH, SOCKET, CONTROL), 0))
    for each in sources.sessions:
        door = door_of(each.session.proof)
        sessions[door] += 1
        attachments[door] += len(each.attachments)
    yield gauges("vspc_sessions", "Sessions by door.", ("door",), _rows(sessions))
    yield gauges(
        "vspc_attachments",
        "Attachments of these sessions to consoles, by door.",
        ("door",),
        _rows(attachments),
    )
    ssh = sources.ssh()
    yield gauges(
        "vspc_ssh_connections",
        "SSH connections that are logged in, and that are not.",
        ("state",),
        (
            (("logged_in",), ssh.connections - ssh.not_logged_in),
            (("not_logged_in",), ssh.not_logged_in),
        ),
    )
    logins = dict.fromkeys(EXPECTED, 0) | sources.logins.results
    yield counters(
        "vspc_logins",
        "Logins that were accepted, failed, or were refused over a limit, by door and method.",
        ("door", "method", "result"),
        logins.items(),
    )
    yield counter(
        "vspc_passwords_turned_away",
        "Passwords that were refused unchecked because too many waited.",
        ssh.passwords_turned_away,
    )
    yield gauge("vspc_lockouts", "Lockouts in effect.", len(sources.lockouts.listed()))
    yield counters(
        "vspc_limits_hit",
        "How often a limit of operators was hit, by its name in the configuration.",
        ("limit",),
        (((name,), count) for name, count in sources.audit.recorder.limits().items()),
    )


def _rows(counts: Counter[str]) -> Iterator[tuple[tuple[str], float]]:
    return (((door,), float(count)) for door, count in counts.items())
