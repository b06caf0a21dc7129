"""All VMs and their consoles, indexed: by identity for lines that arrive, by name for operators."""

from collections.abc import Callable, Iterable, Iterator
from itertools import count

from vspc.console import events
from vspc.console.away import FORGET_AFTER, AwayConsoles
from vspc.console.changes import StateChanges
from vspc.console.console import Console, Vm
from vspc.console.context import ConsoleContext
from vspc.console.identity import Claim, Identity, next_free
from vspc.console.names import Lookup, Names, Resolution, SmallSet
from vspc.console.quarantine import KIND, RING, Quarantine
from vspc.console.quiet import QuietConsoles


class Roster:
    """Every console there is."""

    def __init__(self, context: ConsoleContext, forget_after: float = FORGET_AFTER) -> None:
        self._context = context
        self._vms: dict[Identity, Vm] = {}
        self._by_id: dict[str, Console] = {}
        self._by_uuid: dict[str, SmallSet[Vm]] = {}
        # Those whose UUID another one had first, by zone, kind, UUID and the name that they give.
        self._copies: dict[tuple[str, ...], SmallSet[Vm]] = {}
        self._names: dict[str, Names] = {}
        self._away = AwayConsoles(forget_after)
        self._quiet = QuietConsoles()
        self._quarantine = Quarantine(context, self._is_displayed)
        self._lookup = Lookup(self._by_id, self._by_uuid, self._names, self._quarantine.by_name)

    @property
    def changes(self) -> StateChanges:
        """Who is told that something has changed."""
        return self._context.changes

    def __len__(self) -> int:
        return len(self._by_id)

    @property
    def away(self) -> int:
        """How many consoles have no line, nor are about to have one."""
        return self._away.count

    @property
    def quarantined(self) -> int:
        """How many consoles are of quarantined lines."""
        return len(self._quarantine)

    def get(self, console_id: str) -> Console | None:
        """The console with that id."""
        return self._by_id.get(console_id)

    def __iter__(self) -> Iterator[Console]:
        return iter(list(self._by_id.values()))

    def has(self, console: Console) -> bool:
        """Whether `console` is there, and not forgotten."""
        return self._by_id.get(console.id) is console

    # Lines arrive and leave

    def vm(self, identity: Identity) -> Vm | None:
        """The VM of that identity, if it was ever seen."""
        return self._vms.get(identity)

    def ports(self, claim: Claim) -> list[Console]:
        """The consoles that a line with `claim` could belong to."""
        return [
            console
            for vm in self.vms(claim)
            for (key, _), console in vm.consoles.items()
            if key == claim.port_key
        ]

    def vms(self, claim: Claim) -> list[Vm]:
        """The VMs that a line with `claim` could belong to: one, or some that share a UUID."""
        found = [self._vms.get(claim.identity)]
        if claim.uuid is None:
            found.append(self._vms.get(claim.clone()))
        else:  # by the name that it gives now
            found += self._copies.get(_copy_key(claim.identity, claim.uuid, claim.name), ())
        return [vm for vm in found if vm is not None]

    def named(self, claim: Claim) -> Vm | None:
        """The VM of `claim`, if it is known by its UUID, and gives that name."""
        return next((vm for vm in self.vms(claim) if vm.claimed_name == claim.name), None)

    def identity(self, claim: Claim) -> Identity:
        """That of the VM of `claim`; of a new one the first that neither a VM has nor the log of a
        VM of another name.
        """
        vm = self.named(claim)
        if vm is not None:
            return vm.identity
        if self._is_free(claim.identity, claim):
            return claim.identity
        clones = (claim.clone(number) for number in count(1))
        return next(each for each in clones if self._is_free(each, claim))

    def _is_free(self, identity: Identity, claim: Claim) -> bool:
        logged = self._context.observer.last_name(identity.console_id(claim.port_key, 1))
        return identity not in self._vms and logged in (None, claim.name)

    def open(self, claim: Claim, identity: Identity | None = None) -> Console:
        """A new console for `claim`, of the VM with `identity`, the claimed one by default."""
        vm = self.recall_vm(identity or claim.identity, claim.uuid, claim.name)
        console = self._add_console(vm, claim, self._free_ordinal(vm, claim))
        console.service_uri = claim.service_uri
        return console

    def _free_ordinal(self, vm: Vm, claim: Claim) -> int:
        """The first that no port of `vm` has, and no log of a VM under another name."""
        taken = {ordinal for key, ordinal in vm.consoles if key == claim.port_key}
        while True:
            ordinal = next_free(taken)
            console_id = vm.identity.console_id(claim.port_key, ordinal)
            if self._context.observer.last_name(console_id) in (None, claim.name):
                return ordinal
            taken.add(ordinal)

    def former_name(self, claim: Claim) -> str | None:
        """What a VM with the identity of `claim` called itself, of which there is only a log."""
        if claim.identity in self._vms:
            return None
        return self._context.observer.last_name(claim.identity.console_id(claim.port_key, 1))

    def recall_vm(self, identity: Identity, uuid: str | None, claimed_name: str) -> Vm:
        """A VM that is remembered from before a restart; the one that is there, if it is."""
        return self._vms.get(identity) or self._add_vm(identity, uuid, claimed_name)

    def _add_vm(self, identity: Identity, uuid: str | None, claimed_name: str) -> Vm:
        vm = Vm(identity, uuid, claimed_name)
        self._index(vm)
        self._publish_renames(self._zone(vm.zone).add(vm))
        return vm

    def _index(self, vm: Vm) -> None:
        self._vms[vm.identity] = vm
        if vm.uuid is not None:
            self._by_uuid.setdefault(vm.uuid, SmallSet()).add(vm)
        self._add_copy(vm)

    def _add_copy(self, vm: Vm) -> None:
        if vm.identity.duplicate and vm.uuid is not None:
            key = _copy_key(vm.identity, vm.uuid, vm.claimed_name)
            self._copies.setdefault(key, SmallSet()).add(vm)

    def _drop_copy(self, vm: Vm) -> None:
        if vm.identity.duplicate and vm.uuid is not None:
            key = _copy_key(vm.identity, vm.uuid, vm.claimed_name)
            self._copies[key].discard(vm)
            if not self._copies[key]:
                del self._copies[key]

    # Another process' VMs and consoles

    def revive_vm(
        self, identity: Identity, uuid: str | None, claimed_name: str, name: str, live: bool
    ) -> Vm:
        """A VM of another process, displayed under the same name."""
        vm = Vm(identity, uuid, claimed_name)
        if identity.kind == KIND:
            vm.name = name
            return vm
        self._index(vm)
        self._zone(vm.zone).revive(vm, name, live)
        return vm

    def revive_console(
        self,
        vm: Vm,
        about: Vm | None,
        port_key: str,
        label: str | None,
        ordinal: int,
        number: int,
        address: str,
    ) -> Console:
        """One of its consoles; with `about` a quarantined line."""
        console_id = vm.identity.console_id(port_key, ordinal)
        ring = None if about is None else RING
        console = Console(self._context, vm, console_id, port_key, label, ordinal, number, ring)
        console.link.last_address = address
        vm.consoles[port_key, ordinal] = console
        self._by_id[console_id] = console
        if about is not None:
            self._quarantine.revive(console, about)
        return console

    def about(self, console: Console) -> Vm | None:
        """The VM that a quarantined line claims to be."""
        return self._quarantine.about(console) if console.quarantined else None

    def quarantine(self, claim: Claim, vm: Vm) -> Console | None:
        """A console for a quarantined line that claims to be `vm`. None: there are too many."""
        console = self._quarantine.add(claim, vm)
        if console is not None:
            self._by_id[console.id] = console
            self.publish(events.Appeared(console.ref))
        return console

    def end_quarantine(self, console: Console) -> None:
        """A console that `quarantine` gave is needed no longer."""
        self._by_id.pop(console.id, None)
        self._quarantine.remove(console)
        self._dismiss(console, "the line is no longer quarantined")

    def alike(self, claim: Claim) -> tuple[str, Console] | None:
        """What a new VM with `claim` could be mistaken for: the kind of likeness, and a console."""
        namesake = self.namesake(claim)
        if namesake is not None:
            return "name-of-another", namesake
        digits = claim.name.replace("-", "").replace(" ", "").lower()
        known = self._by_id.get(claim.name) or self._first(self._by_uuid.get(digits, ()))
        if known is not None and digits != claim.uuid:
            return "name-like-an-identity", known
        twins = (vm for vm in self._by_uuid.get(claim.uuid or "", ()) if vm.zone != claim.zone)
        twin = self._first(twins)
        return None if twin is None else ("uuid-of-another-zone", twin)

    def namesakes(self, console: Console) -> int:
        """How many other VMs of its zone claim the name of `console`."""
        vm = console.vm
        return 0 if console.quarantined else self._zone(vm.zone).claimants(vm.claimed_name) - 1

    def namesake(self, claim: Claim) -> Console | None:
        """A console of the live VM that is displayed under the claimed name and is elsewhere."""
        names = self._names.get(claim.zone)
        vm = names.exact(claim.name) if names is not None else None
        elsewhere = vm is not None and vm.live and vm.last_address != claim.address
        return next(iter(vm.consoles.values())) if vm is not None and elsewhere else None

    @staticmethod
    def _first(vms: Iterable[Vm]) -> Console | None:
        return next((console for vm in vms for console in vm.consoles.values()), None)

    def _is_displayed(self, zone: str, name: str) -> bool:
        names = self._names.get(zone)
        return names is not None and names.exact(name) is not None

    def _add_console(self, vm: Vm, claim: Claim, ordinal: int) -> Console:
        console_id = vm.identity.console_id(claim.port_key, ordinal)
        for other in vm.consoles.values():  # a number that is a label would mean two ports
            if other.label is None and str(other.number) == claim.port_label:
                other.number = vm.free_number(claim.port_label)
        number = ordinal if claim.port_label is not None else vm.free_number()
        console = Console(
            self._context, vm, console_id, claim.port_key, claim.port_label, ordinal, number
        )
        console.link.last_address = vm.last_address  # all ports of a VM are on one host
        console.link.last_output = self._context.observer.last_output(console_id)
        console.history.restore(self._context.observer.next_offset(console_id), b"")
        vm.consoles[claim.port_key, ordinal] = console
        self._by_id[console_id] = console
        self.publish(events.Appeared(console.ref))
        return console

    def settle(self, console: Console) -> None:
        """`console` got or lost a line: decide which VM has its name, and when it is forgotten."""
        self._away.remove(console)
        if not console.live:
            self._away.add(console, self._context.clock.seconds())
        self._publish_renames(self._zone(console.vm.zone).settle(console.vm))

    def rename(self, vm: Vm, claimed_name: str) -> None:
        """The VM gives another name now."""
        if claimed_name == vm.claimed_name:
            return
        names = self._zone(vm.zone)
        old_name, old_claimed_name = vm.name, vm.claimed_name
        self._publish_renames(names.remove(vm))
        self._drop_copy(vm)
        vm.claimed_name = claimed_name
        self._add_copy(vm)
        self._publish_renames((other, was) for other, was in names.add(vm) if other is not vm)
        # Rights go by the name that the VM gives, even where it is displayed as before.
        for console in vm.consoles.values():
            self.publish(events.Renamed(console.ref, old_name, old_claimed_name))

    def forget(self, console: Console) -> None:
        """An away console leaves the roster, its history with it."""
        vm = console.vm
        self.publish(events.Forgotten(console.ref))
        del vm.consoles[console.port_key, console.ordinal]
        self._by_id.pop(console.id, None)
        self._away.remove(console)
        self._dismiss(console, "the console was forgotten")
        if not vm.consoles:
            self._forget_vm(vm)

    def _dismiss(self, console: Console, reason: str) -> None:
        console.history.release()
        for attachment in console.attachments:
            attachment.detach()
            console.attachments.end(attachment, reason)

    def _forget_vm(self, vm: Vm) -> None:
        self._publish_renames(self._zone(vm.zone).remove(vm))
        self._drop_copy(vm)
        del self._vms[vm.identity]
        if vm.uuid is not None:
            same = self._by_uuid[vm.uuid]
            same.discard(vm)
            if not same:
                del self._by_uuid[vm.uuid]

    def tidy(self, now: float) -> list[Vm]:
        """Shrink and release histories, and forget, by the time since consoles said something, or
        went. Call it every second.

        The VMs of consoles that were forgotten.
        """
        self._quiet.look(self._by_id.values(), now, self._context.clock.wall())
        for console in self._away.due_to_release(now):
            console.history.release()
        forgotten = self._away.due_to_forget(now)
        for console in forgotten:
            self.forget(console)
        over_limit: dict[str, int] = {}
        for host, console in self._away.over_limit():
            self.forget(console)
            forgotten.append(console)
            over_limit[host] = over_limit.get(host, 0) + 1
        for host, many in over_limit.items():
            detail = f"it left too many consoles behind; its first {many} are forgotten"
            self.publish(events.Suspicion("too-many-identities", None, host, "", detail))
        return [console.vm for console in forgotten]

    def _zone(self, zone: str) -> Names:
        return self._names.setdefault(zone, Names())

    def _publish_renames(self, changes: Iterable[tuple[Vm, str]]) -> None:
        for vm, old in changes:
            if old:
                for console in vm.consoles.values():
                    self.publish(events.Renamed(console.ref, old, vm.claimed_name))

    def publish(self, event: events.Event) -> None:
        """Pass `event` to all subscribers."""
        self._context.events.publish(event)

    # Operators look for consoles

    def resolve(
        self, typed: str, may_read: Callable[[Console], bool], whole: bool = False
    ) -> Resolution:
        """The console that `typed` means (contract); what `may_read` denies does not exist.
        `whole`: it is neither a prefix nor a pattern.
        """
        return self._lookup.resolve(typed, may_read, whole)


def _copy_key(identity: Identity, uuid: str, name: str) -> tuple[str, ...]:
    return identity.zone, identity.kind, uuid, name
