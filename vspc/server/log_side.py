"""What becomes of the output of VMs: the log, alerts, what is kept of panics; opened, reloaded, and
closed.
"""

from collections.abc import Callable, Container, Set
from typing import Any

from twisted.internet.defer import Deferred

from vspc.alerts.matching import FoundLine
from vspc.alerts.service import AlertContext, AlertService
from vspc.common.clock import Clock
from vspc.common.worker import WorkerPool
from vspc.config import Config
from vspc.console.console import Console
from vspc.console.context import OutputObserver
from vspc.console.events import EventBus
from vspc.console.logs import LogStore
from vspc.console.roster import Roster
from vspc.log.log import Log
from vspc.log.panics import PanicBox
from vspc.net.reactor import in_own_thread
from vspc.server.own_log import event_reporter


class LogError(Exception):
    """The log cannot be written; the text says why."""


QUEUE, PANICS = "alerts", "panics"
"""Directories in state_dir: alerts that are not delivered yet, and what is kept of panics."""


class LogSide:
    """The log of all consoles, None where `log.enabled` is false, and the alerts."""

    def __init__(
        self, config: Config, clock: Clock, reactor: Any, failed: Callable[[], None]
    ) -> None:
        in_reactor: Callable[[Callable[[], None]], None]
        self._reactor = reactor
        in_reactor = lambda call: reactor.callFromThread(call)  # noqa: E731, PLW0108  some have none
        self.log: Log | None = None
        if config.log.enabled:
            report = event_reporter("vspc.log")
            self.log = Log(config.state_dir / "log", config.log, clock, in_reactor, report, failed)
        self.alerts = AlertService(
            AlertContext(
                reactor,
                clock,
                in_reactor,
                event_reporter("vspc.alerts"),
                failed,
            ),
            config.state_dir / QUEUE,
            OutputObserver() if self.log is None else self.log.recorder,
        )
        self.panics = PanicBox(
            config.state_dir / PANICS,
            config.panics,
            clock,
            in_reactor,
            event_reporter("vspc.panics"),
            WorkerPool("panics", failed),
            failed,
            self.store,
        )
        self.alerts.panicked = self._panicked
        self._config = config

    def _panicked(self, console: Console, line: FoundLine, pattern: str) -> int | None:
        return self.panics.freeze(console, line.offset, line.text, pattern)

    @property
    def observer(self) -> OutputObserver:
        """What consoles report their output to."""
        return self.alerts.observer

    @property
    def store(self) -> LogStore | None:
        """What verbs read logs from."""
        return None if self.log is None else self.log.queries

    def open(self, roster: Roster, uncertain: Container[str] = ()) -> None:
        """Load what an earlier process left, consoles that are away included. `roster` has those
        that it has handed over; of `uncertain` ones it is not known how far they were. `LogError`.
        """
        self.alerts.find = self.panics.find = roster.get
        what = "alerts"
        try:
            self.alerts.open(self._config.alert)
            self.panics.open()
            what = "log"
            if self.log is not None:
                self.log.open(
                    {
                        c.id: c.history.end
                        for c in roster
                        if not (c.quarantined or c.id in uncertain)
                    }
                )
        except OSError as error:
            where = error.filename or self._config.state_dir
            raise LogError(f"the {what} cannot be written: {where}: {error.strerror}") from None
        if self.log is not None:
            self.log.revive(roster)

    def start(self, events: EventBus) -> None:
        """Begin to write."""
        if self.log is not None:
            self.log.start()
            events.subscribe(self.log.handle, *self.log.EVENTS)
        self.alerts.start(self._config.alert)
        self.panics.start()
        events.subscribe(self.alerts.handle, *self.alerts.EVENTS)

    def tick(self) -> None:
        """Call it every second."""
        if self.log is not None:
            self.log.check()
        self.alerts.tick()
        self.panics.tick()

    def reload(self, config: Config) -> None:
        """`config` is in force from now on, as far as it needs no restart."""
        if self.log is not None:
            self.log.reload(config.log)
        self.alerts.reload(config.alert)
        self.panics.reload(config.panics)

    def condition(self) -> dict[str, object]:
        """For `status`."""
        if self.log is None:
            return {"log": "off"}
        damage = {"log_damage": list(self.log.damage)} if self.log.damage else {}
        return {"log": "failing" if self.log.writer.failing else "written", **damage}

    def stopping(self, continuing: Set[str] = frozenset()) -> None:
        """From now on lines close because the server stops, except those of the consoles with the
        ids `continuing`.
        """
        if self.log is not None:
            self.log.ending(continuing)

    def stop(self) -> "Deferred[None]":
        """Write what is left; a thread waits for the disk, some seconds at most."""
        self.alerts.end()
        self.panics.end()
        if self.log is not None:
            self.log.end()
        return in_own_thread(self._reactor, self._stop)

    def _stop(self) -> None:
        self.alerts.stop()
        self.panics.stop()
        if self.log is not None:
            self.log.stop()
