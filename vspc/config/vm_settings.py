"""[vm], [[dial]] and [[console.listen]] as frozen classes: how consoles connect, on both sides.

As in `vspc.config.settings`, times are seconds and paths absolute once loaded.
"""

from typing import Literal

from attrs import field, frozen

from vspc.common.addresses import LOOPBACK, Network
from vspc.common.serial import FASTEST, StopBits
from vspc.config.checks import (
    DEFAULT_ZONE,
    checked,
    label,
    unless_none,
    within,
    within_time,
    zone_name,
)
from vspc.config.dial_allow import DialEntry
from vspc.config.dialling import (
    COUNT,
    Connect,
    FlowWord,
    ParityWord,
    Thumbprint,
    When,
    examine_braces,
)
from vspc.config.sockets import LOCALHOST, Interface, PortRange, SocketAddress
from vspc.config.values import (
    Duration,
    Endpoint,
    Pattern,
    Readable,
)

StartTls = Literal["off", "offer", "require"]
Takeover = Literal["probe", "same-host", "certificate", "hold", "allow"]
BreakSpelling = Literal["brk", "comport"]
ServiceSockets = Literal["ignore", "open"]
SocketProtocol = Literal["raw", "telnet", "rfc2217"]


@frozen
class PlainSettings:
    """[[vm.plain]]: a console whose VM dials us without the extension."""

    name: str = field(metadata=checked(label))
    listen: Endpoint
    telnet: bool = False
    allow: tuple[Network, ...] | None = None


def _dial_name(value: str) -> None:
    label(value)
    examine_braces(value)


@frozen
class DialSettings:
    """[[dial]]: a console that the server connects to, or `count` of them."""

    name: str = field(metadata=checked(_dial_name))
    connect: Connect
    count: int | None = field(default=None, metadata=unless_none(within(1, COUNT)))
    when: When = "always"
    speed: int | None = field(default=None, metadata=unless_none(within(1, FASTEST, str)))
    data: int | None = field(default=None, metadata=unless_none(within(5, 8)))
    parity: ParityWord | None = None
    stop: StopBits | None = None
    flow: FlowWord | None = None
    ca: Readable | None = None
    thumbprint: Thumbprint | None = None
    certificate: Readable | None = None
    private_key: Readable | None = None


@frozen
class ZoneSettings:
    """[[vm.zone]]: hosts that trust each other, on listeners of their own."""

    name: str = field(metadata=checked(zone_name))
    telnet: tuple[Endpoint, ...] = ()
    telnets: tuple[Endpoint, ...] = ()
    allow: tuple[Network, ...] = LOOPBACK
    tls: StartTls = "off"
    client_ca: Readable | None = None
    takeover: Takeover = "probe"
    vmotion_peers: tuple[Network, ...] | None = None
    proxy_protocol_from: tuple[Network, ...] = ()


@frozen
class SocketSettings:
    """[[console.listen]]: a console as a socket for programs, or each of several on a port of its
    own. Without `operator` it is the one that the client's certificate names.
    """

    protocol: SocketProtocol
    console: str | None = field(default=None, metadata=unless_none(checked(label)))
    listen: SocketAddress | None = None
    consoles: Pattern | None = None
    ports: PortRange | None = None
    interface: Interface = LOCALHOST
    operator: str | None = None
    allow: tuple[Network, ...] = LOOPBACK
    max: int = field(default=8, metadata=within(1, 1000))
    tls: bool = False
    client_ca: Readable | None = None
    split_break: bool = False

    @property
    def addresses(self) -> tuple[SocketAddress, ...]:
        """Where it listens."""
        if self.ports is not None:
            return tuple(SocketAddress(self.interface, port) for port in self.ports)
        return () if self.listen is None else (self.listen,)


@frozen
class ServiceSocketSettings:
    """[vm.service_socket]: sockets that VMs ask for by their service URIs (`telnet://:2001`)."""

    ports: PortRange
    operator: str
    interface: Interface = LOCALHOST
    allow: tuple[Network, ...] = LOOPBACK
    max: int = field(default=8, metadata=within(1, 1000))

    @property
    def addresses(self) -> tuple[SocketAddress, ...]:
        """All that may be opened."""
        return tuple(SocketAddress(self.interface, port) for port in self.ports)

    def socket(self, console: str, port: int, telnet: bool, tls: bool) -> SocketSettings:
        """The socket of `console` at `port`, as if it stood in the configuration."""
        return SocketSettings(
            "telnet" if telnet else "raw",
            console,
            SocketAddress(self.interface, port),
            operator=self.operator,
            allow=self.allow,
            max=self.max,
            tls=tls,
        )


@frozen
class VmSettings:
    """[vm]: where VMs connect, and which hosts may."""

    telnet: tuple[Endpoint, ...] = (Endpoint("tcp:13370"),)
    telnets: tuple[Endpoint, ...] = (Endpoint("tcp:13371"),)
    service_uris: tuple[str, ...] = ("vspc", "vSPC.py")
    allow: tuple[Network, ...] = LOOPBACK
    start_tls: StartTls = "off"
    client_ca: Readable | None = None
    takeover: Takeover = "probe"
    vmotion_peers: tuple[Network, ...] | None = None
    proxy_protocol_from: tuple[Network, ...] = ()
    probe_timeout: Duration = field(default=Duration(5.0), metadata=within_time(0.1, 60))
    identify_timeout: Duration = field(default=Duration(30.0), metadata=within_time(1, 600))
    dial_allow: tuple[DialEntry, ...] = ()
    vmotion_timeout: Duration = field(default=Duration(120.0), metadata=within_time(5, 3600))
    service_sockets: ServiceSockets = "ignore"
    service_socket: ServiceSocketSettings | None = None
    com_port: bool = True
    break_: BreakSpelling = "brk"
    plain: tuple[PlainSettings, ...] = ()
    zone: tuple[ZoneSettings, ...] = ()

    @property
    def zones(self) -> tuple[ZoneSettings, ...]:
        """All zones, the one that this table itself describes first."""
        own = ZoneSettings(
            DEFAULT_ZONE,
            self.telnet,
            self.telnets,
            self.allow,
            self.start_tls,
            self.client_ca,
            self.takeover,
            self.vmotion_peers,
            self.proxy_protocol_from,
        )
        return (own, *self.zone)
