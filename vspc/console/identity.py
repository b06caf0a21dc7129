"""Who a VM is, and what becomes of a newcomer that says it is one we know. Pure: no line, no clock.

A host that may connect can say any UUID and any name, so identity is a claim; `decide` is the one
table that answers it.
"""

import hashlib
from collections.abc import Iterable, Sequence
from enum import Enum
from itertools import count

from attrs import frozen

PLAIN = "plain"
"""The kind of a VM that is known by the listener that it dials."""


@frozen
class Claim:
    """What a VM said of itself, with where it said it from. UUIDs are 32 hex digits, lower case.

    `uuid` is the first usable of VC, BIOS and location UUID, `uuid_kind` which one. `name` is for
    display: one line, bounded. `port_label` and `service_uri` tell ports of one VM apart.
    """

    zone: str
    uuid: str | None
    uuid_kind: str
    name: str
    address: str
    secure: bool
    service_uri: str = ""
    port_label: str | None = None

    @property
    def identity(self) -> "Identity":
        """(zone, first usable of the UUIDs, else address and name)."""
        if self.uuid is not None:
            return Identity(self.zone, self.uuid_kind, self.uuid)
        if self.uuid_kind == PLAIN:  # a plain listener is one console, whoever dials it
            return Identity(self.zone, PLAIN, self.name)
        return Identity(self.zone, "at", f"{self.address} {self.name}")

    @property
    def clone(self) -> "Identity":
        """The identity of a VM whose UUID another one has, under another name: both are alive."""
        own = self.identity
        return Identity(own.zone, own.kind, f"{own.value} {self.name}")

    @property
    def port_key(self) -> str:
        """What ports of one VM differ in, as far as they do: the label, else the whole URI."""
        if self.port_label is not None:
            return f"label:{self.port_label}"
        return f"uri:{self.service_uri}"


@frozen
class Identity:
    """The key of a VM. `kind` is "vc", "bios", "location", "at" or "plain"."""

    zone: str
    kind: str
    value: str

    def console_id(self, port_key: str, number: int) -> str:
        """16 hex digits for one port of this VM: the same after a restart, and no path in it."""
        whole = "\0".join((self.zone, self.kind, self.value, port_key, str(number)))
        return hashlib.sha256(whole.encode("utf-8", "surrogatepass")).hexdigest()[:16]


class Old(Enum):
    """What we know of the line that a console already has."""

    GONE = "gone"
    THERE = "there"
    SILENT = "silent"
    ANSWERED = "answered"
    MIGRATING = "migrating"


class Verdict(Enum):
    """What becomes of the newcomer."""

    JOIN = "join"  # the console has no line: it is this one's
    PROBE = "probe"  # ask the old line whether it lives, then decide again
    REPLACE = "replace"  # the old line is dead
    OTHER = "other"  # another console of this VM
    CLONE = "clone"  # another VM with the same UUID
    REFUSE = "refuse"
    WAIT = "wait"  # a migration is open: decide when it is over


# (old line, same name, same host) -> verdict. An absent key does not exist: every row is here.
_TABLE: dict[tuple[Old, bool, bool], Verdict] = {
    **{(Old.GONE, n, h): Verdict.JOIN for n in (True, False) for h in (True, False)},
    **{(Old.THERE, n, h): Verdict.PROBE for n in (True, False) for h in (True, False)},
    **{(Old.SILENT, n, h): Verdict.REPLACE for n in (True, False) for h in (True, False)},
    **{(Old.MIGRATING, n, h): Verdict.WAIT for n in (True, False) for h in (True, False)},
    # Both alive: another name is a clone with the same UUID, the same host another port; another
    # host under the same name is somebody who lies, or a host that is cut off and does not know.
    (Old.ANSWERED, True, True): Verdict.OTHER,
    (Old.ANSWERED, True, False): Verdict.REFUSE,
    (Old.ANSWERED, False, True): Verdict.CLONE,
    (Old.ANSWERED, False, False): Verdict.CLONE,
}


def decide(old: Old, same_name: bool, same_host: bool) -> Verdict:
    """What becomes of a newcomer that has the identity and port key of a console we know."""
    return _TABLE[old, same_name, same_host]


@frozen
class Standing:
    """One console that the newcomer could be, as `choose` sees it."""

    ordinal: int
    old: Old
    same_name: bool
    same_host: bool


def choose(standings: Sequence[Standing]) -> tuple[Verdict, Standing | None]:
    """The verdict over all consoles that the newcomer could be, and the one that it is about.

    A console of the same name comes before others, one without a line before one with; if all
    are somebody else's, the newcomer is another port, or another VM, or refused.
    """
    ordered = sorted(standings, key=lambda s: (not s.same_name, s.old is not Old.GONE, s.ordinal))
    left: dict[Verdict, Standing] = {}
    for standing in ordered:
        verdict = decide(standing.old, standing.same_name, standing.same_host)
        if verdict not in _LAST:
            return verdict, standing
        left.setdefault(verdict, standing)
    for verdict in _LAST:
        if verdict in left:
            return verdict, left[verdict]
    return Verdict.OTHER, None


# Verdicts that count only if no other console gives a better one, the strongest first.
_LAST = (Verdict.REFUSE, Verdict.OTHER, Verdict.CLONE)


def next_free(taken: Iterable[int]) -> int:
    """The smallest number from 1 that is not `taken`."""
    numbers = set(taken)
    return next(n for n in count(1) if n not in numbers)
