"""The whole server: starts, reloads and stops all of its parts.

`twistd vspc` uses it by `vspc.cli.tap`, `vspc run` by `vspc.cli.foreground`.
"""

import gc
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

from attrs import evolve
from twisted.application.service import MultiService
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.task import LoopingCall, deferLater
from twisted.logger import ILogObserver
from twisted.python.components import Componentized

from vspc.apps.dispatch import Dispatcher
from vspc.common.clock import ClockWatch
from vspc.common.state_dir import StateError, claim
from vspc.config import Config
from vspc.console.events import Appeared, Continued, Event, Renamed
from vspc.doors.programs.listener import SocketError
from vspc.net.endpoints import CannotListen, raise_limit, shortage_warning
from vspc.net.reactor import in_own_thread
from vspc.net.tls import TlsError
from vspc.server.config_files import start_warnings
from vspc.server.handover.lifecycle import NO_MANAGER, ServiceManager
from vspc.server.log_side import LogError
from vspc.server.parts import ServerParts
from vspc.server.reloader import Reloader
from vspc.ssh.keys import HostKeyError

TICK = 1.0
"""Seconds between checks of migrations, consoles that are away, and the disk."""

SHUTDOWN = "the server is shutting down"
RESTARTING = "restarting, back in a moment"
"""What operators are told; with a service manager that may start it again the latter."""


class VspcService(MultiService):
    """The whole server. Listens when it starts; errors of that are raised from `startService`."""

    def __init__(
        self,
        config: Config,
        reactor: Any,
        log_to: ILogObserver | None = None,
        manager: ServiceManager = NO_MANAGER,
    ) -> None:
        """`manager` has started this process."""
        super().__init__()  # type: ignore[no-untyped-call]
        self._log_to = log_to
        self._reactor = reactor
        self.parts = parts = ServerParts(config, reactor, manager)
        self.live, self.events = parts.live, parts.events
        self.sessions, self.roster = parts.sessions, parts.roster
        self._log = parts.log
        self._reloader = Reloader(parts, self._warn)
        self._tick = LoopingCall(self._on_tick)
        self._previous_hangup: Any = None
        self._clock_watch = ClockWatch(parts.clock)

    def setServiceParent(self, parent: Any) -> None:
        """Under twistd our own log goes where twistd's would have gone (standard output)."""
        if self._log_to is not None and isinstance(parent, Componentized):
            parent.setComponent(ILogObserver, self._log_to)  # type: ignore[no-untyped-call]
        super().setServiceParent(parent)  # type: ignore[no-untyped-call]

    # Starting

    def privilegedStartService(self) -> None:
        """Prepare state and listen, before twistd gives up rights. SystemExit(1) if it fails."""
        try:
            self._open()
        except (
            *(CannotListen, SocketError, StateError),
            *(HostKeyError, TlsError, LogError),
        ) as error:
            # Not sys.stderr: under twistd that is the log by now, and the log may be a file.
            print(f"vspc: {error}", file=sys.__stderr__)
            raise SystemExit(1) from None

    def _open(self) -> None:
        parts, config = self.parts, self.live.config
        self._state = claim(config.state_dir)
        parts.kept.load()
        parts.locks.load()
        pair = parts.pair(config)
        listeners = parts.vm_side.listeners(pair)
        others = (*config.ssh.listen, *config.metrics.listen)
        parts.handover.open([*(description for description, _, _ in listeners), *others])
        parts.handover.restore(parts.vm_side.zones(), parts.vm_side.terms_of)
        parts.logs.open(self.roster, parts.handover.uncertain)
        verbs = parts.verb_context()
        dispatcher = Dispatcher(verbs)
        parts.add_doors(verbs)
        ssh_server, control = parts.operators.open(dispatcher)
        parts.listeners.ports.append(control)
        listeners += [(description, ssh_server, "ssh") for description in config.ssh.listen]
        listeners += parts.metrics.listeners(parts.metric_sources())
        parts.listeners.received = parts.kept_ports.received = parts.handover.received.ports
        parts.doors.claim()
        parts.listeners.open_all(listeners)
        parts.doors.open(pair)
        parts.listeners.close_unclaimed()
        super().privilegedStartService()  # type: ignore[no-untyped-call]

    def startService(self) -> None:
        """Everything is listening: begin to work."""
        parts = self.parts
        super().startService()  # type: ignore[no-untyped-call]
        self._tick.clock = self._reactor
        self._tick.start(TICK, now=False)
        parts.listeners.turn_loop.start()
        parts.audit.start()
        self.events.subscribe(parts.event_log.on_event, *parts.event_log.EVENTS)
        self.events.subscribe(parts.connections.on_event, *parts.connections.EVENTS)
        self.events.subscribe(self._reassess, Appeared, Continued, Renamed)
        parts.metrics.start(self.events)
        parts.doors.start(self.events)
        parts.logs.start(self.events)
        parts.handover.take_up(self._reactor, parts.listeners.turn_loop)
        parts.vm_side.start()
        self._previous_hangup = signal.getsignal(signal.SIGHUP)
        signal.signal(signal.SIGHUP, self._on_hangup)
        self._warn()
        short = shortage_warning(raise_limit())
        if short is not None:
            self._log.warn("few-descriptors", what=short)
        # What exists now stays: a collection that looks through it stops the reactor for 40 ms.
        self._reactor.callWhenRunning(gc.freeze)
        self._reactor.callWhenRunning(self._is_ready)
        self._log.info("started", state_dir=self.live.config.state_dir)

    def _is_ready(self) -> None:
        self.parts.lifecycle.ready(self._summary())

    def _summary(self) -> str:
        """For the service manager."""
        logins = sum(1 for _ in self.sessions)
        return f"{len(self.parts.line_server.sessions)} lines, {logins} logins"

    def _warn(self) -> None:
        """Log what the configuration allows and probably does not intend."""
        config = self.live.config
        for warning in [*config.warnings, *start_warnings(config)]:
            self._log.warn("configuration-warning", what=config.lines.placed(warning))

    def _on_tick(self) -> None:
        parts = self.parts
        tasks: list[Callable[[], object]] = [
            self._watch_clock,
            parts.line_server.tick,
            parts.operators.tick,
            parts.event_log.tick,
            parts.audit.tick,
            lambda: parts.accounting.tick(parts.clock.seconds()),
            parts.logs.tick,
            lambda: parts.metrics.tick(TICK),
            lambda: parts.lifecycle.tick(self._summary),
        ]
        for task in tasks:
            try:
                task()
            except Exception:  # the next second must come all the same
                parts.defect()

    def _watch_clock(self) -> None:
        """Ages and times that are shown follow the time of day; no timer does."""
        moved = self._clock_watch.moved()
        if moved is not None:
            self._log.warn("clock-set", seconds=round(moved, 1))

    def _reassess(self, event: Event) -> None:
        """Rules match names; and the owner of a lock from before a restart may no longer type."""
        parts = self.parts
        if isinstance(event, Appeared | Continued) and (there := self.roster.get(event.console.id)):
            there.reassess(self.live.rights)
        if not isinstance(event, Renamed):
            return
        console = self.roster.get(event.console.id)
        if console is None:
            return
        console.reassess(self.live.rights)
        present = (each.session.operator for each in self.sessions)
        subject = console.subject
        before = evolve(subject, name=event.old_claimed_name)
        operators = self.live.affected(before, subject, present)
        if operators:
            parts.audit.subscriber.renamed(console.ref, before.name, operators)

    # Reloading

    def _on_hangup(self, _number: int, _frame: FrameType | None) -> None:
        self._reactor.callFromThread(self.reload)

    def reload(self) -> None:
        """Read the configuration again: all of it is applied, or none and every mistake logged."""
        self.parts.lifecycle.reloading()
        try:
            self._reloader.reload()
        finally:
            self._is_ready()

    # Stopping

    def stopService(self) -> "Deferred[Any]":
        """End every connection and write what is left; Twisted waits for that."""
        parts = self.parts
        self._log.info("stopping")
        parts.lifecycle.stopping()
        parts.handover.freeze(self.sessions)
        parts.metrics.stopping()
        if self._previous_hangup is not None:
            signal.signal(signal.SIGHUP, self._previous_hangup)
        if self._tick.running:
            self._tick.stop()
        parts.logs.stopping(parts.handover.continuing())
        parts.locks.stop()
        continues = parts.handover.store is not None
        text = RESTARTING if continues else SHUTDOWN
        parts.doors.close(text)
        parts.vm_side.stop(parts.handover.continues)
        parts.outbound.close()
        parts.asked_for.close()
        told: Deferred[None] = deferLater(self._reactor, parts.operators.close(text, continues))
        stopped: Deferred[Any] = super().stopService()  # type: ignore[no-untyped-call]
        ports = [each for each in parts.doors.listening() if not parts.handover.keeps(each)]
        closing = [port.stopListening() for port in ports]
        waiting = [d for d in [told, stopped, *closing] if isinstance(d, Deferred)]
        done: Deferred[Any] = DeferredList(waiting, consumeErrors=True)
        # Connections that have closed and wait for their turn are reported first.
        done.addBoth(lambda _: parts.scheduler.stop())
        done.addBoth(lambda _: parts.metrics.stop())
        done.addBoth(lambda _: parts.listeners.turn_loop.stop())
        done.addBoth(lambda _: parts.logs.stop())
        done.addBoth(self._stop_audit)
        done.addBoth(lambda _: parts.handover.leave())
        return done.addBoth(lambda _: parts.lifecycle.stopped())

    def _stop_audit(self, _result: object) -> "Deferred[None]":
        self.parts.accounting.close()
        self.parts.audit.end()
        return in_own_thread(self._reactor, self.parts.audit.stop)
