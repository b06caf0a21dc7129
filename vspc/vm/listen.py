"""Factories for the VM side's listeners: telnet, telnets, and plain ones without the extension."""

from collections.abc import Callable

from attrs import define
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory, Protocol
from twisted.logger import Logger

from vspc.common.addresses import parse_address
from vspc.console.events import VmRefused
from vspc.net.limits import Allow, Refusals
from vspc.net.preaccept import ProxiedConnection
from vspc.net.telnet_options import LineProtocol
from vspc.net.telnet_transport import LineTransport
from vspc.vm.context import Zone
from vspc.vm.lines.binary import host_of
from vspc.vm.lines.plain import RawLine, TelnetLine
from vspc.vm.lines.vmware import Terms, VMwareLine
from vspc.vm.ports import LineObserver, VmLine
from vspc.vm.server import LINES_PER_ADDRESS, Admittance, LineServer

_log = Logger(namespace="vspc.vm")

NOBODY = Allow(())
"""No balancer speaks in front of connections."""


@define(eq=False)
class ConnectionFilter:
    """Who may connect at all: asked before a byte is read. `allow` is replaced by a reload."""

    allow: Allow
    refusals: Refusals
    now: Callable[[], float]
    key: str = "vm.allow"
    balancers: Allow = NOBODY

    def is_balancer(self, address: IAddress | None) -> bool:
        """Whether what connects from `address` says first where it really comes from."""
        host = host_of(address)
        return parse_address(host) is not None and self.balancers.permits(host)

    def refuse(self, event: str, address: IAddress | None, reason: str) -> None:
        """A connection is closed: one log line, a few times a minute for each host."""
        host = host_of(address)
        if self.refusals.worth_a_line(host, self.now()):
            _log.warn(event, address=host, reason=reason)

    def line_for(self, address: IAddress | None) -> str:
        """What to write into the configuration to let `address` in."""
        found = parse_address(host_of(address))
        if found is None:
            return ""
        return f'add to {self.key}: "{found}/{found.max_prefixlen}"'

    def permits(self, address: IAddress | None, listener: str) -> bool:
        """Whether a connection from `address` is taken; if not, one log line says what to add."""
        host = host_of(address)
        if self.allow.permits(host):
            return True
        if self.refusals.worth_a_line(host, self.now()):
            _log.warn(
                "vm-not-allowed",
                address=host,
                listener=listener,
                hint=f'add "{host}" to {self.key} in the configuration if it is a host of yours',
            )
        return False


class GuardedFactory(Factory):
    """Asks the filter, then the factory within: TLS must not begin with a stranger."""

    noisy = False

    def __init__(
        self,
        connection_filter: ConnectionFilter,
        listener: str,
        inner: Factory,
        server: LineServer,
    ) -> None:
        self._filter = connection_filter
        self._listener = listener
        self._inner = inner
        self._server = server

    def doStart(self) -> None:
        self._inner.doStart()  # type: ignore[no-untyped-call]

    def doStop(self) -> None:
        self._inner.doStop()  # type: ignore[no-untyped-call]

    def buildProtocol(self, addr: IAddress | None) -> Protocol | None:
        if self._filter.is_balancer(addr):
            return ProxiedConnection(
                self._let_in, self._server.clock.call_later, self._refused(addr)
            )
        return self._let_in(addr)

    def _refused(self, addr: IAddress | None) -> Callable[[str], None]:
        def refuse(reason: str) -> None:
            self._filter.refuse("vm-refused", addr, reason)
            self._publish(addr, reason)

        return refuse

    def _publish(self, addr: IAddress | None, reason: str, hint: str = "") -> None:
        self._server.roster.publish(VmRefused(host_of(addr), "", reason, hint))

    def _let_in(self, addr: IAddress | None) -> Protocol | None:
        """`addr` is where the connection really comes from."""
        if not self._filter.permits(addr, self._listener):
            reason = f"not allowed to connect to {self._listener}"
            self._publish(addr, reason, self._filter.line_for(addr))
            return None
        host = host_of(addr)
        match self._server.room(host):
            case Admittance.ROOM:
                return self._build(addr)
            case Admittance.WAIT:
                return self._let_wait(host, addr)
            case Admittance.FULL:
                reason = f"{LINES_PER_ADDRESS} lines from its address are connected already"
                self._filter.refuse("vm-too-many-lines", addr, reason)
                self._publish(addr, reason)
                return None

    def _let_wait(self, host: str, addr: IAddress | None) -> Protocol | None:
        server, refuse = self._server, self._refused(addr)
        waiting = server.queue.join(
            host, lambda: self._build(addr), server.clock.call_later, refuse
        )
        if waiting is None:
            refuse("too many connections from its address wait to be accepted")
        return waiting

    def _build(self, addr: IAddress | None) -> Protocol | None:
        protocol = self._inner.buildProtocol(addr)
        assert protocol is None or isinstance(protocol, Protocol)
        return protocol


class VMwareFactory(Factory):
    """Lines of ESXi hosts. `terms` is asked for each line, so that a reload counts."""

    noisy = False

    def __init__(
        self,
        server: LineServer,
        terms: Callable[[], Terms],
        secure: bool,
        zone: Zone | None = None,
    ) -> None:
        self._server = server
        self._zone = zone
        self._terms = terms
        self._secure = secure

    def buildProtocol(self, addr: IAddress | None) -> LineTransport:
        terms = self._terms()

        def make() -> LineProtocol:
            return VMwareLine(self._observe, self._secure, terms)

        return LineTransport(make, terms.now, self._server.scheduler.share(host_of(addr)))

    def _observe(self, line: VmLine) -> LineObserver:
        return self._server.arrive(line, self._zone)


class PlainFactory(Factory):
    """Lines of one [[vm.plain]] listener, all of them the console called `name`."""

    noisy = False

    def __init__(
        self, server: LineServer, name: str, telnet: bool, now: Callable[[], float]
    ) -> None:
        self._server = server
        self._name = name
        self._telnet = telnet
        self._now = now

    def buildProtocol(self, addr: IAddress | None) -> Protocol:
        share = self._server.scheduler.share(host_of(addr))
        if not self._telnet:
            return RawLine(self._server.arrive, self._name, share)
        return LineTransport(lambda: TelnetLine(self._server.arrive, self._name), self._now, share)
