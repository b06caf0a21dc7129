"""Hosts that say credentials which were never given out."""

from collections import OrderedDict

LIMIT = 20
"""Wrong credentials of one host in a minute that are a security event."""

MINUTE = 60.0

HOSTS = 4096
"""Hosts that are counted; the longest silent is forgotten first."""


class CredentialGuesses:
    """Counts them; time is seconds."""

    def __init__(self) -> None:
        self._hosts: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def one_more(self, host: str, now: float) -> bool:
        """Whether this one makes it an event: once a minute at most."""
        since, number = self._hosts.pop(host, (now, 0))
        if now - since >= MINUTE:
            since, number = now, 0
        self._hosts[host] = (since, number + 1)
        if len(self._hosts) > HOSTS:
            self._hosts.popitem(last=False)
        return number + 1 == LIMIT
