"""Which console a line belongs to: lines that are there are probed, then it is decided.

The decision is the table of `vspc.console.identity`; here are the probes before it and what follows
from it: events of this line and of others (`vspc.vm.roles`).
"""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from sys import intern
from types import MappingProxyType

from vspc.common.clock import Timer
from vspc.console.console import Console, Vm
from vspc.console.events import How, RefusalKind
from vspc.console.identity import (
    PLAIN,
    Candidate,
    Claim,
    NewLine,
    OldLine,
    Provenance,
    Takeover,
    Verdict,
    choose,
)
from vspc.console.peers import ORPHANED
from vspc.console.ports import Line
from vspc.console.remote import RemoteSystem
from vspc.vm.context import LineContext, Zone
from vspc.vm.ports import VmLine
from vspc.vm.registration import Joined
from vspc.vm.reports import ReportedLine
from vspc.vm.roles import LineEvent, LineRole

WAIT = 1.0
"""Seconds between looks at a migration that a line waits for."""

MAX_PORTS = 32
"""Serial ports of one VM that cannot be told apart otherwise: as many as ESXi gives a VM."""

UNDECIDED = frozenset({LineRole.CLAIMANT, LineRole.QUARANTINED})


def identified_claim(joined: Joined, line: VmLine, zone: Zone) -> Claim:
    """The claim of a line that has identified itself."""
    return Claim(
        zone.name,
        joined.uuid,
        joined.uuid_kind,
        joined.name,
        line.address,
        line.provenance,
        intern(joined.service_uri),
        joined.port_label,
        joined.remote,
    )


def proved_claim(console: Console, line: VmLine, zone: Zone) -> Claim:
    """The claim of the target of a vMotion: it is the VM of `console`."""
    vm = console.vm
    return Claim(
        zone.name,
        vm.uuid,
        vm.identity.kind,
        vm.claimed_name,
        line.address,
        line.provenance,
        console.service_uri,
        console.label,
        None if console.remote is None else console.remote.uri,
    )


class Probes:
    """The lines that one line asks whether they are alive: each once, and what they have shown.

    Lines, not consoles: another line may have taken a console meanwhile.
    """

    __slots__ = ("_context", "_shown", "_waiting")

    def __init__(self, context: LineContext) -> None:
        self._context = context
        self._shown: dict[Line, OldLine] = {}
        self._waiting: dict[Line, Timer] = {}

    def shown(self, line: Line) -> OldLine:
        """What is known of `line`."""
        return self._shown.get(line, OldLine.THERE)

    def ask(self, consoles: Iterable[Console], decide: Callable[[], None]) -> bool:
        """Probe the lines of `consoles` that were not probed; whether an answer is to come.
        `decide` is called whenever one has shown something new.
        """
        for console in consoles:
            line = console.link.line
            if line is not None and line not in self._shown and line not in self._waiting:
                self._ask(line, decide)
        return bool(self._waiting)

    def _ask(self, line: Line, decide: Callable[[], None]) -> None:
        session = self._context.sessions.get(line)
        learn = partial(self._learn, decide, line)
        if session is not None and session.probe(learn):
            timer = self._waiting[line] = Timer(self._context.clock)
            timer.start(self._context.timeouts.probe, partial(learn, OldLine.SILENT))
        else:
            # A line that cannot be probed counts as alive: keepalive ends it if it is not.
            self._shown[line] = OldLine.ANSWERED

    def _learn(self, decide: Callable[[], None], line: Line, old: OldLine) -> None:
        timer = self._waiting.pop(line, None)
        if timer is not None:
            timer.stop()
            self._shown[line] = old
            decide()

    def stop(self) -> None:
        """Wait for no answer any more."""
        for timer in self._waiting.values():
            timer.stop()
        self._waiting.clear()

    def forget(self) -> None:
        """What was shown counts no longer: all are probed again."""
        self.stop()
        self._shown.clear()


class Assignment:
    """One line's way to its console."""

    __slots__ = ("_context", "_probes", "_retry", "_session")

    def __init__(self, context: LineContext, session: ReportedLine) -> None:
        self._context = context
        self._session = session
        self._probes = Probes(context)
        self._retry = Timer(context.clock)  # while a migration is open

    @property
    def _claim(self) -> Claim:
        assert self._session.claim is not None
        return self._session.claim

    # Deciding

    def decide(self) -> None:
        """Which console is it? Decided again each time that a line has shown something new."""
        if self._session.role not in UNDECIDED:
            return
        claim, roster = self._claim, self._context.roster
        is_known = bool(roster.vms(claim))  # else there is nothing to be looked for
        consoles = roster.ports(claim) if is_known else []
        standings = [self._standing(console) for console in consoles]
        rivals = self._rivals() if is_known else []
        claimant = NewLine(self._session.zone.takeover, claim.provenance is Provenance.CERTIFIED)
        verdict, standing = choose(
            claimant,
            standings,
            [self._old(console) for console in rivals],
            is_known and self._is_lesser(),
        )
        console = None if standing is None else consoles[standings.index(standing)]
        verdict = self._bounded(verdict, len(standings))
        if verdict is not Verdict.PROBE:
            self.stop()
            _VERDICTS[verdict](self, console)
            return
        mine = [c for c, s in zip(consoles, standings, strict=True) if s.same_name]
        if not self._probes.ask([*mine, *rivals], self.decide):
            self.decide()  # none of them could be probed: they count as alive

    def _standing(self, console: Console) -> Candidate:
        claim = self._claim
        return Candidate(
            console.ordinal,
            self._old(console),
            console.vm.claimed_name == claim.name,
            console.link.last_address in ("", claim.address),
            claim.provenance < console.link.provenance,
        )

    def _old(self, console: Console) -> OldLine:
        line = console.link.line
        if console.link.migrating:
            return OldLine.GONE if self._is_orphan(console) else OldLine.MIGRATING
        return OldLine.GONE if line is None else self._probes.shown(line)

    def _is_orphan(self, console: Console) -> bool:
        migration = self._context.peers.of(console)
        if migration is None or migration.orphaned is None or migration.target is not None:
            return False
        return self._context.clock.seconds() - migration.orphaned >= ORPHANED

    def _rivals(self) -> list[Console]:
        """Live consoles of the VM that it claims to be, on another host."""
        claim = self._claim
        return [
            console
            for vm in self._context.roster.vms(claim)
            if vm.claimed_name == claim.name
            for console in vm.consoles.values()
            if console.live and console.link.last_address != claim.address
        ]

    def _is_lesser(self) -> bool:
        claim = self._claim
        vm = self._context.roster.named(claim)
        if vm is None:
            return False
        return claim.provenance < vm.provenance and vm.last_address != claim.address

    def _bounded(self, verdict: Verdict, ports: int) -> Verdict:
        """What the verdict comes to for plain listeners, and for too many ports."""
        if self._claim.uuid_kind == PLAIN:  # one console, whatever connects
            denied = verdict is Verdict.QUARANTINE or (verdict is Verdict.OTHER and ports)
            return Verdict.REFUSE if denied else verdict
        too_many = verdict is Verdict.OTHER and ports >= MAX_PORTS
        return Verdict.REFUSE if too_many else verdict

    def decide_anew(self) -> None:
        """Another line of the VM is gone: probe all again."""
        self.stop()
        self._probes.forget()
        self.decide()

    def stop(self) -> None:
        """Wait for nothing any more."""
        self._retry.stop()
        self._probes.stop()

    # What follows from the verdict

    def _join(self, console: Console | None) -> None:
        if console is None:
            self._open(None)
            return
        released = self._context.peers.supersede(console, "the VM registered again without it")
        if released is not None:
            self._context.release(released)
            if console.live:  # a line that was quarantined has got it
                self.decide()
                return
        self._take(console)

    def _open(self, _console: Console | None) -> None:
        """A new console, of the VM that has its name, or of a new one."""
        roster, claim = self._context.roster, self._claim
        # Never of a VM with another name: that one would be renamed by it, and its log read.
        identity = roster.identity(claim)
        if identity.duplicate and roster.vm(identity) is None:
            self._report_duplicate(claim)
        alike = roster.alike(claim)
        if alike is not None:
            self._session.reports.suspicion(*alike, f"its name is {claim.name}")
        self._take(roster.open(claim, identity))

    def _report_duplicate(self, claim: Claim) -> None:
        roster = self._context.roster
        own = roster.vm(claim.identity)
        detail = "another VM has this UUID"
        if own is None or not own.live:
            former = roster.former_name(claim) if own is None else own.claimed_name
            detail = f"{former} had this UUID: a copy of it, or renamed while it was off"
        first = None if own is None else next(iter(own.consoles.values()))
        self._session.reports.suspicion("duplicate-uuid", first, detail)

    def report_namesake(self) -> None:
        """The VM has another name now, which another VM may have, too."""
        namesake = self._context.roster.namesake(self._claim)
        if namesake is not None:
            self._session.reports.suspicion(
                "name-of-another", namesake, f"its name is {self._claim.name}"
            )

    def _take(self, console: Console) -> None:
        line, claim = self._session.line, self._claim
        self._session.handle(LineEvent.SELECTED)
        self._tell_request(console)
        console.link.connect(line)
        self._session.handle(LineEvent.ASSIGNED, console)
        self._context.log.info(
            "vm-registered",
            console=console.title,
            id=console.id,
            address=line.address,
            secure=line.secure,
            uuid=claim.uuid,
            service_uri=claim.service_uri,
        )

    def _tell_request(self, console: Console) -> None:
        """What the VM asked for in DO-PROXY is the console's; before it has the line."""
        claim = self._claim
        console.service_uri = claim.service_uri
        console.remote = None if claim.remote is None else RemoteSystem(claim.remote)

    def _replace(self, console: Console | None) -> None:
        assert console is not None
        former = console.link.line
        self._supplant(console, "the previous line does not answer", How.REPLACED)
        self._context.send(former, LineEvent.DISMISSED)

    def _take_over(self, console: Console | None) -> None:
        assert console is not None
        former = console.link.line
        self._supplant(console, "the previous line does not answer", How.TOOK_OVER)
        if self._session.zone.takeover is Takeover.ALLOW:  # it was not probed: it may be alive
            self._context.send(former, LineEvent.DISMISSED)
        else:
            self._context.send(former, LineEvent.SUSPECTED)

    def take_accepted(self, console: Console) -> None:
        """An administrator accepts it as the VM of `console`: its other lines are closed."""
        context, former = self._context, console.link.line
        self.stop()
        released = context.peers.supersede(console, "an administrator accepted another line")
        console.link.provenance = self._claim.provenance
        self._supplant(console, "an administrator accepted another line", How.ACCEPTED)
        if released is not None:
            context.send(released.target, LineEvent.DISMISSED)
        for line in [*context.suspects.of(console), former]:
            context.send(line, LineEvent.DISMISSED)

    def _supplant(self, console: Console, why: str, how: How) -> None:
        line, old = self._session.line, console.link.last_address
        self._session.handle(LineEvent.SELECTED)
        self._tell_request(console)
        console.link.replace(line, why, how)
        self._session.handle(LineEvent.ASSIGNED, console)
        self._context.log.warn(
            "vm-replaced",
            console=console.title,
            id=console.id,
            old=old,
            new=line.address,
            reason=why,
        )

    def come_back(self, console: Console) -> None:
        """It had `console`, did not answer, and sends again."""
        context, session = self._context, self._session
        if not context.roster.has(console):
            session.handle(LineEvent.FORGOTTEN)
            return
        other = console.link.line
        self._tell_request(console)
        released = context.peers.supersede(console, "the previous line sends again")
        if other is None and not console.link.migrating:
            console.link.connect(session.line)
        else:
            console.link.replace(session.line, "the previous line sends again", How.CAME_BACK)
        context.send(other, LineEvent.OUSTED, console.vm)
        if released is not None:
            context.send(released.target, LineEvent.DISMISSED)
        session.handle(LineEvent.ASSIGNED, console)

    def _quarantine(self, console: Console | None) -> None:
        if self._session.role is LineRole.QUARANTINED:
            return
        vm = console.vm if console is not None else self._context.roster.named(self._claim)
        assert vm is not None
        weaker = self._claim.provenance < vm.provenance
        kind = "weaker-provenance" if weaker else "claimed-while-there"
        rival = console or next(iter(vm.consoles.values()))
        self._session.reports.suspicion(
            kind, rival, f"it claims to be {vm.name}, and is quarantined"
        )
        self.quarantine(vm)

    def quarantine(self, vm: Vm) -> None:
        """It claims to be `vm`; refused where too many do."""
        console = self._context.roster.quarantine(self._claim, vm)
        if console is None:
            reason = f"too many quarantined lines claim to be {vm.name}"
            self._session.handle(LineEvent.REFUSED, reason, "", RefusalKind.CONTENDED)
        else:
            self._session.handle(LineEvent.QUARANTINED, console)

    def _wait(self, _console: Console | None) -> None:
        self._retry.start(WAIT, self.decide)

    def _refuse(self, console: Console | None) -> None:
        assert console is not None
        other = console.link.line.address if console.link.line else "another host"
        reason = (
            f"{console.title} is connected from {other} and answers; "
            "two lines cannot both be its serial port"
        )
        self._session.handle(LineEvent.REFUSED, reason, "", RefusalKind.CONTENDED)


_VERDICTS: Mapping[Verdict, Callable[[Assignment, Console | None], None]] = MappingProxyType(
    {
        Verdict.JOIN: Assignment._join,
        Verdict.OTHER: Assignment._open,
        Verdict.CLONE: Assignment._open,
        Verdict.REPLACE: Assignment._replace,
        Verdict.TAKE_OVER: Assignment._take_over,
        Verdict.QUARANTINE: Assignment._quarantine,
        Verdict.WAIT: Assignment._wait,
        Verdict.REFUSE: Assignment._refuse,
    }
)
