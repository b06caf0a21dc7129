"""Which console a newcomer belongs to: old lines are asked whether they live, then it is decided.

The decision itself is the table of `vspc.console.takeover`; here are the asking and the doing.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from vspc.common.clock import Cancellable
from vspc.console.console import Console
from vspc.console.events import How
from vspc.console.identity import PLAIN, Claim, Provenance
from vspc.console.peers import ORPHANED
from vspc.console.takeover import Newcomer, Old, Standing, Takeover, Verdict, choose
from vspc.console.vm import Vm
from vspc.vm.probe import Probing

if TYPE_CHECKING:
    from vspc.vm.presence import LinePresence

WAIT = 1.0
"""Seconds between looks at a migration that a newcomer waits for."""

MAX_PORTS = 32
"""Serial ports of one VM that cannot be told apart otherwise: as many as ESXi gives a VM."""


class Assignment:
    """One newcomer's way to its console."""

    __slots__ = ("_probing", "_session", "_waiting")

    def __init__(self, session: "LinePresence") -> None:
        self._session = session
        self._probing = Probing(session.server, self.decide)
        self._waiting: Cancellable | None = None  # for a migration to be over

    @property
    def _claim(self) -> Claim:
        assert self._session.claim is not None
        return self._session.claim

    # Deciding

    def decide(self) -> None:
        """Which console is it? Asked again each time that an old line has shown what it is."""
        if not self._session.is_undecided:
            return
        roster, claim = self._session.server.roster, self._claim
        consoles = roster.ports(claim)
        standings = [self._standing(console) for console in consoles]
        rivals = self._rivals()
        newcomer = Newcomer(self._session.zone.takeover, claim.provenance is Provenance.CERTIFIED)
        verdict, standing = choose(
            newcomer, standings, [self._old(console) for console in rivals], self._is_lesser()
        )
        console = None if standing is None else consoles[standings.index(standing)]
        verdict = self._bounded(verdict, len(standings))
        if verdict is not Verdict.PROBE:
            self.stop()
            _VERDICTS[verdict](self, console)
            return
        mine = [c for c, s in zip(consoles, standings, strict=True) if s.same_name]
        if not self._probing.ask([*mine, *rivals]):
            self.decide()  # none of them could be asked: they count as alive

    def _standing(self, console: Console) -> Standing:
        claim = self._claim
        return Standing(
            console.ordinal,
            self._old(console),
            console.vm.said_name == claim.name,
            console.last_address in ("", claim.address),
            claim.provenance < console.provenance,
        )

    def _old(self, console: Console) -> Old:
        line = console.line
        if console.migrating:
            return Old.GONE if self._is_orphan(console) else Old.MIGRATING
        return Old.GONE if line is None else self._probing.old(line)

    def _is_orphan(self, console: Console) -> bool:
        server = self._session.server
        migration = server.peers.of(console)
        if migration is None or migration.orphaned is None or migration.target is not None:
            return False
        return server.clock.seconds() - migration.orphaned >= ORPHANED

    def _rivals(self) -> list[Console]:
        """Live consoles of the VM that it says it is, on another host."""
        claim = self._claim
        return [
            console
            for vm in self._session.server.roster.vms(claim)
            if vm.said_name == claim.name
            for console in vm.consoles.values()
            if console.live and console.last_address != claim.address
        ]

    def _is_lesser(self) -> bool:
        claim = self._claim
        vm = self._session.server.roster.named(claim)
        if vm is None:
            return False
        return claim.provenance < vm.provenance and vm.last_address != claim.address

    def _bounded(self, verdict: Verdict, ports: int) -> Verdict:
        """What the verdict comes to for plain listeners, and for too many ports."""
        if self._claim.uuid_kind == PLAIN:  # one console, whoever dials it
            apart = verdict is Verdict.QUARANTINE or (verdict is Verdict.OTHER and ports)
            return Verdict.REFUSE if apart else verdict
        too_many = verdict is Verdict.OTHER and ports >= MAX_PORTS
        return Verdict.REFUSE if too_many else verdict

    # Waiting

    def reconsider(self) -> None:
        """Something has changed for one that is kept apart: ask everybody again."""
        self.stop()
        self._probing.forget()
        self.decide()

    def stop(self) -> None:
        """Wait for nothing any more."""
        if self._waiting is not None and self._waiting.active():
            self._waiting.cancel()
        self._waiting = None
        self._probing.stop()

    # Doing

    def _join(self, console: Console | None) -> None:
        if console is None:
            self._open(None)
            return
        released = self._session.server.peers.supersede(console, "the VM came back by itself")
        if released is not None:
            self._session.server.release(released)
        self._take(console)

    def _open(self, _console: Console | None) -> None:
        """A console that was not there, of the VM whose name it says, or of a new one."""
        roster, claim = self._session.server.roster, self._claim
        # Never of a VM with another name: that one would be renamed by it, and its log read.
        identity = roster.identity(claim)
        if identity.duplicate and roster.vm(identity) is None:
            self._tell_duplicate(claim)
        self._tell_alike()
        self._take(roster.open(claim, identity))

    def _tell_duplicate(self, claim: Claim) -> None:
        roster = self._session.server.roster
        own = roster.vm(claim.identity)
        detail = "another VM has this UUID"
        if own is None or not own.live:
            former = roster.former_name(claim) if own is None else own.said_name
            detail = f"{former} had this UUID: a copy of it, or renamed while it was off"
        first = None if own is None else next(iter(own.consoles.values()))
        self._suspect("duplicate-uuid", first, detail)

    def _tell_alike(self) -> None:
        """A new console that could be taken for one of another VM."""
        alike = self._session.server.roster.alike(self._claim)
        if alike is not None:
            self._suspect(*alike, f"it calls itself {self._claim.name}")

    def tell_namesake(self) -> None:
        """The VM has another name now: somebody else's?"""
        roster, claim = self._session.server.roster, self._claim
        namesake = roster.namesake(claim)
        if namesake is not None:
            self._suspect("name-of-another", namesake, f"it calls itself {claim.name}")

    def _take(self, console: Console) -> None:
        session, claim = self._session, self._claim
        self._leave_custody()
        console.service_uri = claim.service_uri
        console.connect(session.line)
        session.leads_at(console)
        session.server.log.info(
            "vm-registered",
            console=console.title,
            id=console.id,
            address=session.line.address,
            secure=session.line.secure,
            uuid=claim.uuid,
            service_uri=claim.service_uri,
        )

    def _replace(self, console: Console | None) -> None:
        assert console is not None
        former = self._session.server.session_of(console.line)
        self._supplant(console, "the line before does not answer", How.REPLACED)
        if former is not None:
            former.retire("another line of this VM took over; this one no longer answered")

    def _take_over(self, console: Console | None) -> None:
        assert console is not None
        former = self._session.server.session_of(console.line)
        self._supplant(console, "the line before does not answer", How.TOOK_OVER)
        if former is None:
            return
        if self._session.zone.takeover is Takeover.ALLOW:  # nobody was asked: it may well speak
            former.retire("another line of this VM took over")
        else:
            self._session.server.contenders.suspect(former, console)

    def accept(self, console: Console) -> None:
        """An administrator says that this is the VM: whoever has its console is closed."""
        server = self._session.server
        self.stop()
        former = server.session_of(console.line)
        released = server.peers.supersede(console, "an administrator chose another line")
        console.provenance = self._claim.provenance
        self._supplant(console, "an administrator chose another line", How.ACCEPTED)
        if released is not None:
            server.close_target(released)
        for loser in [*server.contenders.of(console), former]:
            if loser is not None:
                if loser is not former:
                    server.contenders.forget(loser)
                loser.retire("an administrator chose another line")

    def _supplant(self, console: Console, why: str, how: How) -> None:
        session, old = self._session, console.last_address
        self._leave_custody()
        console.service_uri = self._claim.service_uri
        console.replace(session.line, why, how)
        session.leads_at(console)
        session.server.log.warn(
            "vm-replaced",
            console=console.title,
            id=console.id,
            old=old,
            new=session.line.address,
            reason=why,
        )

    def _leave_custody(self) -> None:
        if self._session.is_held:
            self._session.server.contenders.free(self._session)

    def _hold(self, console: Console | None) -> None:
        if self._session.is_held:
            return
        vm = self._about(console)
        weaker = self._claim.provenance < vm.provenance
        kind = "weaker-provenance" if weaker else "claimed-while-there"
        rival = console or next(iter(vm.consoles.values()))
        self._suspect(kind, rival, f"it says that it is {vm.name}, and is kept apart")
        self._session.server.contenders.hold(self._session, vm)

    def _about(self, console: Console | None) -> Vm:
        if console is not None:
            return console.vm
        vm = self._session.server.roster.named(self._claim)
        assert vm is not None
        return vm

    def _wait(self, _console: Console | None) -> None:
        self._waiting = self._session.server.clock.call_later(WAIT, self._look_again)

    def _look_again(self) -> None:
        self._waiting = None
        self.decide()

    def _refuse(self, console: Console | None) -> None:
        assert console is not None
        other = console.line.address if console.line else "another host"
        self._session.refused(
            f"{console.title} is connected from {other} and answers; "
            "two lines cannot both be its serial port"
        )

    def _suspect(self, kind: str, console: Console | None, detail: str) -> None:
        holder = console.last_address if console is not None else ""
        address = self._session.line.address
        self._session.server.suspect(kind, console, address, holder, detail)


_VERDICTS: Mapping[Verdict, Callable[[Assignment, Console | None], None]] = MappingProxyType(
    {
        Verdict.JOIN: Assignment._join,
        Verdict.OTHER: Assignment._open,
        Verdict.CLONE: Assignment._open,
        Verdict.REPLACE: Assignment._replace,
        Verdict.TAKE_OVER: Assignment._take_over,
        Verdict.QUARANTINE: Assignment._hold,
        Verdict.WAIT: Assignment._wait,
        Verdict.REFUSE: Assignment._refuse,
    }
)
