"""All lines that are connected: how many may be, and what administrators may do to them."""

from collections import Counter
from collections.abc import Callable
from enum import Enum
from math import inf

from attrs import Factory, define, field
from twisted.logger import Logger

from vspc.common.clock import Clock
from vspc.console.connection_history import UnidentifiedLine
from vspc.console.console import Console, ConsoleState
from vspc.console.events import RefusalKind
from vspc.console.peers import PeerTable
from vspc.console.ports import Line
from vspc.console.roster import Roster
from vspc.net.limits import Admissions, Refusals
from vspc.net.preaccept import AcceptQueue
from vspc.net.scheduler import Scheduler
from vspc.vm.contenders import claimed_console, quarantined
from vspc.vm.context import LineContext, LineTimeouts, Zone
from vspc.vm.ports import VmLine
from vspc.vm.roles import LineEvent
from vspc.vm.session import UNIDENTIFIED as UNIDENTIFIED_ROLES
from vspc.vm.session import LineSession

UNIDENTIFIED_PER_ADDRESS = 2048
"""Unidentified lines of one host; one more, and the oldest gives way."""

UNIDENTIFIED = 16_384
"""The same, of all hosts together."""

LINES_PER_ADDRESS = 16_384
"""Lines of one host, identified or not; one more is closed."""

SILENCE = 5.0
"""Seconds after which a silent unidentified line gives way."""

LATE = 3.0
"""Seconds between two ticks, over which migrations that are too late are given up a tick later."""


class Admittance(Enum):
    """Whether one more connection of a host may come in."""

    ROOM = "yes"
    WAIT = "when another one is identified"
    FULL = "no"


@define(eq=False)
class LineServer:
    """The registry of lines. Implements `vspc.apps.verbs.context.VmKeeper`."""

    roster: Roster
    peers: PeerTable
    clock: Clock
    refusals: Refusals
    timeouts: LineTimeouts = field(factory=LineTimeouts)
    zone: Zone = field(factory=Zone)
    scheduler: Scheduler = field(
        default=Factory(
            lambda server: Scheduler(server.clock.call_later, server.clock.seconds),
            takes_self=True,
        )
    )
    stopping: bool = field(default=False, init=False)
    sessions: dict[Line, LineSession] = field(factory=dict, init=False)
    unidentified: Admissions[VmLine] = field(
        factory=lambda: Admissions(UNIDENTIFIED_PER_ADDRESS, UNIDENTIFIED), init=False
    )
    queue: AcceptQueue = field(factory=AcceptQueue, init=False)
    context: LineContext = field(init=False)
    _lines: Counter[str] = field(factory=Counter, init=False)
    _ticked: float = field(default=inf, init=False)
    _is_late: bool = field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        self.peers.changes = self.roster.changes
        self.context = LineContext(
            self.roster,
            self.peers,
            self.clock,
            self.timeouts,
            Logger(namespace="vspc.vm"),
            self.refusals,
            self.unidentified,
            self.sessions,
            self._left,
            self.roster.changes,
            lambda: self.stopping,
        )

    def arrive(self, line: VmLine, zone: Zone | None = None) -> LineSession:
        """`line` has connected in `zone`; it has the time limit to identify itself."""
        session = LineSession(self.context, line, zone or self.zone)
        self.add(session)
        session.start_limit(self.timeouts.identify)
        self.context.log.debug("vm-connected", address=line.address, secure=line.secure)
        now = self.clock.seconds()
        displaced = self.unidentified.admit(line, line.address, now, SILENCE)
        reason = "too many unidentified lines from its address"
        self.context.send(displaced, LineEvent.REFUSED, reason, "", RefusalKind.TOO_MANY)
        return session

    def add(self, session: LineSession) -> None:
        """Register the line of `session`."""
        self.sessions[session.line] = session
        session.count()
        self._lines[session.line.address] += 1

    def _left(self, line: Line) -> None:
        if self.sessions.pop(line, None) is not None:
            self.roster.changes.line(line)
            self._lines[line.address] -= 1
            if not self._lines[line.address]:
                del self._lines[line.address]

    def room(self, host: str) -> Admittance:
        """Whether one more connection of `host` may come in."""
        if self._lines[host] >= LINES_PER_ADDRESS:
            return Admittance.FULL
        has_room = self.unidentified.has_room(host, self.clock.seconds(), SILENCE)
        return Admittance.ROOM if has_room else Admittance.WAIT

    def tick(self) -> None:
        """Give up migrations that are too late, forget consoles. Call it every second."""
        now = self.clock.seconds()
        for released in () if self._begins_late(now) else self.peers.expire(now):
            self.context.release(released)
        for vm in self.roster.tidy(now):
            self.context.reconsider(vm)
        self._serve_queue()

    def _begins_late(self, now: float) -> bool:
        """Whether this tick is the first after a stall: what arrived meanwhile is read first."""
        was_late, self._is_late = self._is_late, now - self._ticked > LATE
        self._ticked = now
        return self._is_late and not was_late

    def _serve_queue(self) -> None:
        if self.queue.serve(lambda host: self.room(host) is Admittance.ROOM):
            self.clock.call_later(0, self._serve_queue)

    def close(self, continues: Callable[[Line], bool] = lambda _line: False) -> None:
        """The service ends: no new migrations; every line is closed that does not continue in
        another process.
        """
        self.stopping = True
        for line in [each for each in self.sessions if not continues(each)]:
            self.context.send(line, LineEvent.ENDED, "the server is shutting down")

    # For administrators

    def console_states(self) -> dict[ConsoleState, int]:
        """How many consoles are in which state, without a look at each."""
        migrating = self.peers.migrating
        roster = self.roster
        connected = len(roster) - roster.away - roster.quarantined - migrating
        return {
            ConsoleState.CONNECTED: connected,
            ConsoleState.MIGRATING: migrating,
            ConsoleState.AWAY: roster.away,
            ConsoleState.QUARANTINED: roster.quarantined,
        }

    def unidentified_lines(self) -> list[UnidentifiedLine]:
        """The lines that have not identified themselves yet."""
        limit = self.timeouts.identify
        return [
            UnidentifiedLine(
                session.line.address,
                session.zone.name,
                limit - (session.limit.left or 0.0),
                session.reports.introduction,
            )
            for session in self.sessions.values()
            if session.role in UNIDENTIFIED_ROLES
        ]

    def waiting(self, console: Console) -> list[str]:
        """The addresses of the lines that are quarantined for the VM of `console`."""
        return [line.address for line in quarantined(console.vm)]

    def accept(self, console: Console, address: str) -> bool:
        """The VM of `console` is at `address`; False if no quarantined line is from there."""
        for line in quarantined(console.vm):
            if line.address == address:
                self.context.send(line, LineEvent.ACCEPTED, console)
                return True
        return False

    def accept_line(self, line: Console) -> Console | None:
        """The quarantined `line` is the VM that it claims to be: the console that it has now; None
        if there is none for it.
        """
        vm = self.roster.about(line)
        console = None if vm is None else claimed_console(vm, line)
        if console is not None:
            self.context.send(line.link.line, LineEvent.ACCEPTED, console)
        return console

    def forget(self, console: Console) -> bool:
        """Forget an away console, or close a quarantined line; False if the console has a line, or
        the server is to connect to it.
        """
        if console.quarantined:
            self.context.send(console.link.line, LineEvent.DISMISSED)
            return True
        if console.live or console.dial_uri:
            return False
        for line in self.context.suspects.of(console):
            self.context.send(line, LineEvent.DISMISSED)
        self.peers.supersede(console, "its console was forgotten")
        self.roster.forget(console)
        self.context.reconsider(console.vm)
        return True
