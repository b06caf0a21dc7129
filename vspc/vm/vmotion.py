"""One line's part in vMotions: its messages, put to the table of migrations.

"Using a Proxy with vSphere Virtual Serial Ports", chapter 2, "VMotion Operation".
"""

from collections.abc import Mapping
from types import MappingProxyType

from vspc.common.clock import Timer
from vspc.console.console import Console
from vspc.console.migration import (
    Goahead,
    Illegal,
    MoveComplete,
    NotNow,
    PeerFault,
    PeerOk,
    Released,
    Resumed,
    SourceLost,
    Unknown,
)
from vspc.vm.context import LineContext
from vspc.vm.lines.vmware import VMwareLine
from vspc.vm.reports import ReportedLine
from vspc.vm.roles import LineEvent

DECISION = 4.0
"""Seconds that a BEGIN may wait for a decision; the VM's host gives up after 5."""

ACKNOWLEDGED = 5.0
"""Seconds in which the VM's host has to acknowledge GOAHEAD: later it has given up."""

GUESSES_PER_LINE = 3
"""Unknown credentials on one connection that are a security event."""


class Vmotion:
    """The vMotions of one line, as source and as target.

    `pending` is the sequence of a BEGIN that is not answered yet, `unacknowledged` the credential
    of a GOAHEAD that the host has not acknowledged yet.
    """

    __slots__ = (
        "_asked_at",
        "_context",
        "_session",
        "guesses",
        "pending",
        "pending_timer",
        "unacknowledged",
        "unacknowledged_timer",
    )

    def __init__(self, context: LineContext, session: ReportedLine) -> None:
        self._context = context
        self._session = session
        self.guesses = 0
        self._asked_at: float | None = None  # when a BEGIN came that waits for a decision
        self.pending: bytes | None = None
        self.pending_timer = Timer(context.clock)
        self.unacknowledged: bytes | None = None
        self.unacknowledged_timer = Timer(context.clock)

    @property
    def _line(self) -> VMwareLine:
        line = self._session.line
        assert isinstance(line, VMwareLine)
        return line

    # As source

    def postpone(self, sequence: bytes) -> None:
        """BEGIN while it is being decided which console this is: wait for that, if it is soon."""
        if self._context.stopping():
            self.refuse(sequence, "the server is shutting down")
        else:
            self.wait_for_decision(sequence, DECISION)

    def wait_for_decision(self, sequence: bytes, seconds: float) -> None:
        """Answer BEGIN with NOTNOW in `seconds`, unless it is decided before."""
        self._asked_at = self._context.clock.seconds()
        self.pending = sequence
        self.pending_timer.start(seconds, self._give_up)

    def _give_up(self) -> None:
        sequence, self.pending = self.pending, None
        self._context.changes.line(self._session.line)
        if sequence is not None:
            self.refuse(sequence, f"its console was not decided within {DECISION:g} s")

    def decide_pending(self) -> None:
        """The line leads now: answer a BEGIN that has waited for it."""
        sequence, self.pending = self.pending, None
        self.pending_timer.stop()
        if sequence is not None:
            self.decide(sequence)

    def decide(self, sequence: bytes) -> None:
        """BEGIN from a line that leads."""
        context, line, console = self._context, self._line, self._session.console
        assert console is not None
        if context.stopping():
            self.refuse(sequence, "the server is shutting down")
            return
        now = context.clock.seconds()
        asked_at, self._asked_at = self._asked_at, None
        match context.peers.begin(console, line, sequence, now):
            case Goahead(credential, replaced):
                console.link.migrate()
                line.go_ahead(credential)
                began = now if asked_at is None else asked_at
                context.tally.goahead.observe(context.clock.seconds() - began)
                self.await_acknowledgement(credential, ACKNOWLEDGED)
                # The VM is stunned: its answer waits neither for the rest of the turn nor for
                # threads that are woken for what is reported of it.
                context.changes.flush()
                line.hasten()
                context.send(replaced, LineEvent.DISMISSED)
                self._session.reports.note("vmotion-goahead", console=console.title)
            case NotNow(reason):
                self.refuse(sequence, reason)

    def await_acknowledgement(self, credential: bytes, seconds: float) -> None:
        """Withdraw GOAHEAD in `seconds`, unless the host has acknowledged it."""
        self.unacknowledged = credential
        self.unacknowledged_timer.start(seconds, self._check_acknowledgement)

    def _check_acknowledgement(self) -> None:
        """Law of the protocol: a host that has no answer after 5 s stays where it is."""
        credential, self.unacknowledged = self.unacknowledged, None
        self._context.changes.line(self._session.line)
        if credential is None or self._line.has_acknowledged_goahead():
            return
        released = self._context.peers.unacknowledged(self._line, credential)
        if released is not None:
            self._context.release(released)

    def refuse(self, sequence: bytes, reason: str) -> None:
        """Answer BEGIN with NOTNOW."""
        self._asked_at = None
        self._context.tally.not_now += 1
        self._line.not_now(sequence)
        self._session.reports.warn("vmotion-not-now", reason)

    def spoke(self) -> None:
        """Output of the line while its console is migrating."""
        match self._context.peers.source_sent(self._session.line, self._context.clock.seconds()):
            case Resumed(console):
                self._session.reports.note("vmotion-source-talks", console=console.title)
                console.link.resume()

    def abort(self) -> None:
        """ABORT."""
        match self._context.peers.abort(self._session.line):
            case Released() as released:
                self._context.release(released)
            case Illegal(reason):
                self._session.reports.dropped(reason)

    # As target

    def claim(self, credential: bytes) -> None:
        """PEER. The protocol has no refusal: what is not accepted is not answered."""
        session, line = self._session, self._line
        match self._context.peers.claim(credential, line, self._may_be_target):
            case PeerOk(console, sequence):
                line.registration.confirmed = True
                session.handle(LineEvent.PEER_ACCEPTED, console)
                if not console.live:  # its source went so long ago that it was given up
                    console.link.migrate()
                    self._context.roster.settle(console)
                line.peer_ok(sequence)
                self._session.reports.note("vmotion-peer", console=console.title)
            case Unknown() as unknown:
                session.handle(LineEvent.PEER_FAILED, unknown)

    def _may_be_target(self, console: Console) -> bool:
        zone = self._session.zone
        if not self._context.roster.has(console):  # it was forgotten meanwhile
            return False
        return console.vm.zone == zone.name and zone.targets.permits(self._session.line.address)

    def report_unknown(self, unknown: Unknown) -> None:
        """The credential of a PEER was not accepted."""
        context, address, reason = self._context, self._session.line.address, unknown.fault.value
        self.guesses += 1
        if self.guesses == 1:
            self._session.reports.warn("vmotion-peer-unknown", reason)
        if unknown.fault is not PeerFault.UNKNOWN:
            kind = _KINDS[unknown.fault]
            self._session.reports.suspicion(kind, unknown.console, reason, unknown.source)
        elif self.guesses == GUESSES_PER_LINE or context.guesses.one_more(
            address, context.clock.seconds()
        ):
            detail = "it sends unknown vMotion credentials"
            self._session.reports.suspicion("credentials-guessed", None, detail)

    def refute(self, console: Console, reason: str) -> None:
        """The identity of the target of `console` is not that of its source."""
        line = self._session.line
        self._session.reports.suspicion("peer-of-another", console, reason)
        released = self._context.peers.refute(line, reason)
        if released is not None:
            self._context.release(released)
        else:
            self._session.handle(LineEvent.ENDED, reason)

    def complete(self, sequence: bytes) -> None:
        """COMPLETE."""
        context = self._context
        match context.peers.complete(self._session.line, sequence, context.clock.seconds()):
            case MoveComplete() as moved:
                self._move(moved)
            case Illegal(reason):
                self._session.reports.dropped(reason)

    def _move(self, moved: MoveComplete) -> None:
        console, line = moved.console, self._session.line
        console.link.move(line, moved.source_address, moved.seconds)
        self._context.send(moved.source, LineEvent.DISMISSED)
        self._context.log.info(
            "vmotion-complete",
            console=console.title,
            source=moved.source_address,
            target=line.address,
            milliseconds=round(moved.seconds * 1000),
        )
        self._session.handle(LineEvent.ASSIGNED, console)

    # Ending

    def leave(self, reason: str) -> bool:
        """The line is gone; whether a migration decides about its console."""
        context = self._context
        match context.peers.lost(self._session.line, context.clock.seconds()):
            case SourceLost(console):
                console.link.lose_source()
                self._session.reports.note(
                    "vmotion-source-lost", console=console.title, reason=reason
                )
                return True
            case Released() as released:
                context.release(released)
                return True
        return False

    def stop(self) -> None:
        """Wait for nothing any more."""
        self.pending = self.unacknowledged = None
        self.pending_timer.stop()
        self.unacknowledged_timer.stop()


_KINDS: Mapping[PeerFault, str] = MappingProxyType(
    {
        PeerFault.USED: "credential-replayed",
        PeerFault.BUSY: "credential-replayed",
        PeerFault.PLACE: "peer-from-elsewhere",
    }
)
