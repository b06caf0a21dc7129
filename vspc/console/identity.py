"""Who a VM is: what it says of itself, where it said it from, and the key that follows from both.

A host that may connect can say any UUID and any name, so identity is a claim. What becomes of it
is decided in `vspc.console.takeover`.
"""

import hashlib
from collections.abc import Iterable
from enum import IntEnum
from itertools import count
from sys import intern

from attrs import frozen

PLAIN = "plain"
"""The kind of a VM that is known by the listener that it dials."""


DEFAULT_ZONE = "default"
"""The zone of whoever dials the listeners of [vm] itself; it is not shown."""


class Provenance(IntEnum):
    """How sure we are of where a line comes from; a console's never gets weaker."""

    PLAIN = 0
    TLS = 1
    CERTIFIED = 2  # TLS with a client certificate of the zone's authority


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
    provenance: Provenance = Provenance.PLAIN
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

    def clone(self, number: int = 1) -> "Identity":
        """The identity of a VM whose UUID another one has, under another name. `number`, from 1:
        the ones before are of VMs that began with this name and have another one now.
        """
        own = self.identity
        value = f"{own.value} {self.name}" + (f"~{number}" if number > 1 else "")
        return Identity(own.zone, own.kind, value, duplicate=True)

    @property
    def port_key(self) -> str:
        """What ports of one VM differ in, as far as they do: the label, else the whole URI."""
        # Interned: most VMs have the same, and each console keeps its own.
        if self.port_label is not None:
            return intern(f"label:{self.port_label}")
        return intern(f"uri:{self.service_uri}")


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
