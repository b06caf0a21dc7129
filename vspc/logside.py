"""The log's side of the service: made, opened, and its events in our own log."""

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread
from twisted.logger import Logger

from vspc.config import Config
from vspc.console.ports import Clock
from vspc.console.roster import Roster
from vspc.log.log import Log
from vspc.text import safe

_ERRORS = frozenset({"log-failing", "log-stalled", "log-console-failing"})
_GOOD = frozenset({"log-recovered", "log-goes-on"})


class LogError(Exception):
    """The log cannot be written; the text says why."""


def make_log(config: Config, clock: Clock, reactor: Any, failed: Callable[[], None]) -> Log | None:
    """The log that `config` wants, not opened yet; None if it wants none."""
    if not config.log.enabled:
        return None
    log = Logger(namespace="vspc.log")

    def tell(event: str, facts: dict[str, object]) -> None:
        level = log.error if event in _ERRORS else log.info if event in _GOOD else log.warn
        level(event, **{k: safe(v, 1000) if isinstance(v, str) else v for k, v in facts.items()})

    return Log(config.state_dir / "log", config.log, clock, reactor.callFromThread, tell, failed)


def open_log(keeping: Log, roster: Roster) -> None:
    """Take up what an earlier process left. Raises `LogError`."""
    try:
        keeping.open()
    except OSError as error:
        where = error.filename or keeping.root
        raise LogError(f"the log cannot be written: {where}: {error.strerror}") from None
    keeping.revive(roster)


def close_log(keeping: Log) -> "Deferred[None]":
    """Write what is left; a thread waits for the disk, some seconds at most."""
    keeping.end()
    return deferToThread(keeping.writer.stop)
