"""Sinks as the configuration has them."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from vspc.config.settings import SinkSettings
from vspc.console.access import Subject, matches
from vspc.console.logs import About
from vspc.log.query import LogSource
from vspc.log.sinks import jsonlines, syslog, text
from vspc.log.sinks.feeder import EventReporter, Feeder
from vspc.log.sinks.outlet import Outlet


def make(
    settings: SinkSettings,
    source: LogSource,
    root: Path,
    report: EventReporter,
    failed: Callable[[], None],
    kinds: Mapping[str, Callable[[SinkSettings], Outlet]] | None = None,
) -> Feeder:
    """A sink, not started. `root` is the log's directory."""
    return Feeder(
        settings.name,
        (kinds or KINDS)[settings.kind](settings),
        source,
        root / "sinks" / f"{settings.name}.json",
        report,
        failed,
        lambda about: _is_wanted(settings, about),
    )


def _is_wanted(settings: SinkSettings, about: About) -> bool:
    subject = Subject(about.name, about.zone, about.uuid)
    return any(matches(pattern, subject) for pattern in settings.consoles)


KINDS: Mapping[str, Callable[[SinkSettings], Outlet]] = MappingProxyType(
    {"json": jsonlines.outlet, "syslog": syslog.outlet, "text": text.outlet}
)
"""What makes the outlet of each `kind` of [[log.sink]]: a new kind is a module, and a line here."""
