"""Sinks as the configuration wants them."""

import socket
import time
from collections.abc import Callable
from pathlib import Path

from vspc.config.settings import SinkSettings
from vspc.console.access import Subject, matches
from vspc.console.logs import About
from vspc.log.sinks.feeder import Feeder, Told
from vspc.log.sinks.jsonlines import JsonFile, JsonStream
from vspc.log.sinks.outlet import Outlet
from vspc.log.sinks.syslog import SyslogOutlet
from vspc.log.sinks.text import TextOutlet
from vspc.log.source import LogSource
from vspc.net.connection import Connection, client_context, host_and_port, tcp, tls, unix


def make(
    settings: SinkSettings, source: LogSource, root: Path, tell: Told, failed: Callable[[], None]
) -> Feeder:
    """A sink, not started. `root` is the log's directory. Raises OSError for a bad certificate."""
    return Feeder(
        settings.name,
        _outlet(settings),
        source,
        root / "sinks" / f"{settings.name}.json",
        tell,
        failed,
        lambda about: _is_wanted(settings, about),
    )


def _is_wanted(settings: SinkSettings, about: About) -> bool:
    subject = Subject(about.name, about.zone, about.uuid)
    return any(matches(pattern, subject) for pattern in settings.consoles)


def _outlet(settings: SinkSettings) -> Outlet:
    kind, _, rest = settings.target.partition(":")
    if settings.kind == "text":
        return TextOutlet(Path(settings.target), time.monotonic)
    if settings.kind == "json" and kind not in ("tcp", "tls", "unix"):
        return JsonFile(Path(settings.target))
    connection = Connection(_dialler(settings, kind, rest))
    if settings.kind == "json":
        return JsonStream(connection)
    return SyslogOutlet(connection, socket.gethostname() or "-", settings.facility)


def _dialler(settings: SinkSettings, kind: str, rest: str) -> Callable[[], socket.socket]:
    if kind == "unix":
        return unix(rest)
    host, port = host_and_port(rest)
    if kind == "tcp":
        return tcp(host, port)
    context = client_context(settings.ca, settings.certificate, settings.private_key)
    return tls(host, port, context)
