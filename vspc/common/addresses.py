"""IP addresses and networks of peers, with one rule: a v4-mapped address compares as v4."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

LOOPBACK: tuple[Network, ...] = (ip_network("127.0.0.0/8"), ip_network("::1/128"))

_MAPPED_BITS = 96
"""Bits in front of the IPv4 address in a v4-mapped one (RFC 4291 section 2.5.5.2)."""


def parse_address(text: str) -> Address | None:
    """`text` as an address, v4-mapped as v4, without its scope; None if it is not an IP address
    (a Unix socket).
    """
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def address_text(text: str) -> str:
    """The same as text; what is not an IP address stays as it is."""
    if _has_one_form(text):
        return text
    return str(parse_address(text) or text)


def _has_one_form(text: str) -> bool:
    """Whether the address that `text` is has no other text: of IPv4, or none."""
    return ":" not in text and "%" not in text


def parse_network(text: str) -> Network:
    """A network, or one address as a network; v4-mapped as v4. Raises ValueError, also where bits
    are set behind the prefix.
    """
    found = ip_network(text)
    mapped = getattr(found.network_address, "ipv4_mapped", None)
    if mapped is not None and found.prefixlen >= _MAPPED_BITS:
        return IPv4Network((mapped, found.prefixlen - _MAPPED_BITS))
    return found


def rate_key(host: str) -> str:
    """What limits for each address count by: an IPv4 address, or the 64 bits of an IPv6 one that
    are given to a network; a host in it can have any number of addresses.
    """
    if _has_one_form(host):
        return host
    address = parse_address(host)
    if isinstance(address, IPv6Address):
        return str(IPv6Network((int(address) >> 64 << 64, 64)))
    return str(address or host)
