"""One line's part in vMotions: what it says of them, put to the table of migrations.

"Using a Proxy with vSphere Virtual Serial Ports", chapter 2, "VMotion Operation".
"""

from typing import TYPE_CHECKING

from attrs import frozen

from vspc.common.clock import Cancellable
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
from vspc.vm.lines.vmware import VMwareLine

if TYPE_CHECKING:
    from vspc.vm.presence import LinePresence

DECISION = 4.0
"""Seconds that a BEGIN may wait for a decision; the VM's host gives up after 5."""

HEARD = 5.0
"""Seconds in which the VM's host has to acknowledge GOAHEAD: later it has given up."""

GUESSES_PER_LINE = 3
"""Credentials of no migration on one connection that are a security event."""


@frozen
class SavedVmotion:
    """A line's part in vMotions as a value: a BEGIN without a decision, a GOAHEAD not heard yet.

    What is left of waits is in seconds; `since_goahead` are bytes written after it.
    """

    pending: bytes | None = None
    pending_left: float | None = None
    watched: bytes | None = None
    watched_left: float | None = None
    since_goahead: int = 0
    guesses: int = 0


class Vmotion:
    """The vMotions of one line, as source and as target."""

    __slots__ = (
        "_guesses",
        "_heard_by",
        "_patience",
        "_pending",
        "_session",
        "_until",
        "_watch",
        "_watched",
    )

    def __init__(self, session: "LinePresence") -> None:
        self._session = session
        self._pending: bytes | None = None  # the sequence of a BEGIN without a decision
        self._patience: Cancellable | None = None
        self._until = 0.0  # when it is given up
        self._watch: Cancellable | None = None
        self._watched: bytes | None = None  # the credential whose GOAHEAD is to be acknowledged
        self._heard_by = 0.0
        self._guesses = 0

    @property
    def state(self) -> SavedVmotion:
        """What another process needs to go on."""
        now = self._session.server.clock.seconds()
        watched = self._watched
        return SavedVmotion(
            self._pending,
            None if self._pending is None else max(0.0, self._until - now),
            watched,
            None if watched is None else max(0.0, self._heard_by - now),
            self._line.since_goahead if watched is not None else 0,
            self._guesses,
        )

    def resume(self, state: SavedVmotion) -> None:
        """Go on from `state`."""
        self._guesses = state.guesses
        if state.pending is not None and state.pending_left is not None:
            self._wait_for_decision(state.pending, state.pending_left)
        if state.watched is not None and state.watched_left is not None:
            self._line.resume_goahead(state.since_goahead)
            self._watch_goahead(state.watched, state.watched_left)

    # As source

    def begin(self, sequence: bytes) -> None:
        """BEGIN."""
        session = self._session
        if session.leads:
            self._decide(sequence)
        elif session.may_lead and not session.server.stopping:
            self._postpone(sequence)
        else:
            self._not_now(sequence, "the line is no console's, or the server is stopping")

    def _postpone(self, sequence: bytes) -> None:
        """It is being decided whose line this is: wait for that, if it is soon."""
        self._forget_pending()
        self._wait_for_decision(sequence, DECISION)

    def _wait_for_decision(self, sequence: bytes, seconds: float) -> None:
        clock = self._session.server.clock
        self._pending, self._until = sequence, clock.seconds() + seconds
        self._patience = clock.call_later(seconds, self._give_up)

    def _give_up(self) -> None:
        sequence, self._pending, self._patience = self._pending, None, None
        if sequence is not None:
            self._not_now(sequence, "whose line this is could not be decided in time")

    def _forget_pending(self) -> None:
        self._pending = None
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def leads_now(self) -> None:
        """The line is its console's: decide what could not be decided before."""
        sequence = self._pending
        self._forget_pending()
        if sequence is not None:
            self._decide(sequence)

    def _decide(self, sequence: bytes) -> None:
        session, server = self._session, self._session.server
        console, line = session.console, session.line
        assert console is not None
        if server.stopping:
            self._not_now(sequence, "the server is stopping")
            return
        match server.peers.begin(console, line, sequence, server.clock.seconds()):
            case Goahead(credential, replaced):
                console.migrate()
                self._line.go_ahead(credential)
                self._stop_watching()
                self._watch_goahead(credential, HEARD)
                if replaced is not None:
                    server.end(replaced, "the source began its vMotion anew")
                session.reports.note("vmotion-goahead", console=console.title)
            case NotNow(reason):
                self._not_now(sequence, reason)

    def _watch_goahead(self, credential: bytes, seconds: float) -> None:
        clock = self._session.server.clock
        self._watched, self._heard_by = credential, clock.seconds() + seconds
        self._watch = clock.call_later(seconds, lambda: self._is_heard(credential))

    @property
    def _line(self) -> VMwareLine:
        line = self._session.line
        assert isinstance(line, VMwareLine)
        return line

    def _not_now(self, sequence: bytes, reason: str) -> None:
        self._line.not_now(sequence)
        self._session.reports.erred("vmotion-not-now", reason)

    def _is_heard(self, credential: bytes) -> None:
        """Law of the protocol: a host that has no answer after 5 s stays where it is."""
        self._watch = self._watched = None
        if self._line.was_heard():
            return
        released = self._session.server.peers.unheard(self._line, credential)
        if released is not None:
            self._session.server.release(released)

    def spoke(self) -> None:
        """The line said something while its console is migrating."""
        server = self._session.server
        match server.peers.spoke(self._session.line, server.clock.seconds()):
            case Resumed(console):
                self._session.reports.note("vmotion-source-talks", console=console.title)
                console.resume()

    def abort(self) -> None:
        """ABORT."""
        match self._session.server.peers.abort(self._session.line):
            case Released() as released:
                self._session.server.release(released)
            case Illegal(reason):
                self._session.reports.dropped(reason)

    # As target

    def claim(self, credential: bytes) -> None:
        """PEER."""
        session, line = self._session, self._line
        match session.server.peers.claim(credential, line, self._may_be_target):
            case PeerOk(console, sequence):
                line.registration.confirm()
                session.targets(console)
                if not console.live:  # its source went so long ago that it was given up
                    console.migrate()
                    session.server.roster.settle(console)
                line.peer_ok(sequence)
                session.reports.note("vmotion-peer", console=console.title)
            case Unknown() as unknown:
                # The protocol has no refusal: say nothing, the identification limit ends it.
                self._unknown(unknown)

    def _may_be_target(self, console: Console) -> bool:
        session, zone = self._session, self._session.zone
        if not session.server.roster.knows(console):  # it was forgotten meanwhile
            return False
        return console.vm.zone == zone.name and zone.targets.permits(session.line.address)

    def _unknown(self, unknown: Unknown) -> None:
        session, server = self._session, self._session.server
        address, reason = session.line.address, unknown.fault.value
        self._guesses += 1
        if self._guesses == 1:
            session.reports.erred("vmotion-peer-unknown", reason)
        if unknown.fault is not PeerFault.UNKNOWN:
            kind = _KINDS[unknown.fault]
            server.suspect(kind, unknown.console, address, unknown.source, reason)
        elif self._guesses == GUESSES_PER_LINE or server.guesses.one_more(
            address, server.clock.seconds()
        ):
            detail = "it says credentials that were never given out"
            server.suspect("credentials-guessed", None, address, "", detail)

    def refute(self, reason: str) -> None:
        """What the target says of itself does not fit."""
        session, server = self._session, self._session.server
        console = session.console
        server.suspect(
            "peer-of-another",
            console,
            session.line.address,
            console.last_address if console else "",
            reason,
        )
        released = server.peers.refute(session.line, reason)
        if released is not None:
            server.release(released)
        else:
            session.end(reason)

    def complete(self, sequence: bytes) -> None:
        """COMPLETE."""
        server = self._session.server
        match server.peers.complete(self._session.line, sequence, server.clock.seconds()):
            case MoveComplete() as moved:
                self._move(moved)
            case Illegal(reason):
                self._session.reports.dropped(reason)

    def _move(self, moved: MoveComplete) -> None:
        session, console = self._session, moved.console
        source = session.server.session_of(moved.source)
        console.move(session.line, moved.source_address, moved.seconds)
        if source is not None:
            source.retire("moved by vMotion")
        session.server.log.info(
            "vmotion-complete",
            console=console.title,
            source=moved.source_address,
            target=session.line.address,
            milliseconds=round(moved.seconds * 1000),
        )
        session.leads_at(console)

    # Ending

    def lost(self, reason: str) -> bool:
        """The line is closed; whether a migration says what becomes of its console."""
        self._forget_pending()
        self._stop_watching()
        server = self._session.server
        match server.peers.lost(self._session.line, server.clock.seconds()):
            case SourceLost(console):
                console.lose_source()
                self._session.reports.note(
                    "vmotion-source-lost", console=console.title, reason=reason
                )
                return True
            case Released() as released:
                server.release(released)
                return True
        return False

    def _stop_watching(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            self._watch = self._watched = None


_KINDS = {
    PeerFault.USED: "credential-replayed",
    PeerFault.BUSY: "credential-replayed",
    PeerFault.PLACE: "peer-from-elsewhere",
}
