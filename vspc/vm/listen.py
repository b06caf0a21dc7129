"""Factories for the VM side's listeners: telnet, telnets, and plain ones without the extension."""

from collections.abc import Callable
from functools import partial

from attrs import define, field
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory, Protocol
from twisted.logger import Logger

from vspc.common.addresses import parse_address
from vspc.console.events import RefusalKind, VmRefused
from vspc.net.limits import Allow, Refusals
from vspc.net.preaccept import ProxiedConnection
from vspc.net.telnet_transport import LineTransport
from vspc.vm.context import Zone
from vspc.vm.lines.binary import host_of
from vspc.vm.lines.plain import RawLine, TelnetLine
from vspc.vm.lines.vmware import Terms, VMwareLine
from vspc.vm.ports import LineObserver, VmLine
from vspc.vm.server import LINES_PER_ADDRESS, Admittance, LineServer

_log = Logger(namespace="vspc.vm")


@define(eq=False)
class ConnectionFilter:
    """Who may connect at all: asked before a byte is read. `allow` is replaced by a reload."""

    allow: Allow
    refusals: Refusals
    now: Callable[[], float]
    key: str = "vm.allow"
    balancers: Allow = field(factory=lambda: Allow(()))

    def is_balancer(self, host: str) -> bool:
        """Whether a connection from `host` begins with a header that has its real source."""
        if not self.balancers:
            return False
        return parse_address(host) is not None and self.balancers.permits(host)

    def refuse(self, event: str, host: str, **facts: object) -> None:
        """A connection is closed: one log line, a few times a minute for each host."""
        if self.refusals.worth_a_line(host, self.now()):
            _log.warn(event, address=host, **facts)

    def network_of(self, host: str) -> str:
        """What to write into the configuration to let `host` in."""
        found = parse_address(host)
        return "" if found is None else f'add to {self.key}: "{found}/{found.max_prefixlen}"'

    def permits(self, host: str, listener: str) -> bool:
        """Whether a connection from `host` is taken; if not, one log line has what to add."""
        if self.allow.permits(host):
            return True
        hint = f'add "{host}" to {self.key} in the configuration if it is a host of yours'
        self.refuse("vm-not-allowed", host, listener=listener, hint=hint)
        return False


class GuardedFactory(Factory):
    """Asks the filter, then the factory within: TLS begins with hosts only that may connect."""

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
        host = host_of(addr)
        if self._filter.is_balancer(host):
            refuse = partial(self._refuse, RefusalKind.BALANCER, host)
            let_in = self._let_real_source_in
            return ProxiedConnection(let_in, self._server.clock.call_later, refuse)
        return self._let_in(host, addr)

    def _refuse(self, kind: RefusalKind, host: str, reason: str, event: str = "vm-refused") -> None:
        self._filter.refuse(event, host, reason=reason)
        self._publish(kind, host, reason)

    def _publish(self, kind: RefusalKind, host: str, reason: str, hint: str = "") -> None:
        self._server.roster.publish(VmRefused(host, "", reason, hint, kind=kind))

    def _let_real_source_in(self, addr: IAddress | None) -> Protocol | None:
        return self._let_in(host_of(addr), addr)

    def _let_in(self, host: str, addr: IAddress | None) -> Protocol | None:
        """`addr` is where the connection really comes from, `host` the address in it."""
        if not self._filter.permits(host, self._listener):
            reason = f"not allowed to connect to {self._listener}"
            hint = self._filter.network_of(host)
            self._publish(RefusalKind.NOT_ALLOWED, host, reason, hint)
            return None
        match self._server.room(host):
            case Admittance.ROOM:
                return self._build(addr)
            case Admittance.WAIT:
                return self._let_wait(host, addr)
            case Admittance.FULL:
                reason = f"{LINES_PER_ADDRESS} lines from its address are connected already"
                self._refuse(RefusalKind.TOO_MANY, host, reason, "vm-too-many-lines")
                return None

    def _let_wait(self, host: str, addr: IAddress | None) -> Protocol | None:
        server, refuse = self._server, partial(self._refuse, RefusalKind.TOO_MANY, host)
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


class LineFactory(Factory):
    """Builds what `build` gives for an address."""

    noisy = False

    def __init__(self, build: Callable[[IAddress | None], Protocol]) -> None:
        self._build = build

    def buildProtocol(self, addr: IAddress | None) -> Protocol:
        return self._build(addr)


def vmware_factory(
    server: LineServer, terms: Callable[[], Terms], secure: bool, zone: Zone | None = None
) -> LineFactory:
    """Lines of ESXi hosts. `terms` is asked for each line, so that a reload counts."""

    def observe(line: VmLine) -> LineObserver:
        return server.arrive(line, zone)

    def build(addr: IAddress | None) -> Protocol:
        its = terms()
        share = server.scheduler.share(host_of(addr))
        return LineTransport(lambda: VMwareLine(observe, secure, its), its.now, share)

    return LineFactory(build)


def plain_factory(server: LineServer, name: str, telnet: bool) -> LineFactory:
    """Lines of one [[vm.plain]] listener, all of them the console called `name`."""

    def build(addr: IAddress | None) -> Protocol:
        share = server.scheduler.share(host_of(addr))
        if not telnet:
            return RawLine(server.arrive, name, share)
        now = server.clock.seconds
        return LineTransport(lambda: TelnetLine(server.arrive, name), now, share)

    return LineFactory(build)
