"""What one line is to us, from connected to closed: its role, its console, its time limits.

`vspc.vm.line_session` adds what the VM says.
"""

from typing import TYPE_CHECKING

from attrs import frozen

from vspc.common.clock import Cancellable
from vspc.console.console import Console
from vspc.console.events import VmRefused
from vspc.console.identity import Claim
from vspc.vm import claims
from vspc.vm.assignment import Assignment
from vspc.vm.line_observer import VmLine
from vspc.vm.lines.binary import LineState
from vspc.vm.lines.vmware import VMwareLine
from vspc.vm.mismatch import RemotePeer, of_handshake
from vspc.vm.pre_identification import PreIdentificationBuffer
from vspc.vm.probe import Probed
from vspc.vm.reports import Reports, too_late
from vspc.vm.role import LineRole
from vspc.vm.vmotion import SavedVmotion, Vmotion
from vspc.vm.zone import Zone

if TYPE_CHECKING:
    from vspc.vm.server import LineServer

LINGER = 5.0
"""Seconds that a peer may take to close a line that we have closed."""


@frozen
class SavedLine:
    """A session as a value; what is left of waits is in seconds."""

    line: LineState
    zone: str
    address: str
    role: LineRole
    claim: Claim | None
    early: bytes
    dropped: int
    said_apart: float | None
    said_name: str | None
    identify_left: float | None
    vmotion: SavedVmotion
    suspect_left: float | None


class LinePresence:
    """`console` is whose line it is, or is to be at COMPLETE, or was while suspect."""

    __slots__ = (
        "_closing",
        "_early",
        "_limit",
        "_said_apart",
        "_said_name",
        "_until",
        "claim",
        "console",
        "joining",
        "line",
        "probed",
        "reports",
        "role",
        "server",
        "vmotion",
        "zone",
    )

    def __init__(self, server: "LineServer", line: VmLine, zone: Zone) -> None:
        self.server = server
        self.line = line
        self.zone = zone
        self.role = LineRole.STRANGER
        self.console: Console | None = None
        self.claim: Claim | None = None
        self.reports = Reports(server, line.address)
        self.joining = Assignment(self)
        self.vmotion = Vmotion(self)
        self._early = PreIdentificationBuffer()
        self._said_apart: float | None = None  # when it spoke last while it was kept apart
        self._closing: Cancellable | None = None
        self._said_name: str | None = None
        self.probed = Probed(line)
        self._until = 0.0  # when the time limit to say who it is ends
        self._limit: Cancellable | None = None
        self._start_limit(server.timeouts.identify)
        server.log.debug("vm-connected", address=line.address, secure=line.secure)

    @property
    def state(self) -> SavedLine:
        """What another process needs to go on, but the console."""
        left = None if self._limit is None else self._until - self.server.clock.seconds()
        dropped, early = self._early.state
        return SavedLine(
            self.line.state,
            self.zone.name,
            self.line.address,
            self.role,
            self.claim,
            early,
            dropped,
            self._said_apart,
            self._said_name,
            left,
            self.vmotion.state,
            self.server.contenders.left(self),
        )

    def resume(self, state: SavedLine) -> None:
        """Go on from `state`; the console is given by `adopted`."""
        self.role = state.role
        self.claim = state.claim
        self._early = PreIdentificationBuffer(state.early, state.dropped)
        self._said_apart = state.said_apart
        self._said_name = state.said_name
        self._no_limit()
        if state.identify_left is not None:
            self._start_limit(max(0.0, state.identify_left))
        else:
            self.line.identified()

    def adopted(self, console: Console | None, state: SavedLine) -> None:
        """All lines are there again: `console` is this one's."""
        self.console = console
        self.vmotion.resume(state.vmotion)
        if state.suspect_left is not None and console is not None:
            self.server.contenders.suspect(self, console, state.suspect_left)

    def _start_limit(self, seconds: float) -> None:
        clock = self.server.clock
        self._until = clock.seconds() + seconds
        self._limit = clock.call_later(seconds, self._too_late)

    @property
    def leads(self) -> bool:
        """Whether this line is its console's."""
        return self.role is LineRole.LEADING

    @property
    def may_lead(self) -> bool:
        """Whether it may be its console's line soon."""
        return self.role in (LineRole.STRANGER, LineRole.TARGET)

    @property
    def is_held(self) -> bool:
        """Whether it is kept apart."""
        return self.role is LineRole.HELD

    @property
    def is_undecided(self) -> bool:
        """Whether it has said who it is, and is not, or not finally, told whose it is."""
        return self.claim is not None and self.role in (LineRole.STRANGER, LineRole.HELD)

    @property
    def _is_false_peer(self) -> bool:
        """Whether it claimed a migration that is not there: nothing it says counts."""
        return isinstance(self.line, VMwareLine) and self.line.registration.credential is not None

    def _no_limit(self) -> None:
        """It has said who it is: whatever it waits for has a time limit of its own."""
        self.server.unidentified.leave(self)
        if self._limit is not None and self._limit.active():
            self._limit.cancel()
        self._limit = None

    def _identified(self) -> None:
        """It has said who it is, and may say more in a turn from now on."""
        self._no_limit()
        self.line.identified()

    # What it is

    def targets(self, console: Console) -> None:
        """It has claimed the vMotion of `console`."""
        self.role = LineRole.TARGET
        self.console = console
        self.claim = claims.proved(console, self.line, self.zone)
        self._identified()

    def leads_at(self, console: Console) -> None:
        """It is the line of `console` now, which has it already: names, and what it said before."""
        self.role = LineRole.LEADING
        self.console = console
        self._identified()
        if self._said_name is not None:
            self.server.roster.rename(console.vm, self._said_name)
        self.server.roster.settle(console)
        last, self._said_apart = self._said_apart, None
        if last is not None and (console.last_output or 0) > last:
            self._early.skip_all()  # the VM has said more on another line since: this is older
        dropped, early = self._early.take()
        if dropped:
            console.tell(f"{dropped} bytes of {console.title} before these are lost")
        if early:
            console.output(early)
        self.vmotion.leads_now()

    def keep_apart(self, console: Console) -> None:
        """It is kept apart from now on, in a console of its own."""
        self.role = LineRole.HELD
        self.console = console
        self._identified()
        console.connect(self.line)
        _, early = self._early.take()
        if early:
            console.output(early)

    def become_suspect(self) -> None:
        """Another line is its console's now; if this one speaks again, it was alive."""
        self.role = LineRole.SUSPECT

    def set_free(self) -> None:
        """It has no console: it is being decided whose it is. What it said apart is not lost."""
        if self.role is LineRole.HELD and self.console is not None:
            history, self._said_apart = self.console.history, self.console.last_output
            self._early.skip(history.start)
            self._early.keep(history.read(history.start, history.end - history.start))
        self.role = LineRole.STRANGER
        self.console = None

    # Ending

    def retire(self, reason: str) -> None:
        """Another line is the console's now; what this one still says is nobody's."""
        self.console = None
        self.role = LineRole.RETIRED
        self.end(reason)

    def end(self, reason: str) -> None:
        """Close the line, in order if its peer takes part, else after `LINGER` seconds."""
        self.server.unidentified.leave(self)
        self.line.close(reason)
        if self._closing is None:
            self._closing = self.server.clock.call_later(LINGER, self.line.abort)

    def refused(self, reason: str, hint: str = "") -> None:
        if self.role is LineRole.RETIRED:
            return
        self.role = LineRole.RETIRED
        self._tell_refused(reason, hint)
        self.end(reason)

    def _tell_refused(self, reason: str, hint: str = "") -> None:
        name = self._name
        facts = {"name": name} if name else {}
        self.reports.erred("vm-refused", reason, **facts)
        event = VmRefused(self.line.address, self.zone.name, reason, hint, name)
        self.server.roster.publish(event)

    @property
    def _name(self) -> str:
        """The name that it has said, if it has."""
        said = self.line.registration.name if isinstance(self.line, VMwareLine) else None
        return said or self._said_name or ""

    @property
    def _peer(self) -> RemotePeer:
        return RemotePeer(self.line.address, self.zone.name)

    def _too_late(self) -> None:
        self._limit = None
        if self._is_false_peer:
            self.refused("its vMotion credential is of no open migration")
        else:
            self.refused(too_late(self.line, self.server.timeouts.identify))

    def _tell_unidentified(self, reason: str, error: BaseException | None) -> None:
        """It went before it said who it is: worth a line only where TLS tells why."""
        found = None if error is None else of_handshake(error, self._peer)
        if found is not None:
            self._tell_refused(found.reason, found.hint)
        else:
            self.server.log.debug("vm-left", address=self.line.address, reason=reason)

    def _tell_lost_output(self, role: LineRole) -> None:
        """A target went before COMPLETE: what it said is nobody's."""
        if role is LineRole.TARGET and self._early:
            self.reports.note("vmotion-output-dropped", bytes=len(self._early))

    def _leave(self, role: LineRole, reason: str) -> None:
        console = self.console
        if console is None:
            return
        if role is LineRole.HELD:
            self.server.roster.free(console)
        elif role is LineRole.SUSPECT:
            self.server.contenders.forget(self)
        elif role is LineRole.LEADING:
            self._abandon(console, reason)

    def _abandon(self, console: Console, reason: str) -> None:
        console.disconnect(reason)
        self.server.roster.settle(console)
        self.server.log.info(
            "vm-lost",
            console=console.title,
            id=console.id,
            address=self.line.address,
            reason=reason,
        )
        self.server.contenders.reconsider(console.vm)
