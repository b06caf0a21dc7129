"""One vMotion of one port, from VMOTION-BEGIN to its end, as the two hosts see it.

    asked      BEGIN was sent on the source; the host reads everything, to get at the answer
    moving     GOAHEAD came; the memory is copied for `transfer` seconds
    peering    the target has connected and sends VMOTION-PEER, or is accepted and waits for the
               VM's other ports
    hanging    a fault: the hosts send nothing more, until a line is lost or HANG_LIMIT is over
    over       COMPLETE was sent on the target, or ABORT on the source, or NOTNOW came

The VM stands still until it is over.
"""

from collections.abc import Callable
from enum import Enum, auto
from typing import Protocol

from attrs import frozen
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from vspc.simulator.host import HostConnection
from vspc.simulator.serial_port import Flow, MigrationReport

GOAHEAD_LIMIT = 5.0
"""Seconds in which the proxy has to answer VMOTION-BEGIN (serialN.vmotionLimit)."""

PEER_LIMIT = 10.0
"""Seconds in which the target has to be connected and accepted."""

BEGIN_BUFFER = 1024 * 1024
"""Bytes that the host reads after VMOTION-BEGIN without finding the answer, before it aborts."""

HANG_LIMIT = 300.0
"""Seconds until a migration that hangs on purpose is forgotten, and the VM goes on where it was."""

NOTICE = 1.0
"""Seconds until the source notices that its target's host is lost."""

STRAY = 64 * 1024
"""Bytes kept of what a proxy sends on the source after GOAHEAD; it ought to send none."""


class PlannedFault(Enum):
    """What is to go wrong with a migration, by the word of the command."""

    NONE = ""
    ABORT = "abort"  # after GOAHEAD
    ABORT_LATE = "abort-late"  # after PEER-OK
    SOURCE_LOST = "source-lost"  # after GOAHEAD; the target connects all the same
    TARGET_LOST = "target-lost"  # after PEER-OK; the source aborts, as soon as it has noticed
    HANG = "hang"  # after GOAHEAD both hosts are silent
    HANG_LATE = "hang-late"  # after PEER-OK both hosts are silent
    TALK_ON = "talk-on"  # after GOAHEAD the VM goes on where it is, and no ABORT is sent


@frozen
class Plan:
    """A vMotion to do: whereto, how long the copy takes (seconds), and what goes wrong."""

    address: str
    sequence: bytes
    transfer: float = 1.0
    fault: PlannedFault = PlannedFault.NONE


class Stage(Enum):
    """Where a migration stands."""

    ASKED = auto()
    MOVING = auto()
    PEERING = auto()
    HANGING = auto()
    OVER = auto()


class Movable(Protocol):
    """What a migration asks of its VM."""

    address: str
    flow: Flow

    def new_line(self, claim: bytes) -> HostConnection:
        """A connection for the target's host, not connected yet."""

    def open(self, address: str, line: HostConnection) -> None:
        """Connect it."""

    def moved(self, line: HostConnection, report: MigrationReport) -> None:
        """The VM lives on `line`, at the target's address."""

    def stayed(self, report: MigrationReport) -> None:
        """The VM lives where it was."""


class Convoy:
    """The migrations of one VM's ports: all are completed, once every target waits, or none is."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._members: list[SimulatedMigration] = []
        self._waiting = 0

    def join(self, member: "SimulatedMigration") -> None:
        """One port begins."""
        self._members.append(member)

    def wait(self) -> None:
        """One more target is accepted."""
        self._waiting += 1
        if self._waiting == self._size:
            for member in self._members:
                member.complete()

    def failed(self) -> None:
        """One port does not move."""
        for member in self._members:
            member.fail("another port of the VM did not move")


class SimulatedMigration:
    """One vMotion of one port. `result` fires with its Report; it never fails."""

    def __init__(
        self,
        vm: Movable,
        source: HostConnection,
        clock: IReactorTime,
        plan: Plan,
        convoy: Convoy | None = None,
    ) -> None:
        self.source = source
        self.target: HostConnection | None = None
        self.result: Deferred[MigrationReport] = Deferred()
        self.stage = Stage.ASKED
        self._vm = vm
        self._clock = clock
        self._plan = plan
        self._convoy = convoy or Convoy(1)
        self._convoy.join(self)
        self._from = vm.address
        self._began = clock.seconds()
        self._answered = self._began
        self._claim = b""
        self._stray = bytearray()
        self._before = self._after = self._early = 0
        self._timer: IDelayedCall | None = None

    def begin(self) -> None:
        """Say BEGIN, and read on whatever the guest reads."""
        self._wait(GOAHEAD_LIMIT, lambda: self.fail("no answer to VMOTION-BEGIN"))
        self.source.dialogue.vmotion_begin(self._plan.sequence)
        self.source.run()

    # Input that comes in meanwhile.

    def input_room(self, line: HostConnection) -> int:
        """Bytes that `line` may take now."""
        if line is self.target:
            return self._vm.flow.uart.room()
        if self.stage is Stage.ASKED:
            # One more than is allowed: that one is the reason to abort.
            return BEGIN_BUFFER - self._before + 1
        return STRAY - len(self._stray)

    def received(self, line: HostConnection, data: bytes) -> None:
        """Input that came in meanwhile."""
        if line is self.target:
            self._early += len(data)
            self._vm.flow.take(data)
        elif self.stage is Stage.ASKED:
            self._before += len(data)
            self._vm.flow.take(data)
            if self._before > BEGIN_BUFFER:
                self.fail("too much input before VMOTION-GOAHEAD")
        else:
            self._after += len(data)
            self._stray += data

    # From the proxy

    def goahead(self, line: HostConnection, payload: bytes) -> None:
        """Sequence and secret, on the source."""
        if line is not self.source:
            return
        self._answered = self._clock.seconds()
        sequence = self._plan.sequence
        if not payload.startswith(sequence) or len(payload) == len(sequence):
            self.fail("VMOTION-GOAHEAD with another sequence, or without a secret")
            return
        self._claim = payload
        self.stage = Stage.MOVING
        match self._plan.fault:
            case PlannedFault.ABORT:
                self.fail("aborted on purpose")
            case PlannedFault.HANG:
                self._hang()
            case PlannedFault.TALK_ON:
                self._forget("talks on, on purpose")
            case fault:
                self._wait(self._plan.transfer, self._connect_target)
                if fault is PlannedFault.SOURCE_LOST:
                    self.source.fail("lost on purpose")

    def notnow(self, line: HostConnection, sequence: bytes) -> None:
        """The proxy refuses."""
        if line is not self.source:
            return
        self._answered = self._clock.seconds()
        if sequence != self._plan.sequence:
            self.fail("VMOTION-NOTNOW with another sequence")
            return
        self._end()
        self._stay("notnow", "")

    def _hang(self) -> None:
        self.stage = Stage.HANGING
        self._wait(HANG_LIMIT, lambda: self._forget("hung on purpose"))

    def _connect_target(self) -> None:
        self.stage = Stage.PEERING
        self._wait(PEER_LIMIT, lambda: self.fail("no VMOTION-PEER-OK"))
        self.target = self._vm.new_line(self._claim)
        self._vm.open(self._plan.address, self.target)

    def peer_ok(self, line: HostConnection, sequence: bytes) -> None:
        """The proxy has accepted the target."""
        if line is not self.target or self.stage is not Stage.PEERING:
            return
        if sequence != self._plan.sequence:
            self.fail("VMOTION-PEER-OK with another sequence")
            return
        match self._plan.fault:
            case PlannedFault.ABORT_LATE:
                self.fail("aborted on purpose")
            case PlannedFault.TARGET_LOST:
                line.close()
                self._wait(NOTICE, lambda: self.fail("target lost on purpose"))
            case PlannedFault.HANG_LATE:
                self._hang()
            case _:
                self._stop_waiting()  # the other ports have limits of their own
                self._convoy.wait()

    # The ends.

    def complete(self) -> None:
        """Say COMPLETE: the VM lives on the target."""
        if self.target is None:
            return
        self._end()
        self.target.dialogue.vmotion_complete(self._plan.sequence)
        self.source.close()
        report = self._report("moved", "")
        self._vm.moved(self.target, report)
        self.result.callback(report)

    def lost(self, line: HostConnection, reason: str) -> None:
        """A line is gone. The source's is not needed any more once the target is to connect."""
        if line is self.target:
            self.fail(f"target: {reason}")
        elif self.stage in (Stage.ASKED, Stage.HANGING):
            self.fail(f"source: {reason}")

    def fail(self, reason: str) -> None:
        """ABORT, which is the source's word, and stay."""
        if self.stage is Stage.OVER:
            return
        self.source.dialogue.vmotion_abort()
        self._forget(reason)

    def _forget(self, reason: str) -> None:
        self._end()
        if self.target is not None:
            self.target.close()
        self._stay("failed", reason)

    def _stay(self, outcome: str, reason: str) -> None:
        self._vm.flow.take(bytes(self._stray))
        report = self._report(outcome, reason)
        self._vm.stayed(report)
        self.result.callback(report)
        self._convoy.failed()

    def _end(self) -> None:
        self.stage = Stage.OVER
        self._stop_waiting()

    def _report(self, outcome: str, reason: str) -> MigrationReport:
        return MigrationReport(
            outcome=outcome,
            reason=reason,
            source=self._from,
            target=self._plan.address,
            milliseconds=round(1000 * (self._clock.seconds() - self._began)),
            goahead_milliseconds=round(1000 * (self._answered - self._began)),
            bytes_before_goahead=self._before,
            bytes_after_goahead=self._after,
            bytes_before_complete=self._early,
            credential=self._claim.hex(),
        )

    def _wait(self, delay: float, then: Callable[[], None]) -> None:
        self._stop_waiting()
        self._timer = self._clock.callLater(delay, then)

    def _stop_waiting(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
