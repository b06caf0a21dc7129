"""The VM's door: which console a line belongs to, and the vMotions between lines.

The door has the tables (roster, migrations); each line has an `Arrival`, which is what the telnet
layers tell things to (`vspc.vm.keeper.Keeper`).
"""

from attrs import define, field, frozen
from twisted.logger import Logger

from vspc.console.console import Console, State
from vspc.console.identity import Claim, Old, Standing, Verdict, choose
from vspc.console.peers import (
    Goahead,
    Illegal,
    Moved,
    NotNow,
    PeerOk,
    PeerTable,
    Released,
    SourceLost,
    Unknown,
)
from vspc.console.ports import Cancellable, Clock, Line
from vspc.console.roster import Roster
from vspc.net.limits import Refusals
from vspc.text import safe
from vspc.vm.keeper import VmLine
from vspc.vm.registration import Joined
from vspc.vm.vmware import VMwareLine

EARLY = 64 * 1024
"""Bytes that a line may say before it is known whose they are; the oldest are dropped."""

WAIT = 1.0
"""Seconds between looks at a migration that a newcomer waits for."""


@frozen
class Waits:
    """Time limits in seconds: to identify, to answer a probe."""

    identify: float = 30.0
    probe: float = 5.0


@define(eq=False)
class Door:
    """Takes lines in and introduces them to consoles."""

    roster: Roster
    peers: PeerTable
    clock: Clock
    refusals: Refusals
    waits: Waits = field(factory=Waits)
    zone: str = "default"
    stopping: bool = field(default=False, init=False)
    arrivals: "dict[Line, Arrival]" = field(factory=dict, init=False)
    _log: Logger = field(factory=lambda: Logger(namespace="vspc.vm"), init=False)

    def arrive(self, line: VmLine) -> "Arrival":
        """`line` has connected; it has the time limit to say who it is."""
        arrival = Arrival(self, line)
        self.arrivals[line] = arrival
        return arrival

    def tick(self) -> None:
        """Give up migrations that are too late. Call it every second."""
        for released in self.peers.expire(self.clock.seconds()):
            self.release(released)

    def release(self, released: Released) -> None:
        """A migration came to nothing."""
        console = released.console
        self._log.warn("vmotion-failed", console=console.title, reason=released.reason)
        console.end_migration(released.reason)
        self.roster.settle(console)
        if released.target is not None:
            released.target.close(f"the vMotion came to nothing: {released.reason}")

    def close(self) -> None:
        """The service ends: no new migrations; every line is closed."""
        self.stopping = True
        for line in list(self.arrivals):
            line.close("the concentrator is shutting down")


class Arrival:
    """One line's way from connected to its console. Implements `vspc.vm.keeper.Keeper`."""

    __slots__ = (
        "_claim",
        "_door",
        "_dropped",
        "_early",
        "_ended",
        "_limit",
        "_log",
        "_probed",
        "_probers",
        "_verdict",
        "_waiting",
        "console",
        "line",
    )

    def __init__(self, door: Door, line: VmLine) -> None:
        self._door = door
        self._log = door._log
        self.line = line
        self.console: Console | None = None  # whose line it is, or is to be at COMPLETE
        self._claim: Claim | None = None
        self._early = bytearray()
        self._ended = False
        self._dropped = 0
        self._limit: Cancellable | None = door.clock.call_later(door.waits.identify, self._too_late)
        # Newcomers that wait for this line to show that it lives, and the wait of this one.
        self._probers: list[Arrival] = []
        self._probed: dict[Console, Old] = {}
        self._waiting: Cancellable | None = None
        self._log.debug("vm-connected", address=line.address, secure=line.secure)

    @property
    def _leads(self) -> bool:
        """Whether this line is its console's."""
        return self.console is not None and self.console.line is self.line

    # Data

    def output(self, data: bytes) -> None:
        if self._leads:
            assert self.console is not None
            self.console.output(data)
            return
        self._early += data
        if len(self._early) > EARLY:
            del self._early[: len(self._early) - EARLY]

    def broke(self) -> None:
        if self._leads and self.console is not None:
            self.console.broke()

    def answered(self) -> None:
        if self._leads and self.console is not None:
            self.console.answered()

    # Joining

    def joined(self, joined: Joined) -> None:
        self._claim = claim = Claim(
            self._door.zone,
            joined.uuid,
            joined.uuid_kind,
            joined.name,
            self.line.address,
            self.line.secure,
            joined.service_uri,
            joined.port_label,
        )
        if self.console is None:
            if not self._peer_refused:
                self._decide(claim)
            return
        vm = self.console.vm
        if joined.uuid != vm.uuid:
            self._refute(f"its UUID is {joined.uuid}, the source's is {vm.uuid}")
        elif self._leads:
            self._door.roster.rename(vm, joined.name)

    @property
    def _peer_refused(self) -> bool:
        """Whether it claimed a migration that is not there: nothing it says counts."""
        return isinstance(self.line, VMwareLine) and self.line.registration.credential is not None

    def _refute(self, reason: str) -> None:
        self._log.error("vmotion-refuted", address=self.line.address, reason=reason)
        released = self._door.peers.refute(self.line, reason)
        if released is not None:
            self._door.release(released)
        else:
            self.line.close(reason)

    def _decide(self, claim: Claim) -> None:
        """Which console is it? Asked again each time that an old line has shown what it is."""
        if self._ended or self.console is not None:
            return
        standings = [self._standing(c, claim) for c in self._door.roster.ports(claim)]
        verdict, ordinal = choose(standings)
        if verdict is Verdict.OTHER and standings and claim.uuid_kind == "plain":
            verdict = Verdict.REFUSE
        _VERDICTS[verdict](self, claim, ordinal)

    def _standing(self, console: Console, claim: Claim) -> Standing:
        old = self._probed.get(console, Old.THERE)
        if console.state is State.AWAY:
            old = Old.GONE
        elif console.state is State.MIGRATING:
            old = Old.MIGRATING
        same_host = console.line is not None and console.line.address == claim.address
        return Standing(console.ordinal, old, console.vm.said_name == claim.name, same_host)

    def _join(self, claim: Claim, ordinal: int) -> None:
        console = self._door.roster.open(claim, ordinal)
        self._identified(console)
        console.connect(self.line)
        self._settle(console, claim)
        self._log.info(
            "vm-registered",
            console=console.title,
            id=console.id,
            address=self.line.address,
            secure=self.line.secure,
            uuid=claim.uuid,
            service_uri=claim.service_uri,
        )

    def _replace(self, claim: Claim, ordinal: int) -> None:
        console = self._door.roster.open(claim, ordinal)
        former = self._door.arrivals.get(console.line) if console.line else None
        old = console.line.address if console.line else None
        self._identified(console)
        console.replace(self.line)
        if former is not None:
            former._retire("another line of this VM took over; this one no longer answered")
        self._settle(console, claim)
        self._log.warn(
            "vm-replaced", console=console.title, id=console.id, old=old, new=self.line.address
        )

    def _settle(self, console: Console, claim: Claim) -> None:
        self._door.roster.rename(console.vm, claim.name)
        self._door.roster.settle(console)
        self._flush()

    def _flush(self) -> None:
        """What was said before anybody knew whose it is belongs to the console, too."""
        early, self._early = bytes(self._early), bytearray()
        if early and self.console is not None:
            self.console.output(early)

    def _identified(self, console: Console) -> None:
        self.console = console
        if self._limit is not None and self._limit.active():
            self._limit.cancel()
        self._limit = None

    def _probe(self, claim: Claim, ordinal: int) -> None:
        """Ask the old line whether it lives."""
        console = self._door.roster.open(claim, ordinal)
        former = self._door.arrivals.get(console.line) if console.line else None
        if former is None or not former._ask_if_alive(self):
            # A line that cannot be asked counts as alive: keepalive ends it if it is not.
            self._learn(console, Old.ANSWERED)
            return
        self._waiting = self._door.clock.call_later(
            self._door.waits.probe, lambda: self._learn(console, Old.SILENT)
        )

    def _ask_if_alive(self, newcomer: "Arrival") -> bool:
        if not self._probers and not self.line.probe():
            return False
        self._probers.append(newcomer)
        return True

    def lives(self) -> None:
        self._tell_probers(Old.ANSWERED)

    def _tell_probers(self, old: Old) -> None:
        probers, self._probers = self._probers, []
        for newcomer in probers:
            if self.console is not None:
                newcomer._learn(self.console, old)

    def _learn(self, console: Console, old: Old) -> None:
        if self._waiting is not None and self._waiting.active():
            self._waiting.cancel()
        self._waiting = None
        self._probed[console] = old
        if self._claim is not None:
            self._decide(self._claim)

    def _wait(self, claim: Claim, _ordinal: int) -> None:
        self._waiting = self._door.clock.call_later(WAIT, lambda: self._decide(claim))

    def _refuse(self, claim: Claim, ordinal: int) -> None:
        console = self._door.roster.open(claim, ordinal)
        other = console.line.address if console.line else "another host"
        self.refused(
            f"{console.title} is connected from {other} and answers; "
            "two lines cannot both be its serial port"
        )

    def renamed(self, name: str) -> None:
        if self._leads and self.console is not None:
            old = self.console.name
            self._door.roster.rename(self.console.vm, name)
            self._log.info("vm-renamed", console=self.console.title, old=old)

    # vMotion

    def began(self, sequence: bytes) -> None:
        line = self.line
        assert isinstance(line, VMwareLine)
        console = self.console
        if console is None or not self._leads or self._door.stopping:
            line.not_now(sequence)
            self._log.warn("vmotion-not-now", address=line.address)
            return
        match self._door.peers.begin(console, line, sequence, self._door.clock.seconds()):
            case Goahead(credential, replaced):
                console.migrate()
                line.go_ahead(credential)
                if replaced is not None:
                    replaced.close("the source began its vMotion anew")
                self._log.info("vmotion-goahead", console=console.title, address=line.address)
            case NotNow(reason):
                line.not_now(sequence)
                self._log.warn("vmotion-not-now", console=console.title, reason=reason)

    def claimed(self, credential: bytes) -> None:
        line = self.line
        assert isinstance(line, VMwareLine)
        match self._door.peers.claim(credential, line):
            case PeerOk(console, sequence):
                self.console = console
                line.peer_ok(sequence)
                self._log.info("vmotion-peer", console=console.title, address=line.address)
            case Unknown(reason):
                # The protocol has no refusal: say nothing, the identification limit ends it.
                self._log.error("vmotion-peer-unknown", address=line.address, reason=reason)

    def completed(self, sequence: bytes) -> None:
        match self._door.peers.complete(self.line, sequence, self._door.clock.seconds()):
            case Moved(console, source, source_address, seconds):
                self._move(console, source, source_address, seconds)
            case Illegal(reason):
                self.dropped(reason)

    def _move(
        self, console: Console, source: Line | None, source_address: str, seconds: float
    ) -> None:
        former = self._door.arrivals.get(source) if source else None
        self._identified(console)
        console.move(self.line, source_address, seconds)
        if former is not None:
            former._retire("moved by vMotion")
        self._log.info(
            "vmotion-complete",
            console=console.title,
            source=source_address,
            target=self.line.address,
            milliseconds=round(seconds * 1000),
        )
        if self._claim is not None:
            self._door.roster.rename(console.vm, self._claim.name)
        self._door.roster.settle(console)
        self._flush()

    def aborted(self) -> None:
        match self._door.peers.abort(self.line):
            case Released() as released:
                self._door.release(released)
            case Illegal(reason):
                self.dropped(reason)

    def _retire(self, reason: str) -> None:
        """Another line is the console's now; what this one still says is nobody's."""
        self.console = None
        self._ended = True
        self.line.close(reason)

    # Ending

    def refused(self, reason: str) -> None:
        if self._ended:
            return
        self._ended = True
        self._report("vm-refused", reason)
        self.line.close(reason)

    def failed(self, reason: str) -> None:
        self._report("vm-failed", reason)

    def _report(self, event: str, reason: str) -> None:
        address = self.line.address
        if self._door.refusals.worth_a_line(address, self._door.clock.seconds()):
            self._log.warn(event, address=address, reason=safe(reason, 600))

    def dropped(self, what: str) -> None:
        self._dropped += 1
        # Counted always, logged while they are few: a noisy peer must not fill the disk.
        if self._dropped <= 5 or self._dropped & (self._dropped - 1) == 0:
            self._log.info(
                "vm-dropped", address=self.line.address, what=safe(what), count=self._dropped
            )

    def _too_late(self) -> None:
        self._limit = None
        missing = getattr(self.line, "missing", "anything")
        self.refused(
            f"it did not say {missing} within {self._door.waits.identify:g} s; a QEMU or a device "
            "server needs a [[vm.plain]] listener"
        )

    def lost(self, reason: str) -> None:
        self._ended = True
        self._door.arrivals.pop(self.line, None)
        for call in (self._limit, self._waiting):
            if call is not None and call.active():
                call.cancel()
        console, leads = self.console, self._leads
        self._forget_line(console, leads, reason)
        self._tell_probers(Old.GONE)
        self.console = None

    def _forget_line(self, console: Console | None, leads: bool, reason: str) -> None:
        match self._door.peers.lost(self.line):
            case SourceLost(moving):
                moving.lose_source()
                self._log.warn("vmotion-source-lost", console=moving.title, reason=safe(reason))
            case Released() as released:
                self._door.release(released)
            case None if console is not None and leads:
                console.disconnect(safe(reason))
                self._door.roster.settle(console)
                self._log.info(
                    "vm-lost",
                    console=console.title,
                    id=console.id,
                    address=self.line.address,
                    reason=safe(reason),
                )


_VERDICTS = {
    Verdict.JOIN: Arrival._join,
    Verdict.OTHER: Arrival._join,
    Verdict.PROBE: Arrival._probe,
    Verdict.REPLACE: Arrival._replace,
    Verdict.WAIT: Arrival._wait,
    Verdict.REFUSE: Arrival._refuse,
}
