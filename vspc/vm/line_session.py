"""What the VM at one line says: the telnet layers tell a `LineSession`, the seam is
`vspc.vm.line_observer`.

What comes of it is decided by `vspc.vm.assignment` (whose line it is), `vspc.vm.vmotion` and
`vspc.vm.contenders` (lines that we are not sure of); what the line is meanwhile, by `LinePresence`.
"""

from attrs import evolve

from vspc.common.text import safe
from vspc.console.console import Console
from vspc.console.takeover import Old
from vspc.vm import claims
from vspc.vm.mismatch import at_telnet
from vspc.vm.presence import LinePresence
from vspc.vm.registration import Joined
from vspc.vm.role import LineRole
from vspc.wire.opening import Spoken


class LineSession(LinePresence):
    """A `Keeper`."""

    __slots__ = ()

    # Data

    def stirred(self) -> bool:
        self.server.unidentified.touched(self, self.server.clock.seconds())
        return self._limit is not None

    def output(self, data: bytes) -> None:
        self._heard()
        match self.role:
            case LineRole.LEADING | LineRole.HELD:
                assert self.console is not None
                self.console.output(data)
                if self.console.migrating:
                    self.vmotion.spoke()
            case LineRole.STRANGER | LineRole.TARGET:
                self._early.keep(data)

    def _heard(self) -> None:
        """The VM's host lives: what it was suspected of is not so."""
        if self.role is LineRole.SUSPECT:
            self.server.contenders.come_back(self)

    def secured(self) -> None:
        self._early.clear()

    def broke(self) -> None:
        self._heard()
        if not self.reports.counts_break():
            self.reports.dropped("a BREAK, one of too many")
        elif self.leads and self.console is not None:
            self.console.broke()

    def answered(self) -> None:
        self._heard()
        if self.leads and self.console is not None:
            self.console.answered()

    def lives(self) -> None:
        self._heard()
        self.probed.tell(Old.ANSWERED)

    # Joining

    def joined(self, joined: Joined) -> None:
        self._said_name = joined.name
        if self.console is not None:
            self._confirm(self.console, joined)
        elif not self._is_false_peer:
            self._identified()
            self.claim = claims.said(joined, self.line, self.zone)
            self.joining.decide()

    def _confirm(self, console: Console, joined: Joined) -> None:
        """A target has said who it is: the migration's VM, or a liar."""
        vm = console.vm
        if joined.uuid_kind == vm.identity.kind and joined.uuid != vm.uuid:
            self.vmotion.refute(f"its UUID is {joined.uuid}, the source's is {vm.uuid}")
        elif self.leads:
            self.server.roster.rename(vm, joined.name)

    def renamed(self, name: str) -> None:
        self._heard()
        self._said_name = name
        if self.claim is not None:
            self.claim = evolve(self.claim, name=name)
        if self.leads and self.console is not None:
            old = self.console.name
            self.server.roster.rename(self.console.vm, name)
            self.reports.note("vm-renamed", console=self.console.title, old=old)
            self.joining.tell_namesake()

    def became(self, uuid: str) -> None:
        console = self.console
        self.server.suspect(
            "identity-changed",
            console,
            self.line.address,
            console.last_address if console else "",
            f"its UUID became {uuid} in mid-line",
        )

    # vMotion

    def began(self, sequence: bytes) -> None:
        self._heard()
        self.vmotion.begin(sequence)

    def claimed(self, credential: bytes) -> None:
        self.vmotion.claim(credential)

    def completed(self, sequence: bytes) -> None:
        self.vmotion.complete(sequence)

    def aborted(self) -> None:
        self._heard()
        self.vmotion.abort()

    def failed(self, reason: str) -> None:
        self.reports.erred("vm-failed", reason)

    def dropped(self, what: str) -> None:
        self.reports.dropped(what)

    def speaks(self, spoken: Spoken) -> None:
        found = at_telnet(spoken, self._peer)
        if found is not None and self.role is LineRole.STRANGER:
            self.refused(found.reason, found.hint)

    def lost(self, reason: str, error: BaseException | None = None) -> None:
        reason = safe(reason)
        if self.role is LineRole.STRANGER:
            self._tell_unidentified(reason, error)
        role, self.role = self.role, LineRole.RETIRED
        self.server.left(self.line)
        self._no_limit()
        if self._closing is not None and self._closing.active():
            self._closing.cancel()
        self.joining.stop()
        self._tell_lost_output(role)
        if not self.vmotion.lost(reason):
            self._leave(role, reason)
        self.probed.tell(Old.GONE)
        self.console = None
