"""All parts of the server, made and introduced to each other.

Tables are made here and nowhere else.
"""

import os
import resource
from contextlib import suppress
from typing import Any

from twisted.logger import Logger

from vspc import __version__
from vspc.apps.verbs.context import VerbContext
from vspc.apps.verbs.limits import WorkPool
from vspc.audit.service import AuditService
from vspc.common.clock import rfc3339
from vspc.config import Config
from vspc.console.connection_history import ConnectionHistory
from vspc.console.context import ConsoleContext, Wakeups
from vspc.console.events import EventBus
from vspc.console.history import Budget
from vspc.console.peers import PeerTable
from vspc.console.roster import Roster
from vspc.console.sessions import Sessions
from vspc.doors.metrics.sources import MetricSources
from vspc.net.endpoints import Listeners
from vspc.net.kept_ports import KeptPorts
from vspc.net.limits import Refusals
from vspc.net.outbound import Outbound
from vspc.net.reactor import ReactorClock, ThreadRunner
from vspc.net.scheduler import Scheduler
from vspc.net.tls import Pair, load_pair
from vspc.net.turn_loop import TurnLoop
from vspc.server.door_side import DoorSide
from vspc.server.events import EventLog
from vspc.server.handover.handover import Handover
from vspc.server.handover.lifecycle import Lifecycle, ServiceManager
from vspc.server.kept import KeptLocks, KeptTexts
from vspc.server.log_side import LogSide
from vspc.server.logins import LoginService
from vspc.server.metrics_side import MetricsSide
from vspc.server.operator_side import OperatorSide, quota
from vspc.server.own_log import event_reporter
from vspc.server.reload import Live
from vspc.server.vm_side import VmSide
from vspc.vm.context import LineTimeouts
from vspc.vm.dial import DialContext, Diallers
from vspc.vm.server import LineServer


class ServerParts:
    """What the server consists of. Nothing listens or runs yet; `manager` has started this process.
    The doors are there after `add_doors`.
    """

    def __init__(self, config: Config, reactor: Any, manager: ServiceManager) -> None:
        self.log = Logger(namespace="vspc.server.service")
        self.reactor = reactor
        self.started = config
        self.live = Live(config)
        self.clock = clock = ReactorClock(reactor)
        self.events = EventBus(self.defect)
        self.logs = LogSide(config, clock, reactor, self.defect)
        self.audit = AuditService(
            config.audit,
            config.state_dir,
            reactor,
            clock,
            self.events,
            event_reporter("vspc.audit"),
            self.defect,
        )
        self.budget = Budget(config.console.history_total)
        self.refusals = Refusals()
        self.event_log = EventLog(self.log, clock, self.refusals)
        self.scheduler = Scheduler(reactor.callLater, clock.seconds)
        self.sessions = Sessions(lambda: quota(self.live.config.ssh))
        self.kept = KeptTexts(config.state_dir, ThreadRunner(reactor))
        turn_loop = TurnLoop(reactor)
        context = self._console_context(config, turn_loop)
        self.accounting = context.accounting
        self.locks = KeptLocks(config.state_dir, ThreadRunner(reactor), context.locks)
        self.roster = Roster(context, config.console.forget_after)
        self.counts = context.counts
        self.metrics = self._metrics_side()
        self.logins = self._login_service()
        self.operators = self._operator_side()
        self.doors: DoorSide  # since `add_doors`
        self.line_server = self._make_line_server(config)
        # One each: what VMs ask for holds up nothing that the configuration names.
        self.outbound, self.asked_for = (Outbound(reactor, clock, self.defect) for _ in range(2))
        self.vm_side = VmSide(
            lambda: self.live.config,
            self.line_server,
            clock.seconds,
            self.refusals,
            Diallers(DialContext(self.line_server, self.outbound), self.events),
        )
        self.lifecycle = Lifecycle.of(manager, reactor, clock)
        self.handover = Handover(manager, self.lifecycle, self.line_server, self.events)
        self.listeners = Listeners(
            reactor, self.log, store=self.handover.store, turn_loop=turn_loop
        )
        self.kept_ports = KeptPorts(reactor, self.handover.store)
        self._since = clock.wall()
        self._began = clock.seconds()
        self.connections = ConnectionHistory(clock.wall)

    def _console_context(self, config: Config, turn_loop: TurnLoop) -> ConsoleContext:
        return ConsoleContext(
            self.clock,
            self.budget,
            Wakeups(turn_loop.at_end, self.defect),
            self.events,
            config.console.history,
            self.logs.observer,
            self.audit.recorder,
            lambda: self.live.config.console.pen_idle,
            self.sessions,
            ask_timeout=lambda: self.live.config.console.ask_timeout,
            approve_timeout=lambda: self.live.config.console.approve_timeout,
            descriptions=self.kept.descriptions,
        )

    def _make_line_server(self, config: Config) -> LineServer:
        return LineServer(
            self.roster,
            PeerTable(config.vm.vmotion_timeout),
            self.clock,
            self.refusals,
            LineTimeouts(config.vm.identify_timeout, config.vm.probe_timeout),
            scheduler=self.scheduler,
        )

    def _metrics_side(self) -> MetricsSide:
        return MetricsSide(
            self.live,
            self.clock,
            self.reactor,
            self.roster,
            self.refusals,
            self.defect,
            self.log,
        )

    def _login_service(self) -> LoginService:
        audit, counts = self.audit, self.metrics.logins
        return LoginService(
            self.sessions, audit.recorder, audit.login_recorder, self.clock.wall, counts
        )

    def _operator_side(self) -> OperatorSide:
        return OperatorSide(
            self.live,
            self.sessions,
            self.logins,
            self.clock,
            self.reactor,
            self.scheduler,
            self.refusals,
            self.defect,
        )

    def defect(self) -> None:
        """Log the exception of a subscriber or an attachment; others are not affected, not even if
        there is no memory for that.
        """
        with suppress(MemoryError):
            self.log.failure("defect")

    def pair(self, config: Config) -> Pair:
        """The certificate of `config`; a self-signed one stays in the state_dir of this process."""
        return load_pair(config.tls.certificate, config.tls.private_key, self.started.state_dir)

    def verb_context(self) -> VerbContext:
        """What verbs work with."""
        return VerbContext(
            self.roster,
            self.live.rights,
            self.clock,
            self.line_server,
            logs=self.logs.store,
            alerts=self.logs.alerts,
            panics=self.logs.panics,
            history_limit=self.live.history_limit,
            audit=self.audit.recorder,
            sessions=self.sessions,
            lockouts=self.operators.lockouts,
            audit_reader=self.audit.reader,
            work_pool=WorkPool(ThreadRunner(self.reactor), self.clock.seconds, self.defect),
            status=self.facts,
            is_operator=lambda name: name in self.live.directory.operators,
            current=self.live.current,
            escape=lambda: self.live.config.ssh.escape,
            connections=self.connections,
            setup=self.vm_side.setup,
            events=self.events,
            bookmarks=self.kept.bookmarks,
            interruptions=self.handover.interruptions,
            groups=self.live.groups,
            break_sequences=self.live.break_sequences,
            profile=self.live.profile,
        )

    def add_doors(self, verbs: VerbContext) -> None:
        """Make the doors that are not for operators."""
        self.doors = DoorSide(
            self.live,
            verbs,
            self.operators.lockouts,
            self.logins,
            self.asked_for,
            self.scheduler,
            self.refusals,
            self.listeners,
            self.kept_ports,
        )

    def metric_sources(self) -> MetricSources:
        """What can be measured."""
        metrics = self.metrics
        return MetricSources(
            self.clock,
            self.line_server,
            self.counts,
            self.budget,
            metrics.events,
            metrics.logins,
            self.sessions,
            self.operators.lockouts,
            metrics.selection,
            self.logs.log,
            self.logs.alerts,
            lambda: self.logs.panics.seen,
            self.audit,
            self.scheduler,
            metrics.turns,
            metrics.lag,
            metrics.beat,
            self.operators.counts,
            self.vm_side.diallers.condition,
            lambda: self.vm_side.validity,
            metrics.reloads,
            lambda: metrics.why_not_ready,
        )

    def facts(self) -> dict[str, object]:
        """What `status` prints, sizes in bytes. Nothing here waits for the disk."""
        now = self.clock.wall()
        return {
            "version": __version__,
            "pid": os.getpid(),
            "since": rfc3339(self._since),
            "uptime_seconds": round(self.clock.seconds() - self._began),
            "largest_memory_kib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
            **self.vm_side.condition(now),
            "remote_systems": self.doors.remote_systems(),
            "ssh": self.operators.condition(),
            "sockets": self.doors.sockets(),
            "history": {"used": self.budget.used, "total": self.budget.total},
            **self.logs.condition(),
            "audit": self.audit.condition(),
            "metrics": self.metrics.condition(),
            "limits_hit": dict(self.audit.recorder.limits()),
        }
