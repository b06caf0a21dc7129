"""Where the hosts of the simulated ESX cluster are: loopback has a whole network of addresses."""

from ipaddress import AddressValueError, IPv4Address

_LAST = 254


def next_host(address: str) -> str:
    """The host that a VM at `address` moves to where nobody says: 127.0.0.1, .2 ... .254, .1.

    Addresses other than IPv4 loopback are not ours to take: the VM "moves" to where it is.
    """
    try:
        present = IPv4Address(address)
    except AddressValueError:
        return address
    if not present.is_loopback:
        return address
    last = int(present) & 0xFF
    return str(present - last + (last % _LAST) + 1)
