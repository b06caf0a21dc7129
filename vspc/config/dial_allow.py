"""`vm.dial_allow`: the remote systems that a VM may ask to be connected to. Pure.

The server connects from its own place in the network, on behalf of VMs whose administrators need
not be its own. So nothing is allowed that is not listed; what is reachable from this machine alone
(loopback, link-local addresses, the server's own listeners) is allowed only where an entry names
the address itself, and no name of the DNS leads there.
"""

import re
from fnmatch import fnmatchcase

from attrs import frozen

from vspc.common.addresses import Address, Network, parse_address, parse_network
from vspc.common.values import InvalidValue
from vspc.config.mistakes import shown
from vspc.wire.uri import bracketed

MOST_PORTS = 65535

_ALLOWED = (
    'an entry is written "moxa-*.example:4001", "10.0.0.9:4001-4016", "10.0.0.0/24:*" or '
    '"[2001:db8::/64]:23"'
)

_NAMES = re.compile(r"[a-z0-9._*?\[\]!-]{1,253}", re.ASCII)

_NUMERIC = re.compile(r"[0-9.*?\[\]!-]*[0-9][0-9.*?\[\]!-]*", re.ASCII)


@frozen
class DialEntry:
    """One entry: a glob of names, or a network, and ports from `first` to `last`."""

    text: str
    names: str | None
    network: Network | None
    first: int
    last: int

    @classmethod
    def parse(cls, value: object) -> "DialEntry":
        """HOST:PORT; raises InvalidValue."""
        host, colon, ports = value.rpartition(":") if isinstance(value, str) else ("", "", "")
        if not isinstance(value, str) or not colon or not host or value.endswith("]"):
            raise InvalidValue(f"{shown(value)} is not a host with a port", _ALLOWED)
        names, network = _host(host)
        return cls(value, names, network, *_ports(ports))

    def has_port(self, port: int) -> bool:
        """Whether `port` is one of its ports."""
        return self.first <= port <= self.last

    def matches(self, host: str, address: Address | None) -> bool:
        """Whether it has `host`, as written in a URI, or its `address`."""
        if self.network is not None:
            return address is not None and address in self.network
        if parse_address(host) is not None:
            return self.names == "*"
        return fnmatchcase(host, self.names or "")

    def is_literal(self, address: Address) -> bool:
        """Whether it names `address`, and that alone."""
        network = self.network
        return network is not None and network.num_addresses == 1 and address in network

    @property
    def is_open(self) -> bool:
        """Whether it has every host."""
        return self.names == "*" or (self.network is not None and self.network.prefixlen == 0)


def _host(text: str) -> tuple[str | None, Network | None]:
    """A glob, or a network."""
    is_bracketed = text.startswith("[") and text.endswith("]")
    if "/" in text or is_bracketed or parse_address(text) is not None:
        if ":" in text and not is_bracketed:
            raise InvalidValue(f"{shown(text)} has colons", "write IPv6 in brackets: [::1]:4001")
        try:
            return None, parse_network(text[1:-1] if is_bracketed else text)
        except ValueError as error:
            raise InvalidValue(f"{shown(text)} is not a network: {error}", _ALLOWED) from None
    names = text.lower().removesuffix(".")
    if not _NAMES.fullmatch(names):
        raise InvalidValue(f"{shown(text)} is not a host", _ALLOWED)
    if _NUMERIC.fullmatch(names):  # it would match names of the DNS, too, such as "10.evil"
        raise InvalidValue(f"{shown(text)} is a glob of addresses", "write a network: 10.0.0.0/24")
    return names, None


def _ports(text: str) -> tuple[int, int]:
    if text == "*":
        return 1, MOST_PORTS
    match = re.fullmatch(r"([0-9]{1,5})(?:-([0-9]{1,5}))?", text, re.ASCII)
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if not 1 <= first <= last <= MOST_PORTS:
        allowed = 'a port is 1 to 65535, a range "4001-4016", all of them "*"'
        raise InvalidValue(f"{shown(text)} is not a port", allowed)
    return first, last


@frozen
class DialRefusal:
    """Why a remote system is not connected to; `entry` would allow it."""

    reason: str
    entry: str

    def __str__(self) -> str:
        return f'{self.reason}; add "{self.entry}" there if VMs may be connected to it'

    @property
    def hint(self) -> str:
        """What to write into the configuration."""
        return f'add to vm.dial_allow: "{self.entry}"'


@frozen
class DialAllow:
    """All entries."""

    entries: tuple[DialEntry, ...] = ()

    def refusal(self, host: str, port: int) -> DialRefusal | None:
        """What can be said of a URI's host at once; None: it may be allowed.

        A name is allowed to be looked up if an entry has it, or if one has addresses at that port.
        """
        if parse_address(host) is not None:
            return self.address_refusal(host, port, host)
        for entry in self.entries:
            if entry.has_port(port) and (entry.network is not None or entry.matches(host, None)):
                return None
        return _not_listed(host, port)

    def address_refusal(
        self, host: str, port: int, address: str, is_own: bool = False
    ) -> DialRefusal | None:
        """Why `address`, which `host` stands for, is not connected to; None: it is allowed.

        `is_own`: a listener of this server has that address and port.
        """
        found = parse_address(address)
        if found is None:
            return _not_listed(host, port)
        what = "is a listener of this server" if is_own else _only_here(found)
        if what:
            return self._unless_literal(found, port, what, is_own)
        if any(entry.has_port(port) and entry.matches(host, found) for entry in self.entries):
            return None
        return _not_listed(host, port, "" if host == address else f" ({found})")

    def _unless_literal(
        self, address: Address, port: int, what: str, needs_port: bool
    ) -> DialRefusal | None:
        for entry in self.entries:
            is_one_port = entry.first == entry.last
            if (
                entry.is_literal(address)
                and entry.has_port(port)
                and (is_one_port or not needs_port)
            ):
                return None
        place = f"{bracketed(str(address))}:{port}"
        return DialRefusal(f"{place} {what}, and is not named itself in vm.dial_allow", place)


NO_DIALS = DialAllow()


def _only_here(address: Address) -> str:
    """What makes `address` one that only this machine, or its own network, reaches."""
    if address.is_loopback or address.is_unspecified:
        return "is a loopback address"
    return "is a link-local address" if address.is_link_local else ""


def _not_listed(host: str, port: int, found: str = "") -> DialRefusal:
    place = f"{bracketed(host)}:{port}"
    return DialRefusal(f"{place}{found} is not in vm.dial_allow", place)
