"""The log's side of the server: made, opened, followed through reloads, and closed."""

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.threads import deferToThread

from vspc.common.clock import Clock
from vspc.config import Config
from vspc.config.settings import LogSettings
from vspc.console.context import OutputObserver
from vspc.console.events import EventBus
from vspc.console.logs import LogStore
from vspc.console.roster import Roster
from vspc.log.log import Log
from vspc.server.own_log import event_reporter


class LogError(Exception):
    """The log cannot be written; the text says why."""


class LogSide:
    """The log of all consoles; `log` is None where `log.enabled` is false, and all of it idle."""

    def __init__(
        self, config: Config, clock: Clock, reactor: Any, failed: Callable[[], None]
    ) -> None:
        self.log: Log | None = None
        if config.log.enabled:
            self.log = Log(
                config.state_dir / "log",
                config.log,
                clock,
                lambda call: reactor.callFromThread(call),  # noqa: PLW0108  tests give one without
                event_reporter("vspc.log"),
                failed,
            )

    @property
    def observer(self) -> OutputObserver:
        """What consoles report their output to."""
        return OutputObserver() if self.log is None else self.log.recorder

    @property
    def store(self) -> LogStore | None:
        """What verbs read logs from."""
        return None if self.log is None else self.log.queries

    def open(self, roster: Roster) -> None:
        """Load what an earlier process left, consoles that are away included. `LogError`."""
        if self.log is None:
            return
        try:
            self.log.open()
        except OSError as error:
            where = error.filename or self.log.root
            raise LogError(f"the log cannot be written: {where}: {error.strerror}") from None
        self.log.revive(roster)

    def start(self, events: EventBus) -> None:
        """Begin to write."""
        if self.log is not None:
            self.log.start()
            events.subscribe(self.log.handle)

    def tick(self) -> None:
        """Call it every second."""
        if self.log is not None:
            self.log.check()

    def reload(self, settings: LogSettings) -> None:
        """`settings` are in force from now on, as far as they need no restart."""
        if self.log is not None:
            self.log.reload(settings)

    def condition(self) -> dict[str, object]:
        """For `status`."""
        if self.log is None:
            return {"log": "off"}
        damage = {"log_damage": list(self.log.damage)} if self.log.damage else {}
        return {"log": "failing" if self.log.writer.failing else "written", **damage}

    def stopping(self) -> None:
        """From now on lines close because the server stops."""
        if self.log is not None:
            self.log.ending()

    def stop(self) -> "Deferred[None]":
        """Write what is left; a thread waits for the disk, some seconds at most."""
        if self.log is None:
            return succeed(None)
        self.log.end()
        return deferToThread(self.log.stop)
