"""The running program: the reactor's sockets, the VMs, the schedule, the end. No logic of a VM."""

import resource
import socket
import stat
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO, cast

from attrs import evolve
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.endpoints import (
    HostnameEndpoint,
    TCP4ServerEndpoint,
    TCP6ServerEndpoint,
    connectProtocol,
    wrapClientTLS,
)
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import (
    IDelayedCall,
    IListeningPort,
    IReactorTime,
    IStreamClientEndpoint,
)
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.stdio import StandardIO
from twisted.internet.task import LoopingCall
from twisted.logger import ILogObserver, LogEvent, Logger, LogLevel, formatEvent, globalLogBeginner
from zope.interface import provider

from vspc.simulator.arguments import USAGE, GuestAddress, SimulateOptions, parse
from vspc.simulator.control import ControlLine, SimulatorControl
from vspc.simulator.extension import identity
from vspc.simulator.fleet import Fleet, SimulatedVm
from vspc.simulator.guest import ToyGuest
from vspc.simulator.host import HostConnection, Settings
from vspc.simulator.impostors import Impostors
from vspc.simulator.remote_guest import DialledGuest, DiallingGuest, GuestLine
from vspc.simulator.serial_port import Guest
from vspc.simulator.transport import ProxyTls, ProxyUri
from vspc.simulator.vm import CannotMove, SimulatedPort, next_host

log = Logger()

CONNECT_LIMIT = 10
"""Seconds for a connection to the proxy to be made."""

END_LIMIT = 2.0
"""Seconds that the lines have for what is still to be sent, at the end."""

_SPREAD = 0.002  # seconds between two VMs that are switched on at the start

_DESCRIPTORS = 64  # for everything but lines


_OURS = "vspc.simulator"
_SHOWN = 300  # characters of one value


def render(event: LogEvent) -> str:
    """One event as a line."""
    moment = datetime.fromtimestamp(event["log_time"], UTC).isoformat(timespec="milliseconds")
    facts = [
        f"{key}={_value(value)}"
        for key, value in event.items()
        if not key.startswith("log_") and value is not None
    ]
    return " ".join([moment.replace("+00:00", "Z"), event.get("log_format") or "event", *facts])


def _value(value: object) -> str:
    text = str(value)[:_SHOWN]
    plain = text.isprintable() and text and not set(text) & set(' "=')
    return text if plain else ascii(text)


def event_lines(stream: TextIO) -> ILogObserver:
    """Writes our events to `stream`, and what goes wrong elsewhere."""

    @provider(ILogObserver)
    def write(event: LogEvent) -> None:
        ours = str(event.get("log_namespace", "")).startswith(_OURS)
        if ours and "log_failure" not in event:
            line = render(event)
        elif event.get("log_level", LogLevel.info) >= LogLevel.warn:
            text = f"{formatEvent(event)} {event.get('log_failure', '')}".strip()
            line = render({"log_time": event["log_time"], "log_format": "fault", "text": text})
        else:
            return
        with suppress(OSError, ValueError):
            stream.write(line + "\n")
            stream.flush()

    return cast(ILogObserver, write)


class Connector:
    """Makes the VMs' connections to the proxy, and lists those that are open."""

    def __init__(self, reactor: Any, proxy: ProxyUri, tls: ProxyTls) -> None:
        self._reactor = reactor
        self._proxy = proxy
        self._tls = tls
        self._open: set[HostConnection] = set()
        self._full = _DESCRIPTORS  # connections, before those that are gone are forgotten

    def connect(self, source: str, connection: HostConnection) -> None:
        """Connect, from the host at `source`; empty: from where the system likes."""
        bind = (source, 0) if source else None
        endpoint: IStreamClientEndpoint = HostnameEndpoint(
            self._reactor, self._proxy.host, self._proxy.port, CONNECT_LIMIT, bind
        )
        if self._proxy.secure:
            endpoint = wrapClientTLS(self._tls, endpoint)
        self._remember(connection)
        made = connectProtocol(endpoint, connection)  # type: ignore[no-untyped-call]
        made.addErrback(lambda failure: connection.failed(failure.getErrorMessage()))

    def _remember(self, connection: HostConnection) -> None:
        if len(self._open) >= self._full:
            self._open = {line for line in self._open if not line.gone}
            self._full = max(_DESCRIPTORS, 2 * len(self._open))
        self._open.add(connection)

    def all_gone(self) -> bool:
        """Whether no connection is open."""
        return all(line.gone for line in self._open)


class SimulatorProgram:
    """One run of the simulator."""

    def __init__(self, reactor: Any, options: SimulateOptions) -> None:
        self._reactor = reactor
        self._clock: IReactorTime = reactor
        self._options = options
        tls = ProxyTls(options.proxy.host, options.proxy.thumbprint)
        self._connector = Connector(reactor, options.proxy, tls)
        self._settings = Settings(
            direction=options.direction,
            tls=tls if options.start_tls and not options.proxy.secure else None,
            chop=options.chop,
        )
        self.status = 0
        self._listening: IListeningPort | None = None
        self._waiting: LoopingCall | None = None
        self._next: list[IDelayedCall] = []  # what each VM does next, by itself
        usual = evolve(self._settings, service_uri=options.service_uris[0])
        impostors = Impostors(self._clock, self._connector.connect, usual)
        machines = [self._make(name) for name in options.names]
        self.fleet = Fleet(machines, self._clock, impostors, options.vmotion_time)

    def _make(self, name: str) -> SimulatedVm:
        return SimulatedVm([self._port(name, number) for number in range(len(self._options.ports))])

    def _port(self, name: str, number: int) -> SimulatedPort:
        options = self._options
        guest, arrived = self._guest(name, number)
        vm = SimulatedPort(
            identity(name, options.vc_uuid),
            self._clock,
            self._connector.connect,
            guest,
            evolve(
                self._settings,
                service_uri=options.service_uris[number],
                port=options.ports[number],
            ),
            options.source,
        )
        if arrived is not None:
            arrived.arrived = vm.power_on
        return vm

    def _guest(self, name: str, number: int) -> tuple[Guest, DiallingGuest | None]:
        where = self._options.guest
        if where is None:
            return ToyGuest(self._clock, name, self._options.pace, number), None
        if not where.listens:
            endpoint = HostnameEndpoint(self._reactor, where.host, where.port)
            return DialledGuest(self._clock, endpoint), None
        guest = DiallingGuest()
        self._listen_for(guest, where)
        return guest, guest

    def _listen_for(self, guest: DiallingGuest, where: GuestAddress) -> None:
        kind = TCP6ServerEndpoint if ":" in where.host else TCP4ServerEndpoint
        endpoint = kind(self._reactor, where.port, interface=where.host)
        factory = _quiet_factory(lambda: GuestLine(guest))
        listening: Deferred[IListeningPort] = endpoint.listen(factory)  # type: ignore[no-untyped-call]
        listening.addErrback(lambda failure: self._give_up(failure.getErrorMessage()))

    def _give_up(self, reason: str) -> None:
        log.error("cannot-listen", reason=reason)
        self.status = 1
        self._reactor.callWhenRunning(self._reactor.stop)

    def start(self) -> None:
        """Listen for commands, switch everything on. Raises CannotListenError."""
        control = SimulatorControl(self.fleet, self._end_soon)
        if self._options.control == "-":
            StandardIO(ControlLine(control), reactor=self._reactor)  # type: ignore[no-untyped-call]
        elif self._options.control is not None:
            factory = _quiet_factory(lambda: ControlLine(control))
            _remove_stale(Path(self._options.control))
            self._listening = self._reactor.listenUNIX(self._options.control, factory, mode=0o600)
        self._next = [
            self._clock.callLater(number * _SPREAD, self._switch_on, number)
            for number in range(len(self.fleet.machines))
        ]

    def _switch_on(self, number: int) -> None:
        self.fleet.machines[number].power_on()
        interval = self._options.vmotion_every
        if interval is not None:
            first = interval * (number + 1) / len(self.fleet.machines)
            self._next[number] = self._clock.callLater(first, self._move, number, interval)

    def _move(self, number: int, interval: float) -> None:
        self._next[number] = self._clock.callLater(interval, self._move, number, interval)
        machine = self.fleet.machines[number]
        with suppress(CannotMove):
            machine.move(next_host(machine.address), self._options.vmotion_time)

    def _end_soon(self) -> None:
        self._clock.callLater(0, self._reactor.stop)

    def end(self) -> "Deferred[Any]":
        """Switch everything off; fires when the lines are closed, or END_LIMIT is over."""
        for call in self._next:
            if call.active():
                call.cancel()
        self.fleet.end()
        self._waiting = LoopingCall(self._wait_for_end, self._clock.seconds() + END_LIMIT)
        self._waiting.clock = self._clock
        ended = self._waiting.start(0.02)
        if self._listening is not None:
            stopped = maybeDeferred(self._listening.stopListening)
            ended.addCallback(lambda _: stopped)
        return ended

    def _wait_for_end(self, limit: float) -> None:
        if self._connector.all_gone() or self._clock.seconds() >= limit:
            assert self._waiting is not None
            self._waiting.stop()


def _quiet_factory(make: Callable[[], Protocol]) -> "Factory[Protocol]":
    factory = Factory.forProtocol(make)
    factory.noisy = False
    return factory


def _remove_stale(path: Path) -> None:
    """Remove a socket without a listener; one with a listener stays."""
    with suppress(OSError):
        if not stat.S_ISSOCK(path.stat().st_mode):
            return
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(path))
            except ConnectionRefusedError:
                path.unlink()


def _allow_descriptors(vms: int) -> None:
    """Two lines a VM during vMotion; as many as the system lets us have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * vms + _DESCRIPTORS
    if soft < wanted:
        allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))


def run(options: SimulateOptions) -> int:
    """Run until SIGINT, SIGTERM or `quit`; the exit status."""
    from twisted.internet import reactor as chosen

    reactor: Any = chosen
    globalLogBeginner.beginLoggingTo([event_lines(sys.stderr)], redirectStandardIO=False)
    _allow_descriptors(len(options.names) * len(options.ports))
    program = SimulatorProgram(reactor, options)
    try:
        program.start()
    except CannotListenError as error:
        print(f"vspc simulate: {error}", file=sys.stderr)
        return 1
    reactor.addSystemEventTrigger("before", "shutdown", program.end)
    reactor.run()
    return program.status


def main(argv: Sequence[str]) -> int:
    """Run until SIGINT, SIGTERM or `quit`; the exit status."""
    try:
        options = parse(argv)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else USAGE
    return run(options)
