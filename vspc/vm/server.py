"""The VM's server: all lines that are connected, and what they share."""

from collections import Counter
from enum import Enum
from typing import TYPE_CHECKING

from attrs import Factory, define, field, frozen
from twisted.logger import Logger

from vspc.common.clock import Clock
from vspc.console.console import Console
from vspc.console.events import Suspicion
from vspc.console.migration import Released
from vspc.console.peers import PeerTable
from vspc.console.ports import Line
from vspc.console.roster import Roster
from vspc.net.limits import Admissions, Refusals
from vspc.net.preaccept import AcceptQueue
from vspc.net.scheduler import Scheduler
from vspc.vm.contenders import Contenders
from vspc.vm.credential_guesses import CredentialGuesses
from vspc.vm.line_observer import VmLine
from vspc.vm.line_session import LineSession
from vspc.vm.presence import SavedLine
from vspc.vm.zone import Zone

if TYPE_CHECKING:
    from collections.abc import Hashable

UNIDENTIFIED_PER_ADDRESS = 2048
"""Lines of one host that have not said who they are; one more, and the oldest gives way."""

UNIDENTIFIED = 16_384
"""The same, of all hosts together."""


LINES_PER_ADDRESS = 16_384
"""Lines of one host, whoever they are; one more is closed."""

SILENCE = 5.0
"""Seconds after which a line that has not said who it is, and says nothing, gives way."""


class Admittance(Enum):
    """Whether one more connection of a host may come in."""

    ROOM = "yes"
    WAIT = "when another one has said who it is"
    FULL = "no"


@frozen
class LineTimeouts:
    """Time limits in seconds: to identify, to answer a probe."""

    identify: float = 30.0
    probe: float = 5.0


@define(eq=False)
class LineServer:
    """Takes lines in and introduces them to consoles."""

    roster: Roster
    peers: PeerTable
    clock: Clock
    refusals: Refusals
    timeouts: LineTimeouts = field(factory=LineTimeouts)
    zone: Zone = field(factory=Zone)
    scheduler: Scheduler = field(
        default=Factory(
            lambda server: Scheduler(server.clock.call_later, server.clock.seconds), takes_self=True
        )
    )
    stopping: bool = field(default=False, init=False)
    sessions: dict[Line, LineSession] = field(factory=dict, init=False)
    unidentified: "Admissions[Hashable]" = field(
        factory=lambda: Admissions(UNIDENTIFIED_PER_ADDRESS, UNIDENTIFIED), init=False
    )
    contenders: Contenders = field(init=False)
    queue: AcceptQueue = field(factory=AcceptQueue, init=False)
    _lines: Counter[str] = field(factory=Counter, init=False)
    guesses: CredentialGuesses = field(factory=CredentialGuesses, init=False)
    log: Logger = field(factory=lambda: Logger(namespace="vspc.vm"), init=False)

    def __attrs_post_init__(self) -> None:
        self.contenders = Contenders(self)

    def arrive(self, line: VmLine, zone: Zone | None = None) -> LineSession:
        """`line` has connected in `zone`; it has the time limit to say who it is."""
        session = self._enter(line, zone or self.zone)
        displaced = self.unidentified.admit(session, line.address, self.clock.seconds(), SILENCE)
        if isinstance(displaced, LineSession):
            displaced.refused("too many lines of its host have not said who they are")
        return session

    def _enter(self, line: VmLine, zone: Zone) -> LineSession:
        session = self.sessions[line] = LineSession(self, line, zone)
        self._lines[line.address] += 1
        return session

    def resume(self, line: VmLine, zone: Zone, state: SavedLine) -> LineSession:
        """`line` goes on, which another process had; `vspc.vm.values` gives it its console."""
        session = self._enter(line, zone)
        session.resume(state)
        if state.identify_left is not None:
            self.unidentified.admit(session, line.address, self.clock.seconds())
        return session

    def left(self, line: Line) -> None:
        """`line` is closed."""
        if self.sessions.pop(line, None) is not None:
            self._lines[line.address] -= 1
            if not self._lines[line.address]:
                del self._lines[line.address]

    def room(self, host: str) -> Admittance:
        """Whether one more connection of `host` may come in."""
        if self._lines[host] >= LINES_PER_ADDRESS:
            return Admittance.FULL
        has_room = self.unidentified.has_room(host, self.clock.seconds(), SILENCE)
        return Admittance.ROOM if has_room else Admittance.WAIT

    def session_of(self, line: Line | None) -> LineSession | None:
        """Whoever keeps `line`, if it is still connected."""
        return self.sessions.get(line) if line is not None else None

    def tick(self) -> None:
        """Give up migrations that are too late, forget consoles. Call it every second."""
        now = self.clock.seconds()
        for released in self.peers.expire(now):
            self.release(released)
        for vm in self.roster.tidy(now):
            self.contenders.reconsider(vm)
        self._serve_queue()

    def _serve_queue(self) -> None:
        if self.queue.serve(lambda host: self.room(host) is Admittance.ROOM):
            self.clock.call_later(0, self._serve_queue)

    def release(self, released: Released) -> None:
        """A migration came to nothing."""
        console = released.console
        self.log.warn("vmotion-failed", console=console.title, reason=released.reason)
        console.end_migration(released.reason)
        self.roster.settle(console)
        self.close_target(released)
        if not console.live:
            self.contenders.reconsider(console.vm)

    def close_target(self, released: Released) -> None:
        """The target of a migration that came to nothing has nothing to do here any more."""
        if released.target is not None:
            self.end(released.target, f"the vMotion came to nothing: {released.reason}")

    def accept(self, console: Console, address: str) -> bool:
        """`vspc.apps.verbs.context.VmKeeper`."""
        return self.contenders.accept(console, address)

    def accept_line(self, line: Console) -> Console | None:
        """`vspc.apps.verbs.context.VmKeeper`."""
        return self.contenders.accept_line(line)

    def waiting(self, console: Console) -> list[str]:
        """`vspc.apps.verbs.context.VmKeeper`."""
        return [session.line.address for session in self.contenders.held(console.vm)]

    def forget(self, console: Console) -> bool:
        """`vspc.apps.verbs.context.VmKeeper`. One that is kept apart is closed."""
        if console.quarantined:
            self.end_apart(console)
            return True
        if console.live:
            return False
        for former in self.contenders.of(console):
            self.contenders.forget(former)
            former.retire("its console was forgotten")
        self.peers.supersede(console, "its console was forgotten")
        self.roster.forget(console)
        self.contenders.reconsider(console.vm)
        return True

    def end_apart(self, console: Console) -> None:
        """Close a line that is kept apart."""
        session = self.session_of(console.line)
        if session is not None:
            self.contenders.free(session)
            session.retire("an administrator closed it")

    def end(self, line: Line, reason: str) -> None:
        """Close `line`, whoever keeps it."""
        session = self.sessions.get(line)
        if session is not None:
            session.end(reason)

    def suspect(
        self, kind: str, console: Console | None, claimant: str, holder: str, detail: str
    ) -> None:
        """Somebody did what an attacker would do: one security event."""
        self.roster.publish(Suspicion(kind, console, claimant, holder, detail))

    def close(self) -> None:
        """The service ends: no new migrations; every line is closed."""
        self.stopping = True
        for session in list(self.sessions.values()):
            session.end("the concentrator is shutting down")
