"""Every connection that one configuration makes or takes, as rows: for `vspc ports`. Pure."""

from collections.abc import Iterator
from typing import Literal

from attrs import evolve, frozen

from vspc.common.addresses import Network, parse_address
from vspc.common.columns import listed
from vspc.common.text import safe
from vspc.config import Config
from vspc.config.checks import DEFAULT_ZONE
from vspc.config.listening import is_loopback, listening
from vspc.config.values import Endpoint, Target
from vspc.doors.control import CONTROL

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

    @property
    def family(self) -> int | None:
        """4 or 6 where the address is of one of them."""
        found = parse_address(self.host)
        return None if found is None else found.version

    @property
    def peers_text(self) -> str:
        """For a table; a long list is cut."""
        if self.direction == "out" or self.protocol == "unix":
            return "-"
        return "any" if self.peers is None else listed(map(str, self.peers), PEERS_WIDTH)


def port_rows(config: Config) -> list[PortRow]:
    """All rows, incoming ones first, in the order of the configuration."""
    found = [*_lines(config), *_plain(config), *_operators(config), *_log_targets(config)]
    return [_remarked(row) for row in found]


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
    control = str(config.state_dir / CONTROL)
    purpose = "vspc VERB on this machine"
    yield PortRow("in", "unix", control, 0, purpose, "state_dir", remark="a unix socket")


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
