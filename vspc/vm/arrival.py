"""One line at the door: whose it is, and the vMotions that it takes part in.

The telnet layers tell an `Arrival` what the VM says (`vspc.vm.keeper.Keeper`); it knows the tables
and does what they answer.
"""

from typing import TYPE_CHECKING

from vspc.console.console import Console
from vspc.console.identity import Claim, Old
from vspc.console.peers import (
    Goahead,
    Illegal,
    Moved,
    NotNow,
    PeerOk,
    Released,
    SourceLost,
    Unknown,
)
from vspc.console.ports import Cancellable
from vspc.text import safe
from vspc.vm.joining import Joining
from vspc.vm.keeper import VmLine
from vspc.vm.line import TLS_FAILED
from vspc.vm.registration import Joined
from vspc.vm.reports import Reports
from vspc.vm.vmware import VMwareLine

if TYPE_CHECKING:
    from vspc.vm.door import Door

EARLY = 64 * 1024
"""Bytes that a line may say before it is known whose they are; the oldest are dropped."""

LINGER = 5.0
"""Seconds that a peer may take to close a line that we have closed."""


class Arrival:
    """One line's way from connected to its console and on to the next. A `Keeper`."""

    __slots__ = (
        "_closing",
        "_early",
        "_joining",
        "_limit",
        "_probers",
        "_reports",
        "_said_name",
        "console",
        "door",
        "ended",
        "line",
    )

    def __init__(self, door: "Door", line: VmLine) -> None:
        self.door = door
        self.line = line
        self.console: Console | None = None  # whose line it is, or is to be at COMPLETE
        self.ended = False
        self._early = bytearray()
        self._closing: Cancellable | None = None
        self._reports = Reports(door, line.address)
        self._said_name: str | None = None
        self._joining: Joining | None = None
        self._probers: list[Joining] = []  # newcomers that wait for this line to show that it lives
        self._limit: Cancellable | None = door.clock.call_later(door.waits.identify, self._too_late)
        door.log.debug("vm-connected", address=line.address, secure=line.secure)

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

    def secured(self) -> None:
        self._early.clear()

    def broke(self) -> None:
        if self._leads and self.console is not None:
            self.console.broke()

    def answered(self) -> None:
        if self._leads and self.console is not None:
            self.console.answered()

    # Joining

    def joined(self, joined: Joined) -> None:
        self._said_name = joined.name
        if self.console is not None:
            self._confirm(self.console, joined)
        elif not self._is_false_peer:
            self._no_limit()
            claim = Claim(
                self.door.zone,
                joined.uuid,
                joined.uuid_kind,
                joined.name,
                self.line.address,
                self.line.secure,
                joined.service_uri,
                joined.port_label,
            )
            self._joining = Joining(self, claim)
            self._joining.decide()

    def _confirm(self, console: Console, joined: Joined) -> None:
        """A target has said who it is: the migration's VM, or a liar."""
        identity = console.vm.identity
        if joined.uuid_kind == identity.kind and joined.uuid != console.vm.uuid:
            self._refute(f"its UUID is {joined.uuid}, the source's is {console.vm.uuid}")
        elif self._leads:
            self.door.roster.rename(console.vm, joined.name)

    @property
    def _is_false_peer(self) -> bool:
        """Whether it claimed a migration that is not there: nothing it says counts."""
        return isinstance(self.line, VMwareLine) and self.line.registration.credential is not None

    def _refute(self, reason: str) -> None:
        self.door.log.error("vmotion-refuted", address=self.line.address, reason=reason)
        released = self.door.peers.refute(self.line, reason)
        if released is not None:
            self.door.release(released)
        else:
            self.end(reason)

    def identified(self, console: Console) -> None:
        """This is the line of `console` now: no time limit any more."""
        self.console = console
        self._no_limit()

    def _no_limit(self) -> None:
        """It has said who it is: whatever it waits for has a time limit of its own."""
        self.door.strangers.leave(self)
        if self._limit is not None and self._limit.active():
            self._limit.cancel()
        self._limit = None

    def settle(self, name: str | None) -> None:
        """After the console took this line: names, and what was said before it was known whose."""
        assert self.console is not None
        if name is not None:
            self.door.roster.rename(self.console.vm, name)
        self.door.roster.settle(self.console)
        early, self._early = bytes(self._early), bytearray()
        if early:
            self.console.output(early)

    def ask_if_alive(self, newcomer: Joining) -> bool:
        """Have `newcomer` told whether this line answers; False if it cannot be asked."""
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
                newcomer.learn(self.line, old)

    def renamed(self, name: str) -> None:
        if self._leads and self.console is not None:
            old = self.console.name
            self.door.roster.rename(self.console.vm, name)
            self._reports.note("vm-renamed", console=self.console.title, old=old)

    # vMotion

    def began(self, sequence: bytes) -> None:
        line, console = self.line, self.console
        assert isinstance(line, VMwareLine)
        if console is None or not self._leads or self.door.stopping:
            self._not_now(line, sequence, "the line is nobody's, or the server is stopping")
            return
        match self.door.peers.begin(console, line, sequence, self.door.clock.seconds()):
            case Goahead(credential, replaced):
                console.migrate()
                line.go_ahead(credential)
                if replaced is not None:
                    self.door.end(replaced, "the source began its vMotion anew")
                self._reports.note("vmotion-goahead", console=console.title)
            case NotNow(reason):
                self._not_now(line, sequence, reason)

    def _not_now(self, line: VMwareLine, sequence: bytes, reason: str) -> None:
        line.not_now(sequence)
        self._reports.erred("vmotion-not-now", reason)

    def claimed(self, credential: bytes) -> None:
        line = self.line
        assert isinstance(line, VMwareLine)
        match self.door.peers.claim(credential, line):
            case PeerOk(console, sequence):
                self.identified(console)
                line.peer_ok(sequence)
                self._reports.note("vmotion-peer", console=console.title)
            case Unknown(reason):
                # The protocol has no refusal: say nothing, the identification limit ends it.
                self._reports.erred("vmotion-peer-unknown", reason)

    def completed(self, sequence: bytes) -> None:
        match self.door.peers.complete(self.line, sequence, self.door.clock.seconds()):
            case Moved() as moved:
                self._move(moved)
            case Illegal(reason):
                self.dropped(reason)

    def _move(self, moved: Moved) -> None:
        console = moved.console
        source = self.door.arrival_of(moved.source)
        self.identified(console)
        console.move(self.line, moved.source_address, moved.seconds)
        if source is not None:
            source.retire("moved by vMotion")
        self.door.log.info(
            "vmotion-complete",
            console=console.title,
            source=moved.source_address,
            target=self.line.address,
            milliseconds=round(moved.seconds * 1000),
        )
        self.settle(self._said_name)

    def aborted(self) -> None:
        match self.door.peers.abort(self.line):
            case Released() as released:
                self.door.release(released)
            case Illegal(reason):
                self.dropped(reason)

    # Ending

    def retire(self, reason: str) -> None:
        """Another line is the console's now; what this one still says is nobody's."""
        self.console = None
        self.ended = True
        self.end(reason)

    def end(self, reason: str) -> None:
        """Close the line, in order if its peer takes part, else after `LINGER` seconds."""
        self.door.strangers.leave(self)
        self.line.close(reason)
        if self._closing is None:
            self._closing = self.door.clock.call_later(LINGER, self.line.abort)

    def refused(self, reason: str) -> None:
        if self.ended:
            return
        self.ended = True
        self._reports.erred("vm-refused", reason)
        self.end(reason)

    def failed(self, reason: str) -> None:
        self._reports.erred("vm-failed", reason)

    def dropped(self, what: str) -> None:
        self._reports.dropped(what)

    def _too_late(self) -> None:
        self._limit = None
        if self._is_false_peer:
            self.refused("its vMotion credential is of no open migration")
            return
        missing = getattr(self.line, "missing", "anything")
        hint = "; a QEMU or a device server needs a [[vm.plain]] listener"
        silent = not getattr(self.line, "agreed", True)
        limit = f"{self.door.waits.identify:g} s"
        self.refused(f"it did not say {missing} within {limit}" + (hint if silent else ""))

    def lost(self, reason: str) -> None:
        if self.console is None and not self.ended:
            self._tell_unidentified(safe(reason))
        self.ended = True
        self.door.arrivals.pop(self.line, None)
        self._no_limit()
        if self._closing is not None and self._closing.active():
            self._closing.cancel()
        if self._joining is not None:
            self._joining.stop()
        self._leave_console(safe(reason))
        self._tell_probers(Old.GONE)
        self.console = None

    def _tell_unidentified(self, reason: str) -> None:
        """It went before it said who it is: worth a line only where TLS tells why."""
        if reason.startswith(TLS_FAILED):
            self._reports.erred("vm-failed", reason)
        else:
            self.door.log.debug("vm-left", address=self.line.address, reason=reason)

    def _leave_console(self, reason: str) -> None:
        console, leads = self.console, self._leads
        match self.door.peers.lost(self.line):
            case SourceLost(moving):
                moving.lose_source()
                self._reports.note("vmotion-source-lost", console=moving.title, reason=reason)
            case Released() as released:
                self.door.release(released)
            case None if console is not None and leads:
                console.disconnect(reason)
                self.door.roster.settle(console)
                self.door.log.info(
                    "vm-lost",
                    console=console.title,
                    id=console.id,
                    address=self.line.address,
                    reason=reason,
                )
