"""One virtual machine: an identity, a name, and its ports as consoles."""

from vspc.console.console import Console
from vspc.console.identity import Identity, Provenance, next_free


class Vm:
    """One virtual machine: an identity, a name, and its ports as consoles."""

    __slots__ = ("consoles", "held", "identity", "name", "said_name", "uuid", "zone")

    def __init__(self, identity: Identity, uuid: str | None, said_name: str) -> None:
        self.identity = identity
        self.uuid = uuid
        self.zone = identity.zone
        self.said_name = said_name
        self.name = ""  # given by Names
        self.consoles: dict[tuple[str, int], Console] = {}
        # Lines kept apart because they say that they are this VM, in the order of their claim.
        self.held: dict[Console, None] = {}

    @property
    def id(self) -> str:
        """16 hex digits, made each time: few names need it."""
        return self.identity.console_id("", 0)

    @property
    def live(self) -> bool:
        """Whether any of its ports has a line."""
        return any(console.live for console in self.consoles.values())

    @property
    def last_address(self) -> str:
        """The host that it is on, or was on last; empty if it never had a line."""
        consoles = sorted(self.consoles.values(), key=lambda c: (not c.live, -c.since))
        return consoles[0].last_address if consoles else ""

    @property
    def provenance(self) -> Provenance:
        """The best that any of its ports has seen."""
        return max((c.provenance for c in self.consoles.values()), default=Provenance.PLAIN)


def free_number(vm: Vm, label: str | None = None) -> int:
    """A number for a port of `vm` that no port has, and no label is, `label` included."""
    consoles = vm.consoles.values()
    numbers = {c.number for c in consoles if c.label is None}
    labels = {c.label for c in consoles} | {label}
    return next_free(numbers | {int(word) for word in labels if word and word.isdecimal()})
