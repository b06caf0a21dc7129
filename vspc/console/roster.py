"""All VMs and their consoles, indexed: by identity for lines that arrive, by name for operators."""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from urllib.parse import unquote

from attrs import frozen

from vspc.console import happenings
from vspc.console.console import Console, Shop
from vspc.console.identity import Claim, Identity, next_free
from vspc.console.names import Names, is_glob

RELEASE_AFTER = 600.0
"""Seconds after which an away console gives its ring back."""

FORGET_AFTER = 7 * 24 * 3600.0
"""Seconds after which an away console leaves the list."""

MATCHES = 20
"""Consoles that an ambiguous name is answered with."""


class Vm:
    """One virtual machine: an identity, a name, and its ports as consoles."""

    __slots__ = ("consoles", "id", "identity", "name", "said_name", "uuid", "zone")

    def __init__(self, identity: Identity, uuid: str | None, said_name: str) -> None:
        self.identity = identity
        self.id = identity.console_id("", 0)
        self.uuid = uuid
        self.zone = identity.zone
        self.said_name = said_name
        self.name = ""  # given by Names
        self.consoles: dict[tuple[str, int], Console] = {}

    @property
    def live(self) -> bool:
        """Whether any of its ports has a line."""
        return any(console.live for console in self.consoles.values())


@frozen
class Found:
    """One console is meant."""

    console: Console


@frozen
class NotFound:
    """No console is meant, as far as the one who asks may know."""


@frozen
class Ambiguous:
    """Several are meant; at most `MATCHES` of them, sorted."""

    consoles: tuple[Console, ...]


Resolution = Found | NotFound | Ambiguous


class Roster:
    """Every console there is."""

    def __init__(self, shop: Shop, forget_after: float = FORGET_AFTER) -> None:
        self._shop = shop
        self._forget_after = forget_after
        self._vms: dict[Identity, Vm] = {}
        self._by_id: dict[str, Console] = {}
        self._by_uuid: dict[str, dict[Vm, None]] = {}
        self._names: dict[str, Names] = {}
        # Away consoles in the order in which they went: with a ring to give back, and without.
        self._cooling: OrderedDict[Console, float] = OrderedDict()
        self._cold: OrderedDict[Console, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[Console]:
        return iter(list(self._by_id.values()))

    # Lines arrive and leave

    def vm(self, identity: Identity) -> Vm | None:
        """The VM of that identity, if it was ever seen."""
        return self._vms.get(identity)

    def ports(self, claim: Claim) -> list[Console]:
        """The consoles that a line with `claim` could belong to."""
        vms = [self._vms.get(identity) for identity in (claim.identity, claim.clone)]
        return [
            console
            for vm in vms
            if vm is not None
            for (key, _), console in vm.consoles.items()
            if key == claim.port_key
        ]

    def open(self, claim: Claim, clone: bool = False) -> Console:
        """A new console for `claim`; with `clone` of a VM of its own, under the same UUID."""
        identity = claim.clone if clone else claim.identity
        vm = self._vms.get(identity) or self._add_vm(claim, identity)
        taken = (ordinal for key, ordinal in vm.consoles if key == claim.port_key)
        console = self._add_console(vm, claim, next_free(taken))
        console.service_uri = claim.service_uri
        return console

    def _add_vm(self, claim: Claim, identity: Identity) -> Vm:
        vm = Vm(identity, claim.uuid, claim.name)
        self._vms[identity] = vm
        if vm.uuid is not None:
            self._by_uuid.setdefault(vm.uuid, {})[vm] = None
        self._told(self._zone(vm.zone).add(vm))
        return vm

    def _add_console(self, vm: Vm, claim: Claim, ordinal: int) -> Console:
        console_id = vm.identity.console_id(claim.port_key, ordinal)
        for other in vm.consoles.values():  # a number that is a label would mean two ports
            if other.label is None and str(other.number) == claim.port_label:
                other.number = _free_number(vm, claim.port_label)
        number = ordinal if claim.port_label is not None else _free_number(vm)
        console = Console(
            self._shop, vm, console_id, claim.port_key, claim.port_label, ordinal, number
        )
        vm.consoles[claim.port_key, ordinal] = console
        self._by_id[console_id] = console
        self._publish(happenings.Appeared(console))
        return console

    def settle(self, console: Console) -> None:
        """`console` got or lost a line: who has its name, and when is it forgotten?"""
        self._cooling.pop(console, None)
        self._cold.pop(console, None)
        if not console.live:
            self._cooling[console] = self._shop.clock.seconds()
        self._told(self._zone(console.vm.zone).settle(console.vm))

    def rename(self, vm: Vm, said_name: str) -> None:
        """The VM says that it has another name now."""
        if said_name == vm.said_name:
            return
        names = self._zone(vm.zone)
        old = vm.name
        self._told(names.remove(vm))
        vm.said_name = said_name
        changes = [(v, was or old) for v, was in names.add(vm)]
        self._told(changes)

    def forget(self, console: Console) -> None:
        """An away console leaves the roster, its history with it."""
        vm = console.vm
        del vm.consoles[console.port_key, console.ordinal]
        self._by_id.pop(console.id, None)
        self._cooling.pop(console, None)
        self._cold.pop(console, None)
        console.history.release()
        for attachment in list(console.attachments):
            attachment.detach()
            attachment.sink.ended("the console was forgotten")
        if not vm.consoles:
            self._forget_vm(vm)
        self._publish(happenings.Forgotten(console))

    def _forget_vm(self, vm: Vm) -> None:
        self._told(self._zone(vm.zone).remove(vm))
        del self._vms[vm.identity]
        if vm.uuid is not None:
            same = self._by_uuid[vm.uuid]
            del same[vm]
            if not same:
                del self._by_uuid[vm.uuid]

    def tidy(self, now: float) -> None:
        """Take rings back and forget, by the time since consoles went. Call it now and then."""
        for console in _due(self._cooling, now - RELEASE_AFTER):
            self._cold[console] = self._cooling.pop(console)
            console.history.release()
        for console in _due(self._cold, now - self._forget_after):
            self.forget(console)

    def _zone(self, zone: str) -> Names:
        return self._names.setdefault(zone, Names())

    def _told(self, changes: Iterable[tuple[Vm, str]]) -> None:
        for vm, old in changes:
            if old:
                for console in vm.consoles.values():
                    self._publish(happenings.Renamed(console, old))

    def _publish(self, happening: happenings.Happening) -> None:
        self._shop.happenings.publish(happening)

    # Operators look for consoles

    def resolve(self, typed: str, may_read: Callable[[Console], bool]) -> Resolution:
        """The console that `typed` means: `[ZONE/]NAME[:PORT]`, `uuid:HEX`, or an id (contract).

        What `may_read` denies does not exist. At each step a live console wins over away ones.
        """
        for step in self._steps(typed):
            hits = [console for console in step if may_read(console)]
            if not hits:
                continue
            live = [console for console in hits if console.live]
            if len(hits) == 1 or len(live) == 1:
                return Found((live or hits)[0])
            hits.sort(key=sort_key)
            return Ambiguous(tuple(hits[:MATCHES]))
        return NotFound()

    def _steps(self, typed: str) -> Iterator[Iterable[Console]]:
        if typed.lower().startswith("uuid:"):
            wanted, _, label = typed[5:].partition(":")
            digits = wanted.replace("-", "").replace(" ", "").lower()
            yield _ports(self._by_uuid.get(digits, ()), _decoded(label) if label else None)
            return
        known = self._by_id.get(typed)
        if known is not None:
            yield [known]
        splits = [self._whole(typed), self._with_port(typed)]
        for look in (_exact, _caseless, _prefixed, _globbed):
            for names, name, port in splits:
                if name:
                    yield _ports(look(names, name), port)

    def _whole(self, typed: str) -> tuple[Names, str, str | None]:
        """Zone, name and port of what was typed, all of it being the name."""
        zone, slash, name = typed.partition("/")
        if slash and _decoded(zone) in self._names:
            return self._names[_decoded(zone)], name, None
        return self._zone("default"), typed, None

    def _with_port(self, typed: str) -> tuple[Names, str, str | None]:
        """The same with what follows the last colon as the port; an empty name if there is none."""
        names, rest, _ = self._whole(typed)
        name, _, port = rest.rpartition(":")
        return names, name, _decoded(port)


def sort_key(console: Console) -> tuple[str, str, int]:
    """By name, then port (contract, `list --json`)."""
    return (console.name, console.label or "", console.number)


def _free_number(vm: Vm, label: str | None = None) -> int:
    """A number for a port of `vm` that no port has, and no label is, `label` included."""
    consoles = vm.consoles.values()
    numbers = {c.number for c in consoles if c.label is None}
    labels = {c.label for c in consoles} | {label}
    return next_free(numbers | {int(word) for word in labels if word and word.isdecimal()})


def _due(table: "OrderedDict[Console, float]", before: float) -> list[Console]:
    due = []
    for console, at in table.items():
        if at > before:
            break
        due.append(console)
    return due


def _decoded(word: str) -> str:
    return unquote(word, errors="surrogateescape")


def _exact(names: Names, word: str) -> Iterable[Vm]:
    vm = names.exact(_decoded(word))
    return () if vm is None else (vm,)


def _caseless(names: Names, word: str) -> Iterable[Vm]:
    return names.caseless(_decoded(word))


def _prefixed(names: Names, word: str) -> Iterable[Vm]:
    return names.prefixed(_decoded(word)) if word else ()


def _globbed(names: Names, word: str) -> Iterable[Vm]:
    return names.globbed(_decoded(word)) if is_glob(word) else ()


def _ports(vms: Iterable[Vm], port: str | None) -> Iterable[Console]:
    for vm in vms:
        for console in vm.consoles.values():
            if port is None or port == console.port_word:
                yield console
