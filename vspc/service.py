"""Builds every room and introduces them to each other. Here, and nowhere else, are the tables made.

`makeService` is what `twistd vspc` calls; `vspc run` builds the same service without twistd.
"""

import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IListeningPort
from twisted.internet.protocol import Factory
from twisted.internet.task import LoopingCall
from twisted.logger import ILogObserver, Logger
from twisted.python import usage
from twisted.python.components import Componentized

from vspc.clock import ReactorClock
from vspc.config import Config, ConfigError
from vspc.console.audit import Audit, NoAudit
from vspc.console.happenings import Happening, Happenings, Renamed
from vspc.console.history import Budget
from vspc.console.lineside import NoTap, Shop
from vspc.console.peers import PeerTable
from vspc.console.roster import Roster
from vspc.console.wakeups import Wakeups
from vspc.files import load_with_files
from vspc.guests import Unrecorded
from vspc.logside import LogError, close_log, make_log, open_log
from vspc.net.descriptors import Watch, raise_limit, shortage
from vspc.net.endpoints import server
from vspc.net.limits import Refusals
from vspc.net.tls import Pair, TlsError, load_pair
from vspc.operatorside import OperatorSide
from vspc.record import record, record_suspicion, suspicion
from vspc.reload import Live, needs_restart
from vspc.serverlog import ServerLog
from vspc.ssh.keys import HostKeyError
from vspc.statedir import StateError, claim
from vspc.verbs.call import World
from vspc.vm.door import Door as VmDoor
from vspc.vm.door import Waits
from vspc.vmside import VmSide

TICK = 1.0
"""Seconds between looks at migrations and away consoles."""

GOODBYE = "the concentrator is shutting down"


class VspcService(MultiService):
    """The whole server. Listens when it starts; errors of that are raised from `startService`."""

    def __init__(self, config: Config, reactor: Any, log_to: ILogObserver | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._log = Logger(namespace="vspc.service")
        self._reactor = reactor
        self._log_to = log_to
        self._started = config
        self.live = Live(config)
        self._clock = clock = ReactorClock(reactor)
        self.happenings = Happenings(self._defect)
        wakeups = Wakeups(lambda call: reactor.callLater(0, call) and None, self._defect)
        self._keeping = make_log(config, clock, reactor, self._defect)
        self._audit: Audit = NoAudit()
        self._recording = Unrecorded()
        shop = Shop(
            clock,
            Budget(config.console.history_total),
            wakeups,
            self.happenings,
            config.console.history,
            NoTap() if self._keeping is None else self._keeping.recorder,
        )
        self._ledger = shop.ledger
        self._operators = OperatorSide(
            self.live,
            clock,
            reactor,
            self.happenings,
            self._audit,
            self._recording,
            self._defect,
        )
        self.roster = Roster(shop, config.console.forget_after)
        self._refusals = Refusals()
        self._suspicions = Refusals()
        self._descriptors = Watch()
        self._vm_door = VmDoor(
            self.roster,
            PeerTable(config.vm.vmotion_timeout),
            clock,
            self._refusals,
            Waits(config.vm.identify_timeout, config.vm.probe_timeout),
        )
        self._vm_side = VmSide(
            lambda: self.live.config, self._vm_door, clock.seconds, self._refusals
        )
        self._tick = LoopingCall(self._on_tick)
        self._ports: list[IListeningPort] = []
        self._previous_hangup: Any = None

    def _defect(self) -> None:
        """A subscriber or an attachment raised: ours to mend, nobody else's to suffer."""
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
        except (CannotListen, StateError, HostKeyError, TlsError, LogError) as error:
            # Not sys.stderr: under twistd that is the log by now, and the log may be a file.
            print(f"vspc: {error}", file=sys.__stderr__)
            raise SystemExit(1) from None

    def _open(self) -> None:
        config = self.live.config
        self._state = claim(config.state_dir)
        if self._keeping is not None:
            open_log(self._keeping, self.roster)
        ssh_door, control = self._operators.open(self._world(), self._refusals)
        self._ports.append(control)
        for description, factory, what in self._vm_side.listeners(self._pair(config)):
            self._listen(description, factory, what)
        for description in config.ssh.listen:
            self._listen(description, ssh_door, "ssh")
        super().privilegedStartService()  # type: ignore[no-untyped-call]

    def _pair(self, config: Config) -> Pair:
        """The certificate of `config`; a self-signed one stays in the state_dir of this process."""
        return load_pair(config.tls.certificate, config.tls.private_key, self._started.state_dir)

    def _world(self) -> World:
        return World(
            self.roster,
            self.live.rights,
            self._clock,
            self._vm_door,
            None if self._keeping is None else self._keeping.archive,
            self.live.history_limit,
            self._audit,
            self._operators.sessions,
            self._operators.lockouts,
        )

    def _listen(self, description: str, factory: Factory, what: str) -> None:
        endpoint = server(self._reactor, description)
        failures: list[Any] = []
        listening: Deferred[IListeningPort] = endpoint.listen(factory)
        listening.addCallbacks(self._ports.append, failures.append)
        if failures:
            reason = failures[0].getErrorMessage()
            raise CannotListen(f"cannot listen for {what} on {description}: {reason}")
        port = self._ports[-1].getHost()
        where = getattr(port, "port", None) or getattr(port, "name", "")
        self._log.info("listening", what=what, endpoint=description, port=where)

    def startService(self) -> None:
        """Everything is listening: begin to work."""
        super().startService()  # type: ignore[no-untyped-call]
        self._tick.clock = self._reactor
        self._tick.start(TICK, now=False)
        self.happenings.subscribe(lambda happening: record(self._log, happening))
        self.happenings.subscribe(self._record_suspicion)
        self.happenings.subscribe(self._reassess_renamed)
        if self._keeping is not None:
            self._keeping.start()
            self.happenings.subscribe(self._keeping.heard)
        self._previous_hangup = signal.getsignal(signal.SIGHUP)
        signal.signal(signal.SIGHUP, self._on_hangup)
        for warning in self.live.config.warnings:
            self._log.warn("configuration-warning", what=warning)
        short = shortage(raise_limit())
        if short is not None:
            self._log.warn("few-descriptors", what=short)
        self._log.info("started", state_dir=self.live.config.state_dir)

    def _on_tick(self) -> None:
        chores = [
            self._vm_door.tick,
            self._operators.tick,
            self._tell_refused,
            self._tell_exhausted,
            self._tell_typed,
        ]
        if self._keeping is not None:
            chores.append(self._keeping.check)
        for chore in chores:
            try:
                chore()
            except Exception:  # the next second must come all the same
                self._defect()

    def _tell_typed(self) -> None:
        self._ledger.tick(self._clock.seconds())

    def _tell_refused(self) -> None:
        now = self._clock.seconds()
        for host, count in self._refusals.over(now):
            self._log.warn("refused-more", address=host, count=count, seconds=60)
        for host, count in self._suspicions.over(now):
            self._log.error("security-more", claimant=host, count=count, seconds=60)

    def _tell_exhausted(self) -> None:
        if self._descriptors.ran_out(self._clock.seconds()):
            self._log.error("out-of-descriptors", what="newcomers are closed; see LimitNOFILE")

    def _record_suspicion(self, happening: Happening) -> None:
        """A security event is worth a line, a few times a minute for each claimant."""
        event = suspicion(happening)
        if event is None:
            return
        if self._suspicions.worth_a_line(event.claimant, self._clock.seconds()):
            record_suspicion(self._log, event)

    def _reassess_renamed(self, happening: Happening) -> None:
        """Rules go by names."""
        if isinstance(happening, Renamed):
            happening.console.reassess(self.live.rights)

    # Reloading

    def _on_hangup(self, _number: int, _frame: FrameType | None) -> None:
        self._reactor.callFromThread(self.reload)

    def reload(self) -> None:
        """Read the configuration anew: all of it counts, or none with every mistake named."""
        try:
            config = load_with_files(self._started.path)
            self._vm_side.reload(config, self._pair(config))
        except TlsError as error:
            self._log.error("reload-refused", what=str(error))
            return
        except ConfigError as error:
            for mistake in error.mistakes:
                self._log.error("reload-mistake", what=str(mistake))
            self._log.error("reload-refused", mistakes=len(error.mistakes))
            return
        self.live.take(config)
        if self._keeping is not None:
            self._keeping.reload(config.log)
        for console in self.roster:
            console.reassess(self.live.rights)
        for key in needs_restart(self._started, config):
            self._log.warn("reload-needs-restart", key=key)
        gone = self._operators.reload(config)
        self._log.info("reloaded", path=config.path, logins_ended=gone)

    # Stopping

    def stopService(self) -> "Deferred[Any]":
        """Say goodbye to everybody; Twisted waits for the ports to close."""
        self._log.info("stopping")
        if self._previous_hangup is not None:
            signal.signal(signal.SIGHUP, self._previous_hangup)
        if self._tick.running:
            self._tick.stop()
        self._vm_door.close()
        self._operators.close(GOODBYE)
        stopped: Deferred[Any] = super().stopService()  # type: ignore[no-untyped-call]
        closing = [port.stopListening() for port in self._ports]
        waiting = [d for d in [stopped, *closing] if isinstance(d, Deferred)]
        done: Deferred[Any] = DeferredList(waiting, consumeErrors=True)
        if self._keeping is not None:
            # A thread waits for the disk: what was said until now must get there.
            done.addBoth(lambda _, keeping: close_log(keeping), self._keeping)
        return done


class CannotListen(Exception):
    """A listener could not be opened; the text says which and why."""


class Options(usage.Options):
    """`twistd vspc --config FILE`."""

    optParameters = [["config", "c", None, "The configuration file (TOML)."]]

    def postOptions(self) -> None:
        """The file must be named."""
        if not self["config"]:
            raise usage.UsageError("say --config FILE; `etc/vspc.toml` is an example")


def makeService(options: Options) -> VspcService:
    """For twistd: errors of the configuration end it with every mistake and status 1."""
    from twisted.internet import reactor

    try:
        config = load_with_files(Path(options["config"]))
    except ConfigError as error:
        for mistake in error.mistakes:
            print(mistake, file=sys.stderr)
        raise SystemExit(1) from None
    parent = options.parent
    ours = parent is not None and parent.get("nodaemon") and not parent.get("logfile")
    return VspcService(config, reactor, ServerLog(sys.stdout) if ours else None)
