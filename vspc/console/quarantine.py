"""Quarantined lines: they claim to be a VM that has another line.

Each has a console of its own that only administrators read and that takes no input; it has nothing
of the VM whose name and UUID it gives.
"""

from collections import Counter
from collections.abc import Callable
from itertools import count

from vspc.console.console import Console, Vm
from vspc.console.context import ConsoleContext
from vspc.console.identity import Claim, Identity

RING = 4 * 1024
"""Bytes of history of such a line."""

PER_VM = 4
"""Quarantined lines for one VM; one more is refused."""

PER_HOST = 64
"""The same from one host."""

IN_ALL = 1024
"""The same in all."""

KIND = "held"
"""The kind of their identities."""


class Quarantine:
    """The quarantined lines; `by_name` finds them as they are displayed."""

    def __init__(self, context: ConsoleContext, is_displayed: Callable[[str, str], bool]) -> None:
        """`is_displayed(zone, name)`: whether an ordinary VM of the zone is shown under `name`."""
        self._context = context
        self._is_displayed = is_displayed
        self.by_name: dict[str, Console] = {}
        self._about: dict[Console, Vm] = {}
        self._hosts: Counter[str] = Counter()
        self._numbers = count(1)

    def __len__(self) -> int:
        return len(self._about)

    def add(self, claim: Claim, vm: Vm) -> Console | None:
        """A console for a line with `claim`, which is about `vm`. None: there are too many."""
        full = len(vm.quarantined) >= PER_VM or self._hosts[claim.address] >= PER_HOST
        if full or len(self) >= IN_ALL:
            return None
        value = f"{claim.identity.value} {claim.address} {claim.port_key} {next(self._numbers)}"
        claimant = Vm(Identity(claim.zone, KIND, value), claim.uuid, claim.name)
        claimant.name = self._name(claimant)
        console = Console(
            self._context,
            claimant,
            claimant.identity.console_id(claim.port_key, 1),
            claim.port_key,
            claim.port_label,
            1,
            1,
            RING,
        )
        console.service_uri = claim.service_uri
        claimant.consoles[claim.port_key, 1] = console
        self.by_name[claimant.name] = console
        self._about[console] = vm
        vm.quarantined[console] = None
        self._hosts[claim.address] += 1
        return console

    def revive(self, console: Console, vm: Vm) -> None:
        """Take up a console that another process had quarantined."""
        self.by_name[console.vm.name] = console
        self._about[console] = vm
        vm.quarantined[console] = None
        self._hosts[console.link.last_address] += 1

    def _name(self, claimant: Vm) -> str:
        vm_id = claimant.id
        for length in range(4, len(vm_id) + 1):
            name = f"{claimant.claimed_name}~{vm_id[:length]}"
            if name not in self.by_name and not self._is_displayed(claimant.zone, name):
                return name
        return f"{claimant.claimed_name}~{vm_id}"

    def about(self, console: Console) -> Vm:
        """The VM that the line of `console` claims to be."""
        return self._about[console]

    def remove(self, console: Console) -> None:
        """`console` is needed no longer."""
        vm = self._about.pop(console)
        del vm.quarantined[console]
        del self.by_name[console.vm.name]
        host = console.link.last_address
        self._hosts[host] -= 1
        if self._hosts[host] <= 0:
            del self._hosts[host]
