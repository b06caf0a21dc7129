"""Where an endpoint string listens."""

import re

from attrs import frozen

from vspc.common.addresses import parse_address
from vspc.config.values import Endpoint


@frozen
class ListeningAddress:
    """What an endpoint string says; an empty `host`: every address, `port` 0: any free one."""

    kind: str
    host: str = ""
    port: int = 0

    @property
    def is_loopback(self) -> bool:
        """Whether it certainly is a port that only this machine reaches."""
        return self.kind in ("tcp", "tcp6") and is_loopback(self.host)

    @property
    def remark(self) -> str:
        """Why no firewall can have a rule for it; empty if one can."""
        if self.kind == "unix":
            return "a unix socket"
        if self.kind == "systemd":
            return "the port is that of the systemd socket unit"
        if self.port == 0:
            return "port 0: the kernel picks a free port at each start"
        return "listens on loopback only" if is_loopback(self.host) else ""


def listening(endpoint: Endpoint) -> ListeningAddress:
    """The parts of an endpoint string that the configuration has taken."""
    kind, first, *rest = (_UNQUOTED.sub(r"\1", part) for part in _PARTS.split(endpoint))
    if kind == "unix":
        return ListeningAddress(kind, first)
    if kind == "systemd":
        return ListeningAddress(kind)
    options = dict(part.split("=", 1) for part in rest)
    host = options.get("interface", "")
    return ListeningAddress(kind, "" if host == "::" else host, int(first))


_PARTS = re.compile(r"(?<!\\):")

_UNQUOTED = re.compile(r"\\(.)")


def is_loopback(host: str) -> bool:
    """Whether it is an address that only this machine reaches, or its name."""
    found = parse_address(host)
    return host == "localhost" if found is None else found.is_loopback
