"""The latest connections of VMs' hosts, by host and by what was said on them: what `doctor` knows
of a VM that has no console. Pure; bounded, whatever peers do; empty after a start.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence

from attrs import evolve, frozen

from vspc.common.recent import RecentByAddress
from vspc.console.events import (
    Connected,
    ConsoleRef,
    Continued,
    Event,
    Forgotten,
    Introduction,
    Moved,
    RefusalKind,
    Replaced,
    VmLeft,
    VmRefused,
)

ATTEMPTS, ATTEMPTS_OF_ONE = 2048, 512
"""Attempts that came to nothing, in all and of one host: a host may have hundreds of VMs. Each has
a few KiB of text at worst.
"""

REASON = 600
"""Characters of a reason that are kept."""

HOSTS, HOSTS_OF_ONE = 4096, 64
"""Hosts that connected; in one /64 of IPv6."""

FORGOTTEN = 256
"""Consoles that have left the roster."""


@frozen
class FailedConnection:
    """Connections of one host that came to nothing for one reason, and what was said on them.

    `kind` is None where they ended by themselves; `first` and `last` are seconds since 1970.
    """

    address: str
    zone: str
    kind: RefusalKind | None
    reason: str
    hint: str
    said: Introduction
    first: float
    last: float
    count: int = 1


@frozen
class HostRecord:
    """What one host has done; times are seconds since 1970. `served`: lines that got a console."""

    address: str
    first: float
    last: float
    served: int = 0
    refused: int = 0
    left: int = 0
    last_served: float | None = None


@frozen
class UnidentifiedLine:
    """A line that is connected, and has not identified itself since `seconds`."""

    address: str
    zone: str
    seconds: float
    said: Introduction


@frozen
class ForgottenConsole:
    """A console that has left the roster, `at` seconds since 1970."""

    console: ConsoleRef
    at: float


class ConnectionHistory:
    """What has happened since the start. `wall` gives seconds since 1970."""

    def __init__(self, wall: Callable[[], float]) -> None:
        self._wall = wall
        self.since = wall()
        self._attempts = RecentByAddress[object, FailedConnection](ATTEMPTS, ATTEMPTS_OF_ONE)
        self._hosts = RecentByAddress[str, HostRecord](HOSTS, HOSTS_OF_ONE)
        self._forgotten: OrderedDict[str, ForgottenConsole] = OrderedDict()

    EVENTS = (VmRefused, VmLeft, Connected, Continued, Moved, Replaced, Forgotten)
    """Those that `on_event` needs."""

    def on_event(self, event: Event) -> None:
        """Keep what `event` says of connections."""
        match event:
            case VmRefused(address, zone, reason, hint, said, kind):
                self._add(address, zone, kind, reason, hint, said)
            case VmLeft(address, zone, reason, said):
                self._add(address, zone, None, reason, "", said)
            case Connected(console) | Continued(console) if not console.quarantined:
                self._serve(console.address)
            case Moved(_, _, target):
                self._serve(target)
            case Replaced(_, _, new):
                self._serve(new)
            case Forgotten(console):
                self._forget(console)

    def _add(
        self,
        address: str,
        zone: str,
        kind: RefusalKind | None,
        reason: str,
        hint: str,
        said: Introduction,
    ) -> None:
        now, reason = self._wall(), reason[:REASON]
        key = address, zone, kind, reason, said
        known = self._attempts.get(key)
        if known is None:
            known = FailedConnection(address, zone, kind, reason, hint, said, now, now, 0)
        self._attempts.put(address, key, evolve(known, hint=hint, last=now, count=known.count + 1))
        host = self._host(address, now)
        if kind is None:
            host = evolve(host, left=host.left + 1)
        else:
            host = evolve(host, refused=host.refused + 1)
        self._hosts.put(address, address, host)

    def _serve(self, address: str) -> None:
        now, known = self._wall(), self._hosts.get(address)
        if known is None:
            host = HostRecord(address, now, now, 1, last_served=now)
        else:
            served, refused, left = known.served + 1, known.refused, known.left
            host = HostRecord(address, known.first, now, served, refused, left, now)
        self._hosts.put(address, address, host)

    def _host(self, address: str, now: float) -> HostRecord:
        known = self._hosts.get(address)
        return HostRecord(address, now, now) if known is None else evolve(known, last=now)

    def _forget(self, console: ConsoleRef) -> None:
        self._forgotten.pop(console.id, None)
        self._forgotten[console.id] = ForgottenConsole(console, self._wall())
        if len(self._forgotten) > FORGOTTEN:
            self._forgotten.popitem(last=False)

    def attempts(self) -> Sequence[FailedConnection]:
        """The latest attempts that came to nothing, the last one last."""
        return list(self._attempts)

    def host(self, address: str) -> HostRecord | None:
        """What `address` has done, if it has connected."""
        return self._hosts.get(address)

    def hosts(self) -> Sequence[HostRecord]:
        """The latest hosts, the last one last."""
        return list(self._hosts)

    def forgotten(self) -> Sequence[ForgottenConsole]:
        """The latest forgotten consoles, the last one last."""
        return list(self._forgotten.values())
