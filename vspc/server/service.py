"""The whole server: builds every part, connects them, starts, reloads and stops them.

Tables are made here and nowhere else. `twistd vspc` uses it by `vspc.cli.tap`, `vspc run` by
`vspc.cli.foreground`.
"""

import gc
import os
import resource
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

from attrs import evolve
from twisted.application.service import MultiService
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.task import LoopingCall, deferLater
from twisted.internet.threads import deferToThread
from twisted.logger import ILogObserver, Logger
from twisted.python.components import Componentized

from vspc import __version__
from vspc.apps.dispatch import Dispatcher
from vspc.apps.verbs.context import VerbContext
from vspc.apps.verbs.limits import WorkPool
from vspc.audit.service import AuditService
from vspc.common.clock import ClockWatch, rfc3339
from vspc.common.state_dir import StateError, claim
from vspc.config import Config, ConfigError
from vspc.console.connection_history import ConnectionHistory
from vspc.console.context import ConsoleContext, Wakeups
from vspc.console.events import Appeared, Continued, Event, EventBus, Renamed, RulesChanged
from vspc.console.history import Budget
from vspc.console.peers import PeerTable
from vspc.console.roster import Roster
from vspc.console.sessions import Sessions
from vspc.doors.metrics.sources import MetricSources
from vspc.doors.programs.door import SocketChanges, SocketError
from vspc.net.endpoints import CannotListen, Listeners, raise_limit, shortage_warning
from vspc.net.limits import Refusals
from vspc.net.outbound import Outbound
from vspc.net.reactor import ReactorClock, ThreadRunner
from vspc.net.scheduler import Scheduler
from vspc.net.tls import Pair, TlsError, load_pair
from vspc.server.config_files import load_with_files, start_warnings
from vspc.server.door_side import DoorSide
from vspc.server.events import EventLog
from vspc.server.handover.handover import Handover
from vspc.server.handover.lifecycle import NO_MANAGER, Lifecycle, ServiceManager
from vspc.server.kept import KeptLocks, KeptTexts
from vspc.server.log_side import LogError, LogSide
from vspc.server.logins import LoginService
from vspc.server.metrics_side import MetricsSide
from vspc.server.operator_side import OperatorSide, quota
from vspc.server.own_log import event_reporter
from vspc.server.reload import Live, changes, needs_restart
from vspc.server.vm_side import VmSide
from vspc.ssh.keys import HostKeyError
from vspc.vm.context import LineTimeouts
from vspc.vm.dial import DialContext, Diallers
from vspc.vm.server import LineServer

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
        self._log = Logger(namespace="vspc.server.service")
        self._reactor = reactor
        self._log_to = log_to
        self._started = config
        self.live = Live(config)
        self._clock = clock = ReactorClock(reactor)
        self.events = EventBus(self._defect)
        self._logs = LogSide(config, clock, reactor, self._defect)
        self._audit = AuditService(
            config.audit,
            config.state_dir,
            reactor,
            clock,
            self.events,
            event_reporter("vspc.audit"),
            self._defect,
        )
        self._budget = Budget(config.console.history_total)
        self._refusals = Refusals()
        self._event_log = EventLog(self._log, clock, self._refusals)
        self._scheduler = Scheduler(reactor.callLater, clock.seconds)
        self.sessions = Sessions(lambda: quota(self.live.config.ssh))
        self._kept = KeptTexts(config.state_dir, ThreadRunner(reactor))
        context = self._console_context(config)
        self._accounting = context.accounting
        self._locks = KeptLocks(config.state_dir, ThreadRunner(reactor), context.locks)
        self.roster = Roster(context, config.console.forget_after)
        self._counts = context.counts
        self._metrics = self._metrics_side()
        self._logins = self._login_service()
        self._operators = self._operator_side()
        self._doors: DoorSide  # once it is open
        self._line_server = self._make_line_server(config)
        # One each: what VMs ask for holds up nothing that the configuration names.
        self._outbound, self._asked_for = (Outbound(reactor, clock, self._defect) for _ in range(2))
        self._vm_side = VmSide(
            lambda: self.live.config,
            self._line_server,
            clock.seconds,
            self._refusals,
            Diallers(DialContext(self._line_server, self._outbound), self.events),
        )
        self._lifecycle = Lifecycle.of(manager, reactor, clock)
        self._handover = Handover(manager, self._lifecycle, self._line_server, self.events)
        self._tick = LoopingCall(self._on_tick)
        self._listeners = Listeners(reactor, self._log, store=self._handover.store)
        self._previous_hangup: Any = None
        self._since = clock.wall()
        self._began = clock.seconds()
        self._clock_watch = ClockWatch(clock)
        self._connections = ConnectionHistory(clock.wall)

    def _console_context(self, config: Config) -> ConsoleContext:
        reactor = self._reactor
        return ConsoleContext(
            self._clock,
            self._budget,
            Wakeups(lambda call: reactor.callLater(0, call) and None, self._defect),
            self.events,
            config.console.history,
            self._logs.observer,
            self._audit.recorder,
            lambda: self.live.config.console.pen_idle,
            self.sessions,
            ask_timeout=lambda: self.live.config.console.ask_timeout,
            approve_timeout=lambda: self.live.config.console.approve_timeout,
            descriptions=self._kept.descriptions,
        )

    def _make_line_server(self, config: Config) -> LineServer:
        return LineServer(
            self.roster,
            PeerTable(config.vm.vmotion_timeout),
            self._clock,
            self._refusals,
            LineTimeouts(config.vm.identify_timeout, config.vm.probe_timeout),
            scheduler=self._scheduler,
        )

    def _metrics_side(self) -> MetricsSide:
        return MetricsSide(
            self.live,
            self._clock,
            self._reactor,
            self.roster,
            self._refusals,
            self._defect,
            self._log,
        )

    def _login_service(self) -> LoginService:
        audit, counts = self._audit, self._metrics.logins
        return LoginService(
            self.sessions, audit.recorder, audit.login_recorder, self._clock.wall, counts
        )

    def _operator_side(self) -> OperatorSide:
        return OperatorSide(
            self.live,
            self.sessions,
            self._logins,
            self._clock,
            self._reactor,
            self._scheduler,
            self._refusals,
            self._defect,
        )

    def _defect(self) -> None:
        """Log the exception of a subscriber or an attachment; others are not affected."""
        self._log.failure("defect")

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
        config = self.live.config
        self._state = claim(config.state_dir)
        self._kept.load()
        self._locks.load()
        pair = self._pair(config)
        listeners = self._vm_side.listeners(pair)
        others = (*config.ssh.listen, *config.metrics.listen)
        self._handover.open([*(description for description, _, _ in listeners), *others])
        self._handover.restore(self._vm_side.zones(), self._vm_side.terms_of)
        self._logs.open(self.roster, self._handover.uncertain)
        verbs = self._verb_context()
        dispatcher = Dispatcher(verbs)
        self._doors = self._door_side(verbs)
        ssh_server, control = self._operators.open(dispatcher)
        self._listeners.ports.append(control)
        listeners += [(description, ssh_server, "ssh") for description in config.ssh.listen]
        listeners += self._metrics.listeners(self._metric_sources())
        self._listeners.received = self._handover.received.ports
        self._listeners.open_all(listeners)
        self._doors.open(pair)
        super().privilegedStartService()  # type: ignore[no-untyped-call]

    def _metric_sources(self) -> MetricSources:
        metrics = self._metrics
        return MetricSources(
            self._clock,
            self._line_server,
            self._counts,
            self._budget,
            metrics.events,
            metrics.logins,
            self.sessions,
            self._operators.lockouts,
            metrics.selection,
            self._logs.log,
            self._logs.alerts,
            lambda: self._logs.panics.seen,
            self._audit,
            self._scheduler,
            metrics.turns,
            metrics.lag,
            metrics.beat,
            self._operators.counts,
            self._vm_side.diallers.condition,
            lambda: self._vm_side.validity,
            metrics.reloads,
            lambda: metrics.why_not_ready,
        )

    def _door_side(self, verbs: VerbContext) -> DoorSide:
        return DoorSide(
            self.live,
            verbs,
            self._operators.lockouts,
            self._logins,
            self._asked_for,
            self._scheduler,
            self._refusals,
            self._listeners.ports,
        )

    def _pair(self, config: Config) -> Pair:
        """The certificate of `config`; a self-signed one stays in the state_dir of this process."""
        return load_pair(config.tls.certificate, config.tls.private_key, self._started.state_dir)

    def _verb_context(self) -> VerbContext:
        return VerbContext(
            self.roster,
            self.live.rights,
            self._clock,
            self._line_server,
            logs=self._logs.store,
            alerts=self._logs.alerts,
            panics=self._logs.panics,
            history_limit=self.live.history_limit,
            audit=self._audit.recorder,
            sessions=self.sessions,
            lockouts=self._operators.lockouts,
            audit_reader=self._audit.reader,
            work_pool=WorkPool(ThreadRunner(self._reactor), self._clock.seconds, self._defect),
            status=self._facts,
            is_operator=lambda name: name in self.live.directory.operators,
            current=self.live.current,
            escape=lambda: self.live.config.ssh.escape,
            connections=self._connections,
            setup=self._vm_side.setup,
            events=self.events,
            bookmarks=self._kept.bookmarks,
            interruptions=self._handover.interruptions,
            groups=self.live.groups,
            break_sequences=self.live.break_sequences,
            profile=self.live.profile,
        )

    def _facts(self) -> dict[str, object]:
        """What `status` prints, sizes in bytes. Nothing here waits for the disk."""
        now = self._clock.wall()
        return {
            "version": __version__,
            "pid": os.getpid(),
            "since": rfc3339(self._since),
            "uptime_seconds": round(self._clock.seconds() - self._began),
            "largest_memory_kib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
            **self._vm_side.condition(now),
            "remote_systems": self._doors.remote_systems(),
            "ssh": self._operators.condition(),
            "sockets": self._doors.sockets(),
            "history": {"used": self._budget.used, "total": self._budget.total},
            **self._logs.condition(),
            "audit": self._audit.condition(),
            "metrics": self._metrics.condition(),
            "limits_hit": dict(self._audit.recorder.limits()),
        }

    def startService(self) -> None:
        """Everything is listening: begin to work."""
        super().startService()  # type: ignore[no-untyped-call]
        self._tick.clock = self._reactor
        self._tick.start(TICK, now=False)
        self._audit.start()
        self.events.subscribe(self._event_log.on_event)
        self.events.subscribe(self._connections.on_event)
        self.events.subscribe(self._reassess)
        self._metrics.start(self.events)
        self._doors.start(self.events)
        self._logs.start(self.events)
        self._handover.take_up(self._reactor)
        self._vm_side.start()
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
        self._lifecycle.ready(self._summary())

    def _summary(self) -> str:
        """For the service manager."""
        logins = sum(1 for _ in self.sessions)
        return f"{len(self._line_server.sessions)} lines, {logins} logins"

    def _warn(self) -> None:
        """Log what the configuration allows and probably does not intend."""
        config = self.live.config
        for warning in [*config.warnings, *start_warnings(config)]:
            self._log.warn("configuration-warning", what=config.lines.placed(warning))

    def _on_tick(self) -> None:
        tasks: list[Callable[[], object]] = [
            self._watch_clock,
            self._line_server.tick,
            self._operators.tick,
            self._event_log.tick,
            lambda: self._accounting.tick(self._clock.seconds()),
            self._logs.tick,
            lambda: self._metrics.tick(TICK),
            lambda: self._lifecycle.tick(self._summary),
        ]
        for task in tasks:
            try:
                task()
            except Exception:  # the next second must come all the same
                self._defect()

    def _watch_clock(self) -> None:
        """Ages and times that are shown follow the time of day; no timer does."""
        moved = self._clock_watch.moved()
        if moved is not None:
            self._log.warn("clock-set", seconds=round(moved, 1))

    def _reassess(self, event: Event) -> None:
        """Rules match names; and the owner of a lock from before a restart may no longer type."""
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
            self._audit.subscriber.renamed(console.ref, before.name, operators)

    # Reloading

    def _on_hangup(self, _number: int, _frame: FrameType | None) -> None:
        self._reactor.callFromThread(self.reload)

    def reload(self) -> None:
        """Read the configuration again: all of it is applied, or none and every mistake logged."""
        self._lifecycle.reloading()
        try:
            self._reload()
        finally:
            self._is_ready()

    def _reload(self) -> None:
        self._audit.reopen()
        try:
            config = load_with_files(self._started.path, self._operators.unread)
            sockets = self._prepare(config, self._pair(config))
        except (SocketError, TlsError) as error:
            self._log.error("reload-refused", what=str(error))
            self._audit.recorder.record("reload-failed", reason=str(error))
            self._metrics.reload_refused()
            return
        except ConfigError as error:
            for mistake in error.mistakes:
                self._log.error("reload-mistake", what=str(mistake))
            self._log.error("reload-refused", mistakes=len(error.mistakes))
            self._audit.recorder.record("reload-failed", mistakes=len(error.mistakes))
            self._metrics.reload_refused()
            return
        self._apply(config, sockets)

    def _prepare(self, config: Config, pair: Pair) -> SocketChanges:
        """All of a reload that can fail. Raises `SocketError` or `TlsError`."""
        sockets = self._doors.prepare(config, pair)
        try:
            self._vm_side.reload(config, pair)
        except TlsError:
            sockets.cancel()
            raise
        return sockets

    def _apply(self, config: Config, sockets: SocketChanges) -> None:
        changed = changes(self.live.config, config)
        self.live.take(config)
        self._audit.reload(config.audit)
        self._logs.reload(config)
        self._metrics.reload(config)
        for console in self.roster:
            console.reassess(self.live.rights)
        self.events.publish(RulesChanged())
        self._warn()
        restart = needs_restart(self._started, config)
        for key in restart:
            self._log.warn("reload-needs-restart", key=key)
        ended = self._operators.reload(config) + sockets.apply()
        self._doors.reload()
        self._log.info("reloaded", path=config.path, logins_ended=ended)
        self._audit.recorder.record(
            "reload", changed=" ".join(changed), restart=" ".join(restart), ended=ended
        )

    # Stopping

    def stopService(self) -> "Deferred[Any]":
        """End every connection and write what is left; Twisted waits for that."""
        self._log.info("stopping")
        self._lifecycle.stopping()
        self._handover.freeze(self.sessions)
        self._metrics.stopping()
        if self._previous_hangup is not None:
            signal.signal(signal.SIGHUP, self._previous_hangup)
        if self._tick.running:
            self._tick.stop()
        self._logs.stopping(self._handover.continuing())
        self._locks.stop()
        continues = self._handover.store is not None
        text = RESTARTING if continues else SHUTDOWN
        self._doors.close(text)
        self._vm_side.stop(self._handover.continues)
        self._outbound.close()
        self._asked_for.close()
        told: Deferred[None] = deferLater(self._reactor, self._operators.close(text, continues))
        stopped: Deferred[Any] = super().stopService()  # type: ignore[no-untyped-call]
        ports = [each for each in self._doors.listening() if not self._handover.keeps(each)]
        closing = [port.stopListening() for port in ports]
        waiting = [d for d in [told, stopped, *closing] if isinstance(d, Deferred)]
        done: Deferred[Any] = DeferredList(waiting, consumeErrors=True)
        # Connections that have closed and wait for their turn are reported first.
        done.addBoth(lambda _: self._scheduler.stop())
        done.addBoth(lambda _: self._metrics.stop())
        done.addBoth(lambda _: self._logs.stop())
        done.addBoth(self._stop_audit)
        done.addBoth(lambda _: self._handover.leave())
        return done.addBoth(lambda _: self._lifecycle.stopped())

    def _stop_audit(self, _result: object) -> "Deferred[None]":
        self._accounting.close()
        self._audit.end()
        return deferToThread(self._audit.stop)
