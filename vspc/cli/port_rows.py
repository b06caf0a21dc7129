"""Every connection that one configuration makes or takes, as rows: for `vspc ports`. Pure."""

from collections.abc import Iterator, Sequence
from typing import Literal

from attrs import evolve, frozen

from vspc.common.addresses import Network, parse_address, parse_network
from vspc.common.columns import listed
from vspc.common.text import safe
from vspc.config import Config
from vspc.config.checks import DEFAULT_ZONE
from vspc.config.dialling import DialledEntry
from vspc.config.dials import entries
from vspc.config.listening import is_loopback, listening
from vspc.config.sockets import SocketAddress
from vspc.config.values import Endpoint, Target
from vspc.doors.control import CONTROL
from vspc.wire.uri import Scheme

CONCENTRATOR = "vSPC"
"""ESXi's rule set for the ports of VMs that use a concentrator: outgoing only."""

OVER_NETWORK = "remoteSerialPort"
"""ESXi's rule set for the ports of VMs over the network without a concentrator: both ways."""

Protocol = Literal["tcp", "udp", "unix"]

Check = Literal["", "nc", "tls", "ssh"]
"""How somebody sees from elsewhere that a port answers; empty: not at all."""


PEERS_WIDTH = 40
"""Characters of a list of networks, about."""


@frozen
class PortRow:
    """A connection. Coming in, `host` is an address of this machine; going out, of the other one.

    Empty `host`: every address. `peers` None: everybody. A `remark` says why no firewall needs a
    rule, or what else is to be known.
    """

    direction: Literal["in", "out"]
    protocol: Protocol
    host: str
    port: int
    purpose: str
    key: str
    peers: tuple[Network, ...] | None = None
    rule_set: str = ""
    check: Check = ""
    remark: str = ""
    last: int = 0  # of a range that begins with `port`; 0: one port
    pattern: str = ""  # of the consoles that the ports of a range are given to

    @property
    def ports(self) -> str:
        """`4001`, or `4001-4016`; empty without a port."""
        return f"{self.port}-{self.last}" if self.last > self.port else str(self.port or "")

    @property
    def network(self) -> Network | None:
        """`host` as addresses; None for a name, and for every address."""
        try:
            found = parse_network(self.host.partition("%")[0])
        except ValueError:
            return None
        return None if found.network_address.is_unspecified else found

    @property
    def family(self) -> int | None:
        """4 or 6 where the address is of one of them."""
        found = self.network or parse_address(self.host)
        return None if found is None else found.version

    @property
    def peers_text(self) -> str:
        """For a table; a long list is cut."""
        if self.direction == "out" or self.protocol == "unix":
            return "-"
        return "any" if self.peers is None else listed(map(str, self.peers), PEERS_WIDTH)


def port_rows(config: Config) -> list[PortRow]:
    """All rows, incoming ones first, in the order of the configuration."""
    families = (_lines, _plain, _sockets, _operators, _dialled, _on_behalf, _log_targets)
    rows = [_remarked(row) for family in families for row in family(config)]
    return [*rows, *_name_servers(rows)]


def _name_servers(rows: Sequence[PortRow]) -> Iterator[PortRow]:
    """What the names in other rows need."""
    if any(row.direction == "out" and not (row.network or row.remark) for row in rows):
        remark = "UDP and TCP, to the name servers of this machine"
        yield PortRow("out", "udp", "", 53, "names, DNS", "/etc/resolv.conf", remark=remark)


def _remarked(row: PortRow) -> PortRow:
    """The row, with a remark where only this machine may connect."""
    peers = row.peers
    if row.remark or peers is None or not all(each.is_loopback for each in peers):
        return row
    return evolve(row, remark="allow has loopback only" if peers else "allow is empty")


def _incoming(endpoint: Endpoint, purpose: str, key: str) -> PortRow:
    where = listening(endpoint)
    protocol: Protocol = "unix" if where.kind == "unix" else "tcp"
    return PortRow("in", protocol, where.host, where.port, purpose, key, remark=where.remark)


def _lines(config: Config) -> Iterator[PortRow]:
    """Lines of VMs. A load balancer connects in place of its hosts."""
    for index, zone in enumerate(config.vm.zones):
        table, of = ("vm", "") if zone.name == DEFAULT_ZONE else (_zone(index), f" of {zone.name}")
        peers = zone.allow + zone.proxy_protocol_from
        for name, endpoints in (("telnet", zone.telnet), ("telnets", zone.telnets)):
            for place, endpoint in enumerate(endpoints):
                row = _incoming(endpoint, f"VMs{of}, {name}", f"{table}.{name}[{place}]")
                check: Check = "tls" if name == "telnets" else "nc"
                yield evolve(row, peers=peers, rule_set=CONCENTRATOR, check=check)


def _zone(index: int) -> str:
    return f"vm.zone[{index - 1}]"  # the zone of [vm] itself is in front of them


def _plain(config: Config) -> Iterator[PortRow]:
    for index, plain in enumerate(config.vm.plain):
        what = "telnet" if plain.telnet else "TCP"
        row = _incoming(plain.listen, f"{safe(plain.name)}, {what}", f"vm.plain[{index}].listen")
        peers = config.vm.allow if plain.allow is None else plain.allow
        yield evolve(row, peers=peers, rule_set=OVER_NETWORK, check="nc")


def _operators(config: Config) -> Iterator[PortRow]:
    for index, endpoint in enumerate(config.ssh.listen):
        row = _incoming(endpoint, "operators, SSH", f"ssh.listen[{index}]")
        yield evolve(row, check="ssh")
    for index, endpoint in enumerate(config.metrics.listen):
        row = _incoming(endpoint, "Prometheus, metrics and health", f"metrics.listen[{index}]")
        yield evolve(row, peers=config.metrics.allow, check="nc")
    control = str(config.state_dir / CONTROL)
    purpose = "vspc VERB on this machine"
    yield PortRow("in", "unix", control, 0, purpose, "state_dir", remark="a unix socket")


def _sockets(config: Config) -> Iterator[PortRow]:
    """Consoles as sockets for programs."""
    for index, entry in enumerate(config.console.listen):
        key, which = f"console.listen[{index}]", safe(entry.consoles or entry.console or "")
        purpose = f"programs on {which}, {entry.protocol}"
        check: Check = "tls" if entry.tls else "nc"
        row = _socket(entry.addresses, purpose, key)
        yield evolve(row, peers=entry.allow, check=check, pattern=entry.consoles or "")
    asked = config.vm.service_socket
    if asked is not None and config.vm.service_sockets == "open":
        row = _socket(asked.addresses, "sockets that VMs ask for", "vm.service_socket.ports")
        yield evolve(row, peers=asked.allow, check="nc")


def _socket(addresses: tuple[SocketAddress, ...], purpose: str, key: str) -> PortRow:
    first, last = addresses[0], addresses[-1]
    if first.path:
        return PortRow("in", "unix", first.path, 0, purpose, key, remark="a unix socket")
    host = "" if first.interface == "::" else first.interface
    row = PortRow("in", "tcp", host, first.port, purpose, key, last=last.port)
    return evolve(row, remark="listens on loopback only") if first.is_local else row


def _dialled(config: Config) -> Iterator[PortRow]:
    """Consoles that are connected to; neighbouring ports of one host are one row."""
    for index, table in enumerate(config.dial):
        key, run = f"dial[{index}].connect", list[DialledEntry]()
        for entry in entries(table):
            if run and not _is_next(run[-1], entry):
                yield _dial(run, key)
                run = []
            run.append(entry)
        yield _dial(run, key)


def _is_next(before: DialledEntry, entry: DialledEntry) -> bool:
    """Whether `entry` is the port behind that of `before`."""
    one, other = before.remote, entry.remote
    return bool(one and other and one.host == other.host and one.port + 1 == other.port)


def _dial(run: list[DialledEntry], key: str) -> PortRow:
    first, last = run[0], run[-1]
    purpose = f"dials {safe(first.name)}" + (f" to {safe(last.name)}" if len(run) > 1 else "")
    if first.remote is None or last.remote is None:
        return PortRow("out", "unix", first.path, 0, purpose, key, remark="a unix socket")
    scheme, host = first.remote.scheme, first.remote.host
    row = PortRow("out", "tcp", host, first.remote.port, f"{purpose}, {scheme.value}", key)
    remark = "on this machine" if is_loopback(host) else ""
    rule_set = OVER_NETWORK if scheme in (Scheme.TELNET, Scheme.TELNETS) else ""
    check: Check = "tls" if scheme.tls else "nc"
    last_port = last.remote.port
    return evolve(row, last=last_port, check=check, rule_set=rule_set, remark=remark)


def _on_behalf(config: Config) -> Iterator[PortRow]:
    """Remote systems that VMs may ask for."""
    for index, entry in enumerate(config.vm.dial_allow):
        host = str(entry.network) if entry.network else entry.names or ""
        local = entry.network.is_loopback if entry.network else is_loopback(host)
        remark = "on this machine" if local else ""
        key = f"vm.dial_allow[{index}]"
        row = PortRow("out", "tcp", host, entry.first, "VMs with Direction Client", key)
        yield evolve(row, last=entry.last, remark=remark)


def _log_targets(config: Config) -> Iterator[PortRow]:
    for index, sink in enumerate(config.log.sink):
        purpose = f"log sink {sink.name}, {sink.kind}"
        yield from _outgoing(sink.target, purpose, f"log.sink[{index}].target")
    if config.audit.enabled and config.audit.syslog is not None:
        yield from _outgoing(config.audit.syslog, "audit, syslog", "audit.syslog")


def _outgoing(target: Target, purpose: str, key: str) -> Iterator[PortRow]:
    """A connection to HOST:PORT; none for a path."""
    kind, _, rest = target.partition(":")
    if kind == "unix":
        yield PortRow("out", "unix", rest, 0, purpose, key, remark="a unix socket")
    if kind not in ("tcp", "tls", "udp"):
        return
    host, _, port = rest.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    protocol: Protocol = "udp" if kind == "udp" else "tcp"
    check: Check = "tls" if kind == "tls" else "nc" if kind == "tcp" else ""
    remark = "on this machine" if is_loopback(host) else ""
    how = f"{purpose} over TLS" if kind == "tls" else purpose
    yield PortRow("out", protocol, host, int(port), how, key, check=check, remark=remark)
