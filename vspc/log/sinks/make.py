"""Sinks as the configuration wants them."""

import socket
import ssl
import time
from collections.abc import Callable
from pathlib import Path

from vspc.config.classes import SinkSettings
from vspc.console.access import Subject, matches
from vspc.console.past import About
from vspc.log.sinks.connection import Connection, tcp, tls, unix
from vspc.log.sinks.feeder import Feeder, Told
from vspc.log.sinks.jsonlines import JsonFile, JsonStream
from vspc.log.sinks.outlet import Outlet
from vspc.log.sinks.syslog import SyslogOutlet
from vspc.log.sinks.text import TextOutlet
from vspc.log.source import Source


def make(
    settings: SinkSettings, source: Source, root: Path, tell: Told, failed: Callable[[], None]
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
    host, _, port = rest.rpartition(":")
    host = host.strip("[]")
    if kind == "tcp":
        return tcp(host, int(port))
    context = ssl.create_default_context(cafile=None if settings.ca is None else str(settings.ca))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if settings.certificate is not None and settings.private_key is not None:
        # With a password, even none, nobody is asked for one on a terminal.
        context.load_cert_chain(str(settings.certificate), str(settings.private_key), "")
    return tls(host, int(port), context)
