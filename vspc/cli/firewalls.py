"""Rows of connections as lines for firewalls: nftables, firewalld, and ESXi's own. Pure.

Every line can be pasted; what has no rule is a comment that says why. Names of remote systems are
comments, too: a firewall would resolve them once and keep the address.
"""

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Network, IPv6Network, collapse_addresses

from vspc.cli.port_rows import CONCENTRATOR, OVER_NETWORK, PortRow
from vspc.common.addresses import Network

Rule = tuple[int | None, tuple[Network, ...]]
"""A family of addresses (None: both), and the networks of it that may connect (none: all)."""


def rules_of(row: PortRow) -> Iterator[Rule]:
    """The rules that a row needs: one for all addresses, or one for each family it has."""
    peers = row.peers
    if peers is None:
        yield row.family, ()
        return
    v4 = tuple(collapse_addresses(each for each in peers if isinstance(each, IPv4Network)))
    v6 = tuple(collapse_addresses(each for each in peers if isinstance(each, IPv6Network)))
    for family, networks in ((4, v4), (6, v6)):
        if networks and row.family in (None, family):
            every = networks[0].prefixlen == 0
            yield family, () if every else networks


def explained(row: PortRow) -> str:
    """A comment for a row without rules."""
    where = (
        f"{row.host or '*'} {row.protocol} {row.ports}" if row.port else row.host or row.protocol
    )
    return f"# {row.key} ({row.purpose}): {where}: {row.remark}"


def nftables(rows: Sequence[PortRow]) -> list[str]:
    """A file for `nft -f`: chains of accept rules, which replace themselves when loaded again."""
    coming = list(_nft_body(row for row in rows if row.direction == "in"))
    going = list(_nft_body(row for row in rows if row.direction == "out"))
    lines = [
        "# Rules that accept vspc's connections: nft -f FILE loads them, and again. Once, so that",
        "# they come before a rule or a policy that drops:",
        "#   nft insert rule inet filter input jump vspc",
        "#   nft insert rule inet filter output jump vspc_out    (if output is filtered)",
        "add table inet filter",
    ]
    for name, body in (("vspc", coming), ("vspc_out", going)):
        lines += [f"add chain inet filter {name}", f"flush chain inet filter {name}"]
        lines += [
            line if line.startswith("#") else f"add rule inet filter {name} {line}" for line in body
        ]
    return lines


def _nft_body(rows: Iterator[PortRow]) -> Iterator[str]:
    for row in rows:
        if row.remark:
            yield explained(row)
        elif row.direction == "in":
            for family, networks in rules_of(row):
                yield f'{_nft_match(row, family, networks)} accept comment "{row.key}"'
        elif row.network is None:
            yield f"# {row.key} ({row.purpose}): {row.host} {row.protocol} {row.ports}: no address"
        else:
            word = "ip" if row.family == 4 else "ip6"
            to = f"{word} daddr {_address(row)} {row.protocol} dport {row.ports}"
            yield f'{to} accept comment "{row.key}"'


def _nft_match(row: PortRow, family: int | None, networks: Sequence[Network]) -> str:
    word = "ip6" if family == 6 else "ip"
    parts = [f"{word} saddr {{ {', '.join(map(str, networks))} }}"] if networks else []
    if row.network:
        parts.append(f"{word} daddr {_address(row)}")
    elif family and not networks:
        parts.append(f"meta nfproto ipv{family}")
    return " ".join([*parts, f"{row.protocol} dport {row.ports}"])


def _address(row: PortRow) -> str:
    """An address or a network; without the length of one address."""
    found = row.network
    return str(found).removesuffix(f"/{found.max_prefixlen}") if found else ""


def firewalld(rows: Sequence[PortRow]) -> list[str]:
    """Commands of firewall-cmd for the default zone; firewalld lets everything go out."""
    lines = []
    for row in rows:
        if row.direction == "out":
            continue
        if row.remark:
            lines.append(explained(row))
            continue
        for family, networks in rules_of(row):
            if family is None:
                lines.append(f"firewall-cmd --permanent --add-port={row.ports}/{row.protocol}")
            for network in networks or ((None,) if family else ()):
                rule = _rich_rule(row, family, network)
                lines.append(f"firewall-cmd --permanent --add-rich-rule='{rule}'")
    return [*lines, "firewall-cmd --reload"]


def _rich_rule(row: PortRow, family: int | None, source: Network | None) -> str:
    parts = [f'rule family="ipv{family}"']
    parts += [f'source address="{source}"'] if source else []
    parts += [f'destination address="{_address(row)}"'] if row.network else []
    return " ".join([*parts, f'port port="{row.ports}" protocol="{row.protocol}" accept'])


def esxcli(rows: Sequence[PortRow], host: str) -> list[str]:
    """Commands for a shell of each ESXi host; `host` is how hosts reach this machine."""
    lines: list[str] = []
    for rule_set, when in _RULE_SETS:
        found = [row for row in rows if row.rule_set == rule_set]
        lines += [f"# {row.key}: {row.remark}" for row in found if row.remark]
        open_ones = [row for row in found if not row.remark]
        if not open_ones:
            continue
        shown = dict.fromkeys(f"{row.key} ({_other_end(row)})" for row in open_ones)
        lines.append(f"# {when}: {'; '.join(shown)}")
        lines.append(f"esxcli network firewall ruleset set --ruleset-id {rule_set} --enabled true")
        lines.append(f"esxcli network firewall ruleset rule list --ruleset-id {rule_set}")
        targets = dict.fromkeys(
            f"nc -z {row.host if row.network else host} {row.port}"
            for row in open_ones
            if row.direction == "in"
        )
        lines += targets
    return lines or ["# no listener here is for VMs of ESXi hosts"]


def _other_end(row: PortRow) -> str:
    return row.peers_text if row.direction == "in" else f"{row.host} {row.ports}"


_RULE_SETS = (
    (CONCENTRATOR, "on every host that may run VMs which use vspc as their concentrator"),
    (OVER_NETWORK, "only for serial ports over the network without a concentrator"),
)
