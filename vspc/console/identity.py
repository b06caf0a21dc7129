"""Who a VM is, and what becomes of a newcomer that says it is one we know. Pure: no line, no clock.

A host that may connect can say any UUID and any name, so identity is a claim; `decide` is the one
table that answers it.
"""

import hashlib
from collections.abc import Iterable
from enum import Enum

from attrs import frozen


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
        return Identity(self.zone, "at", f"{self.address} {self.name}")

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
    (Old.ANSWERED, False, True): Verdict.OTHER,
    (Old.ANSWERED, False, False): Verdict.OTHER,
}


def decide(old: Old, same_name: bool, same_host: bool) -> Verdict:
    """What becomes of a newcomer that has the identity and port key of a console we know."""
    return _TABLE[old, same_name, same_host]


@frozen
class Standing:
    """One console with the newcomer's identity and port key, as `choose` sees it."""

    ordinal: int
    old: Old
    same_name: bool
    same_host: bool


def choose(standings: Iterable[Standing]) -> tuple[Verdict, int]:
    """The verdict over all consoles that the newcomer could be, and the ordinal of the one meant.

    A console of the same name comes before others, one without a line before one with; if all
    are somebody else's, the newcomer is another console with the next free ordinal.
    """
    ordered = sorted(standings, key=lambda s: (not s.same_name, s.old is not Old.GONE, s.ordinal))
    refused: int | None = None
    for standing in ordered:
        verdict = decide(standing.old, standing.same_name, standing.same_host)
        if verdict is Verdict.REFUSE:
            refused = standing.ordinal if refused is None else refused
        elif verdict is not Verdict.OTHER:
            return verdict, standing.ordinal
    if refused is not None:
        return Verdict.REFUSE, refused
    return Verdict.OTHER, next_free(s.ordinal for s in ordered)


def next_free(taken: Iterable[int]) -> int:
    """The smallest number from 1 that is not `taken`."""
    numbers = set(taken)
    return next(n for n in range(1, len(numbers) + 2) if n not in numbers)
