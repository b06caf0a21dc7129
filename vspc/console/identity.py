"""Who a VM is: what it claims, where the claim comes from, the key that follows from both, and what
becomes of a line whose claim is that of a known VM. Pure: no line, no clock.

A host that may connect can claim any UUID and any name. `choose` decides: the tables say what one
console's old line means for the new one, the zone's `Takeover` how far the new one is trusted, and
the VM's other lines whether the VM is at another host.
"""

import hashlib
from collections.abc import Iterable, Sequence
from enum import Enum, IntEnum
from functools import cached_property
from itertools import count
from sys import intern

from attrs import frozen

from vspc.wire.uri import RemoteUri

PLAIN = "plain"
"""The kind of a VM that is known by the listener that it dials."""


DEFAULT_ZONE = "default"
"""The zone of VMs that dial the listeners of [vm] itself; it is not shown."""


class Provenance(IntEnum):
    """How sure we are of where a line comes from; a console's never gets weaker."""

    PLAIN = 0
    TLS = 1
    CERTIFIED = 2  # TLS with a client certificate of the zone's authority


@frozen
class Claim:
    """What a VM claims, and where the claim comes from. UUIDs are 32 hex digits, lower case.

    `uuid` is the first usable of VC, BIOS and location UUID, `uuid_kind` which one. `name` is for
    display: one line, bounded. `port_label` and `service_uri` tell ports of one VM apart. `remote`
    is the system that it asks to be connected to (direction client).
    """

    zone: str
    uuid: str | None
    uuid_kind: str
    name: str
    address: str
    provenance: Provenance = Provenance.PLAIN
    service_uri: str = ""
    port_label: str | None = None
    remote: RemoteUri | None = None

    @cached_property
    def identity(self) -> "Identity":
        """(zone, first usable of the UUIDs, else address and name)."""
        if self.uuid is not None:
            return Identity(self.zone, self.uuid_kind, self.uuid)
        if self.uuid_kind == PLAIN:  # a plain listener is one console for any address
            return Identity(self.zone, PLAIN, self.name)
        return Identity(self.zone, "at", f"{self.address} {self.name}")

    def clone(self, number: int = 1) -> "Identity":
        """The identity of a VM whose UUID another one has, under another name. `number`, from 1:
        the ones before are of VMs that began with this name and have another one now.
        """
        own = self.identity
        value = f"{own.value} {self.name}" + (f"~{number}" if number > 1 else "")
        return Identity(own.zone, own.kind, value, duplicate=True)

    @cached_property
    def port_key(self) -> str:
        """What ports of one VM differ in, as far as they do: the label, else the whole URI."""
        # Interned: most VMs have the same, and each console keeps its own.
        if self.port_label is not None:
            return intern(f"label:{self.port_label}")
        uri = self.service_uri
        if self.remote is not None:  # how its certificate is verified makes no other port
            uri = uri.partition("#")[0]
        return intern(f"uri:{uri}")


@frozen
class Identity:
    """The key of a VM. `kind` is "vc", "bios", "location", "at", "plain" or "held".

    `duplicate`: another VM has its UUID, too, and had it first.
    """

    zone: str
    kind: str
    value: str
    duplicate: bool = False

    def console_id(self, port_key: str, number: int) -> str:
        """16 hex digits for one port of this VM: the same after a restart, and no path in it."""
        whole = "\0".join((self.zone, self.kind, self.value, port_key, str(number)))
        return hashlib.sha256(whole.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def next_free(taken: Iterable[int]) -> int:
    """The smallest number from 1 that is not `taken`."""
    numbers = set(taken)
    return next(n for n in count(1) if n not in numbers)


class _Key(Enum):
    """Hashed by identity: the tables are asked several times for each line that comes."""

    __hash__ = object.__hash__


class OldLine(_Key):
    """What we know of the line that a console already has."""

    GONE = "gone"  # there is none, or it was closed
    THERE = "there"  # it was not asked yet, or has not answered yet
    SILENT = "silent"
    ANSWERED = "answered"
    MIGRATING = "migrating"


class Verdict(_Key):
    """What becomes of the new line."""

    JOIN = "join"  # the console has no line: it is this one's
    PROBE = "probe"  # ask the old lines whether they live, then decide again
    REPLACE = "replace"  # the old line, of the same host, is dead
    TAKE_OVER = "take-over"  # the old line, of another host, is silent: it becomes suspect
    OTHER = "other"  # another port of this VM
    CLONE = "clone"  # another VM with the same UUID
    QUARANTINE = "quarantine"  # until the old line is gone or an administrator decides
    WAIT = "wait"  # a migration is open: decide when it is over
    REFUSE = "refuse"  # a plain listener has one console, and a VM at most so many ports


class Takeover(_Key):
    """How far a new line from another host is trusted in a zone (contract, `takeover`)."""

    PROBE = "probe"  # it takes over where the old line does not answer
    SAME_HOST = "same-host"  # it does not, while the old line is there
    CERTIFICATE = "certificate"  # as `probe` with a client certificate, else as `same-host`
    HOLD = "hold"  # as `same-host`, and even the same host does not replace a silent line
    ALLOW = "allow"  # it takes over without asking


# (old line, same host) -> verdict, where the new line gives the known name: under another one
# it is another VM. Every row is here: an absent key does not exist.
_SAME_NAME: dict[tuple[OldLine, bool], Verdict] = {
    (OldLine.GONE, True): Verdict.JOIN,
    (OldLine.GONE, False): Verdict.JOIN,
    (OldLine.THERE, True): Verdict.PROBE,
    (OldLine.THERE, False): Verdict.PROBE,
    (OldLine.SILENT, True): Verdict.REPLACE,
    (OldLine.SILENT, False): Verdict.TAKE_OVER,
    (OldLine.ANSWERED, True): Verdict.OTHER,
    # A false claim, or a host that is cut off from the old line.
    (OldLine.ANSWERED, False): Verdict.QUARANTINE,
    (OldLine.MIGRATING, True): Verdict.WAIT,
    (OldLine.MIGRATING, False): Verdict.WAIT,
}

# What a zone makes of a verdict; an absent pair changes nothing. `CERTIFICATE` is one of these
# two before it comes here.
_POLICY: dict[tuple[Takeover, Verdict], Verdict] = {
    (Takeover.SAME_HOST, Verdict.TAKE_OVER): Verdict.QUARANTINE,
    (Takeover.HOLD, Verdict.TAKE_OVER): Verdict.QUARANTINE,
    (Takeover.HOLD, Verdict.REPLACE): Verdict.QUARANTINE,
}

# A line of weaker provenance than the console has seen takes nothing over, even from a silent one.
_WEAKER: dict[Verdict, Verdict] = {
    Verdict.JOIN: Verdict.QUARANTINE,
    Verdict.REPLACE: Verdict.QUARANTINE,
    Verdict.TAKE_OVER: Verdict.QUARANTINE,
}

# What the VM's own lines at another host mean for a new line that would get a console of it.
_RIVAL: dict[OldLine, Verdict | None] = {
    OldLine.GONE: None,
    OldLine.THERE: Verdict.PROBE,
    OldLine.SILENT: None,
    OldLine.ANSWERED: Verdict.QUARANTINE,
    OldLine.MIGRATING: Verdict.WAIT,
}

_GETS_A_CONSOLE = frozenset({Verdict.JOIN, Verdict.REPLACE, Verdict.TAKE_OVER, Verdict.OTHER})

# Verdicts that count only if no other console gives a better one, the strongest first.
_LAST = (Verdict.QUARANTINE, Verdict.OTHER, Verdict.CLONE)


@frozen
class Candidate:
    """One console that the new line could be, as `choose` sees it.

    `weaker`: the new line's provenance is below what the console has seen.
    """

    ordinal: int
    old: OldLine
    same_name: bool
    same_host: bool
    weaker: bool = False


@frozen
class NewLine:
    """What counts about the claimant: the zone's rule, and whether it has a client certificate."""

    takeover: Takeover = Takeover.PROBE
    certified: bool = False

    @property
    def rule(self) -> Takeover:
        """The zone's rule for this line."""
        if self.takeover is not Takeover.CERTIFICATE:
            return self.takeover
        return Takeover.PROBE if self.certified else Takeover.SAME_HOST


def decide(new_line: NewLine, candidate: Candidate) -> Verdict:
    """What one console means for the new line that has its identity and port key."""
    if not candidate.same_name:
        # Renamed while it was off, or a copy: nothing shows which, not even the host. Output under
        # the one name is not for operators who may read the other.
        return Verdict.CLONE
    verdict = _SAME_NAME[candidate.old, candidate.same_host]
    rule = new_line.rule
    if verdict is Verdict.PROBE and not candidate.same_host:
        if rule is Takeover.ALLOW:
            verdict = Verdict.TAKE_OVER
        elif rule is not Takeover.PROBE or candidate.weaker:
            verdict = Verdict.QUARANTINE  # whatever it would answer
    verdict = _POLICY.get((rule, verdict), verdict)
    return _WEAKER.get(verdict, verdict) if candidate.weaker else verdict


def choose(
    new_line: NewLine,
    candidates: Sequence[Candidate],
    rivals: Sequence[OldLine] = (),
    lesser: bool = False,
) -> tuple[Verdict, Candidate | None]:
    """The verdict over all consoles that the new line could be, and the one that it is about.

    Only consoles of its name can be its own, those without a line before those with; if all
    are another VM's, the new line is another port, or another VM, or quarantined. `rivals` are
    what is known of the VM's lines at other hosts than the new line's: all ports of a VM are on
    one host, so that it gets no port while one of them lives. `lesser`: the new line is from
    another host than the VM was on last, and its provenance is below what the VM's ports have seen.
    """
    verdict, candidate = _among(new_line, candidates)
    if candidate is None and lesser:
        return Verdict.QUARANTINE, None
    if verdict in _GETS_A_CONSOLE:
        verdict = _against(new_line, rivals) or verdict
    return verdict, candidate


def _among(new_line: NewLine, candidates: Sequence[Candidate]) -> tuple[Verdict, Candidate | None]:
    ordered = sorted(
        candidates, key=lambda s: (not s.same_name, s.old is not OldLine.GONE, s.ordinal)
    )
    left: dict[Verdict, Candidate] = {}
    for candidate in ordered:
        verdict = decide(new_line, candidate)
        if verdict not in _LAST:
            return verdict, candidate
        left.setdefault(verdict, candidate)
    for verdict in _LAST:
        if verdict in left:
            return verdict, left[verdict]
    return Verdict.OTHER, None


def _against(new_line: NewLine, rivals: Sequence[OldLine]) -> Verdict | None:
    rule = new_line.rule
    if rule is Takeover.ALLOW:
        return None
    found = {_RIVAL[old] for old in rivals}
    if rule is not Takeover.PROBE and any(old is not OldLine.GONE for old in rivals):
        found.add(Verdict.QUARANTINE)
    for verdict in (Verdict.WAIT, Verdict.QUARANTINE, Verdict.PROBE):
        if verdict in found:
            return verdict
    return None
