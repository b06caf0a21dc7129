"""What all lines share: the server's tables, its clock, its limits, and how lines reach others."""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from ipaddress import ip_network
from typing import Protocol

from attrs import define, field, frozen
from twisted.logger import Logger

from vspc.common.clock import Clock
from vspc.console.changes import StateChanges
from vspc.console.console import Console, Vm
from vspc.console.identity import DEFAULT_ZONE, Claim, OldLine, Takeover
from vspc.console.migration import Released
from vspc.console.peers import PeerTable
from vspc.console.ports import Line
from vspc.console.roster import Roster
from vspc.net.limits import Admissions, Allow, Refusals
from vspc.vm.contenders import Suspects, quarantined
from vspc.vm.ports import VmLine
from vspc.vm.roles import LineEvent, LineRole
from vspc.vm.tally import LineTally

ANYWHERE = (ip_network("0.0.0.0/0"), ip_network("::/0"))
"""`vmotion_peers` where the configuration has none: `allow` has been checked already."""

GUESSES = 20
"""Unknown credentials of one host in a minute that are a security event."""

MINUTE = 60.0
"""Seconds."""

HOSTS = 4096
"""Hosts whose guesses are counted; the longest silent is forgotten first."""


@define(eq=False)
class Zone:
    """What the lines of one zone are judged by. A reload changes it in place.

    `targets`: the hosts that may be the target of a vMotion here (`vmotion_peers`).
    """

    name: str = DEFAULT_ZONE
    takeover: Takeover = Takeover.PROBE
    targets: Allow = field(factory=lambda: Allow(ANYWHERE))


@frozen
class LineTimeouts:
    """Time limits in seconds: to identify, to answer a probe."""

    identify: float = 30.0
    probe: float = 5.0


class CredentialGuesses:
    """Counts unknown vMotion credentials by host; time is seconds."""

    def __init__(self) -> None:
        self._hosts: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def one_more(self, host: str, now: float) -> bool:
        """Whether this one makes it a security event: once a minute at most."""
        since, number = self._hosts.pop(host, (now, 0))
        if now - since >= MINUTE:
            since, number = now, 0
        self._hosts[host] = (since, number + 1)
        if len(self._hosts) > HOSTS:
            self._hosts.popitem(last=False)
        return number + 1 == GUESSES


class LineHandle(Protocol):
    """One line as its parts, and other lines, see its session."""

    line: VmLine
    zone: Zone
    role: LineRole
    claim: Claim | None
    console: Console | None

    def handle(self, event: LineEvent, *facts: object) -> None:
        """`event` happens to the line; `facts` are the arguments of its actions."""

    def probe(self, answer: Callable[[OldLine], None]) -> bool:
        """Call `answer` when the line answers, or is lost. False if it cannot be probed."""


@frozen(eq=False)
class LineContext:
    """What every session gets."""

    roster: Roster
    peers: PeerTable
    clock: Clock
    timeouts: LineTimeouts
    log: Logger
    refusals: Refusals
    unidentified: Admissions[VmLine]
    sessions: Mapping[Line, LineHandle]
    left: Callable[[Line], None]
    changes: StateChanges
    stopping: Callable[[], bool]
    suspects: Suspects = field(factory=Suspects)
    guesses: CredentialGuesses = field(factory=CredentialGuesses)
    tally: LineTally = field(factory=LineTally)

    def send(self, line: Line | None, event: LineEvent, *facts: object) -> None:
        """`event` happens to `line`, if that is still connected."""
        session = None if line is None else self.sessions.get(line)
        if session is not None:
            session.handle(event, *facts)

    def release(self, released: Released) -> None:
        """A migration failed: its console goes on with the line that is left, or is away."""
        console = released.console
        self.log.warn("vmotion-failed", console=console.title, reason=released.reason)
        console.link.end_migration(released.reason)
        self.roster.settle(console)
        self.send(released.target, LineEvent.DISMISSED)
        if not console.live:
            self.reconsider(console.vm)

    def reconsider(self, vm: Vm) -> None:
        """A line of `vm` is gone: one that is quarantined may get its console."""
        for line in quarantined(vm):
            self.send(line, LineEvent.RECONSIDERED)
