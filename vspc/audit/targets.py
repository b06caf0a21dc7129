"""Where the copies of the audit file go, as the configuration says."""

import socket
from collections.abc import Callable

from vspc.audit.copies import Copy, journal, syslog
from vspc.audit.file import Tell
from vspc.config.entry import AuditSettings
from vspc.net.connection import (
    Connection,
    client_context,
    host_and_port,
    tcp,
    tls,
    udp,
    unix_datagrams,
)

JOURNAL = "/run/systemd/journal/socket"
"""Where systemd-journald takes datagrams."""


def copies(
    settings: AuditSettings, tell: Tell, failed: Callable[[], None], journal_path: str = JOURNAL
) -> list[Copy]:
    """Those that are wanted, not started. What is wrong with a certificate is told later."""
    found = []
    if settings.syslog is not None:
        dial, stream = _syslog(settings, str(settings.syslog))
        encode = syslog(socket.gethostname() or "-", settings.facility, stream)
        found.append(Copy("syslog", Connection(dial), encode, tell, failed))
    if settings.journald:
        connection = Connection(unix_datagrams(journal_path))
        found.append(Copy("journald", connection, journal, tell, failed))
    return found


def _syslog(settings: AuditSettings, target: str) -> tuple[Callable[[], socket.socket], bool]:
    """How to connect, and whether records stand behind each other there."""
    kind, _, rest = target.partition(":")
    if kind == "tcp":
        return tcp(*host_and_port(rest)), True
    if kind == "udp":
        return udp(*host_and_port(rest)), False
    if kind == "tls":
        return _tls(settings, *host_and_port(rest)), True
    return unix_datagrams(rest if kind == "unix" else target), False


def _tls(settings: AuditSettings, host: str, port: int) -> Callable[[], socket.socket]:
    """Files are read for each connection: who renews a certificate need not tell us."""

    def dial() -> socket.socket:
        context = client_context(settings.ca, settings.certificate, settings.private_key)
        return tls(host, port, context)()

    return dial
