"""What is reported of one line: log lines, refusals and security events. Bounded by the limits
here and those of `vspc.net.limits`, whatever a peer sends.
"""

from typing import Protocol

from vspc.common.text import safe
from vspc.console.console import Console
from vspc.console.events import Introduction, RefusalKind, Suspicion, VmLeft, VmRefused
from vspc.net.limits import TokenBucket
from vspc.vm.context import LineContext, LineHandle
from vspc.vm.lines.vmware import VMwareLine
from vspc.vm.mismatch import RemotePeer, of_handshake

EVENTS = 50
"""Log lines that the events of one line may cost at once."""

EVENT_RATE = 0.5
"""Log lines a second that they may cost for ever."""

DROPPED = 5
"""Dropped messages of one line that are logged each; then the 8th, 16th, 32nd ..."""

BREAKS = 20
"""BREAKs from one line that count at once; each is a notice on its console, and an audit event."""

BREAK_RATE = 2.0
"""BREAKs a second that count for ever: hosts send one in two ways (`BREAK_PAIR`)."""

REASON = 600
"""Characters of a reason; some have what to set in vSphere."""


class ReportedLine(LineHandle, Protocol):
    """One line as its parts see its session, which reports of it."""

    @property
    def reports(self) -> "Reports":
        """Made when there is something to report."""


class Reports:
    """The reports of one line."""

    __slots__ = ("_address", "_breaks", "_context", "_dropped", "_events", "_session")

    def __init__(self, context: LineContext, session: LineHandle) -> None:
        self._context = context
        self._session = session
        self._address = session.line.address
        self._dropped = 0
        self._events = TokenBucket(EVENT_RATE, EVENTS)
        self._breaks: TokenBucket | None = None  # few lines ever send one

    def warn(self, event: str, reason: str, **facts: object) -> None:
        """Something went wrong: a few lines a minute for each host, then a count."""
        context = self._context
        if context.refusals.worth_a_line(self._address, context.clock.seconds()):
            context.log.warn(event, address=self._address, reason=safe(reason, REASON), **facts)

    def dropped(self, what: str) -> None:
        """Something was dropped: counted always, logged while there are few."""
        self._dropped += 1
        self._context.tally.dropped += 1
        if self._dropped <= DROPPED or self._dropped & (self._dropped - 1) == 0:
            self.warn("vm-dropped", f"{what} (number {self._dropped} on this line)")

    def counts_break(self) -> bool:
        """The VM sent a BREAK; False if it is over the limit."""
        if self._breaks is None:
            self._breaks = TokenBucket(BREAK_RATE, BREAKS)
        return self._breaks.take(self._context.clock.seconds())

    def note(self, event: str, **facts: object) -> None:
        """Something that is allowed, unless it happens all the time."""
        if self._events.take(self._context.clock.seconds()):
            self._context.log.info(event, address=self._address, **facts)

    @property
    def peer(self) -> RemotePeer:
        """The other end."""
        return RemotePeer(self._address, self._session.zone.name)

    # Lines that get no console

    def refused(self, reason: str, hint: str = "", kind: RefusalKind = RefusalKind.OTHER) -> None:
        """The line is refused; `hint` is what to write into the configuration, if anything."""
        said, zone = self.introduction, self._session.zone.name
        facts = {"name": said.name} if said.name else {}
        self.warn("vm-refused", reason, **facts)
        self._context.roster.publish(VmRefused(self._address, zone, reason, hint, said, kind))

    def incomplete(self) -> None:
        """It is refused because its identification was not complete in time."""
        line, seconds = self._session.line, self._context.timeouts.identify
        missing, hint = "identification", ""
        if isinstance(line, VMwareLine):
            missing = line.registration.missing
            if not line.agreed:
                hint = "; a QEMU or a device server needs a [[vm.plain]] listener"
        reason = f"{missing} not received within {seconds:g} s{hint}"
        self.refused(reason, kind=RefusalKind.INCOMPLETE)

    def failed_peer(self) -> None:
        """It is refused because none of its credentials was accepted in time."""
        self.refused("its vMotion credential was not accepted", kind=RefusalKind.CREDENTIAL)

    def unidentified(self, reason: str, error: BaseException | None) -> None:
        """It ended before it was identified: a refusal only where TLS gives a reason."""
        found = None if error is None else of_handshake(error, self.peer)
        if found is not None:
            self.refused(found.reason, found.hint, found.kind)
        else:
            self._context.log.debug("vm-left", address=self._address, reason=reason)
            zone, said = self._session.zone.name, self.introduction
            self._context.roster.publish(VmLeft(self._address, zone, reason, said))

    @property
    def introduction(self) -> Introduction:
        """What its VM has sent of itself last, identified or not."""
        line, claim = self._session.line, self._session.claim
        if isinstance(line, VMwareLine) and (claim is None or line.registration.name is not None):
            return line.registration.introduction
        if claim is None:
            return Introduction()
        return Introduction(claim.name, claim.uuid or "", claim.service_uri)

    # Security

    def suspicion(
        self, kind: str, console: Console | None, detail: str, holder: str | None = None
    ) -> None:
        """It did what an attack would do: a security event, about the host that has `console`."""
        if holder is None:
            holder = console.link.last_address if console is not None else ""
        about = None if console is None else console.ref
        self._context.roster.publish(Suspicion(kind, about, self._address, holder, detail))
