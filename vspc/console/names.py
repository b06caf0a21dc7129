"""Names: every VM is displayed under a unique one, and what an operator typed is resolved to a
console: `[ZONE/]NAME[:PORT]`, `uuid:HEX`, or an id.

A name belongs to the live VM that had it first; another of that name is shown and typed as
`web01~3f2a`. Lookups go exact, then without case, then unique prefix, then glob (contract), all by
indexes.
"""

import re
from bisect import bisect_left, insort
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from itertools import chain
from typing import Generic, TypeVar
from urllib.parse import quote, unquote

from attrs import define, field, frozen

from vspc.common.globs import is_glob, literal_start
from vspc.console.console import Console, ConsoleState, Vm
from vspc.console.identity import DEFAULT_ZONE

Member = TypeVar("Member", bound=Hashable)


class SmallSet(Generic[Member]):
    """A set that keeps the order in which its members came.

    With one member it takes 48 bytes, a quarter of what a dictionary does.
    """

    __slots__ = ("_more", "_one")

    def __init__(self) -> None:
        self._one: Member | None = None
        self._more: dict[Member, None] | None = None

    def add(self, member: Member) -> None:
        """`member` comes last, if it is not there."""
        if self._more is not None:
            self._more[member] = None
        elif self._one is None:
            self._one = member
        elif self._one != member:
            self._more = {self._one: None, member: None}
            self._one = None

    def discard(self, member: Member) -> None:
        """`member` is not there any more; it need not have been."""
        if self._more is None:
            if self._one == member:
                self._one = None
            return
        self._more.pop(member, None)
        if len(self._more) == 1:
            self._one, self._more = next(iter(self._more)), None

    def __contains__(self, member: object) -> bool:
        if self._more is not None:
            return member in self._more
        return self._one is not None and self._one == member

    def __iter__(self) -> Iterator[Member]:
        if self._more is not None:
            return iter(self._more)
        return iter(() if self._one is None else (self._one,))

    def __len__(self) -> int:
        return int(self._one is not None) if self._more is None else len(self._more)


_SAFE = "~._-"
"""What a handle may hold besides letters and digits: no shell sees anything in it inside a word."""


def handle(zone: str, name: str, port: str | int | None) -> str:
    """What to type for a console: ASCII, shell-safe; zone only where it is not the default one."""
    word = quote(name, safe=_SAFE, errors="surrogatepass")
    if word.startswith("~"):  # a shell would expand it
        word = "%7E" + word[1:]
    elif word.startswith("-"):  # a verb would read an option
        word = "%2D" + word[1:]
    if zone != DEFAULT_ZONE:
        word = f"{quote(zone, safe=_SAFE)}/{word}"
    return word if port is None else f"{word}:{quote(str(port), safe=_SAFE)}"


@define(eq=False)
class _Claimants:
    """The VMs that claim one name, in the order in which they came; and those with a line."""

    all: SmallSet[Vm] = field(factory=SmallSet)
    live: SmallSet[Vm] = field(factory=SmallSet)


Changes = list[tuple[Vm, str]]
"""VMs that are displayed under another name now, each with its old one."""


class Names:
    """The display names of all VMs of one zone. No call looks at more than three of them."""

    def __init__(self) -> None:
        self._claimants: dict[str, _Claimants] = {}
        self._displayed: dict[str, Vm] = {}
        self._folded: dict[str, SmallSet[Vm]] = {}
        self._sorted: list[str] = []  # the keys of _folded

    def add(self, vm: Vm) -> Changes:
        """`vm` claims its `claimed_name`."""
        self._claimants.setdefault(vm.claimed_name, _Claimants()).all.add(vm)
        return self.settle(vm)

    def revive(self, vm: Vm, name: str, live: bool) -> None:
        """`vm` claims its `claimed_name` and was displayed as `name` by another process."""
        claimants = self._claimants.setdefault(vm.claimed_name, _Claimants())
        claimants.all.add(vm)
        if live:
            claimants.live.add(vm)
        self._show(vm, name)

    def remove(self, vm: Vm) -> Changes:
        """`vm` gives its name up: it is forgotten, or about to be renamed."""
        claimants = self._claimants[vm.claimed_name]
        claimants.all.discard(vm)
        claimants.live.discard(vm)
        self._hide(vm)
        heir = self._owner(vm.claimed_name)
        if heir is not None:
            return self._display(heir, vm.claimed_name)
        if not claimants.all:
            del self._claimants[vm.claimed_name]
        return []

    def settle(self, vm: Vm) -> Changes:
        """Decide anew which VM has the name of `vm`: it is new, or got a line, or lost one."""
        name = vm.claimed_name
        claimants = self._claimants[name]
        if vm.live:
            claimants.live.add(vm)
        else:
            claimants.live.discard(vm)
        holder = self._displayed.get(name)
        owner = self._owner(name)
        changes: Changes = []
        # The loser steps back first, so that the name is free when its owner takes it.
        for loser in (holder, vm):
            if loser is not None and loser is not owner and loser in claimants.all:
                changes += self._display(loser, self._distinct(loser))
        return changes + (self._display(owner, name) if owner is not None else [])

    def _owner(self, name: str) -> Vm | None:
        claimants = self._claimants[name]
        holder = self._displayed.get(name)
        if holder is not None and holder not in claimants.all:
            return None  # the distinct name of another VM: it stays
        if holder is not None and (holder in claimants.live or not claimants.live):
            return holder
        return next(iter(claimants.live or claimants.all), None)

    def _distinct(self, vm: Vm) -> str:
        vm_id = vm.id
        for length in range(4, len(vm_id)):
            found = f"{vm.claimed_name}~{vm_id[:length]}"
            if self._displayed.get(found, vm) is vm and found not in self._claimants:
                return found
        return f"{vm.claimed_name}~{vm_id}"

    def _display(self, vm: Vm, name: str) -> Changes:
        if vm.name == name:
            return []
        old = vm.name
        self._hide(vm)
        self._show(vm, name)
        return [(vm, old)]

    def _show(self, vm: Vm, name: str) -> None:
        vm.name = name
        self._displayed[name] = vm
        folded = name.casefold()
        if folded == name:
            folded = name  # one object for both
        if folded not in self._folded:
            self._folded[folded] = SmallSet()
            insort(self._sorted, folded)
        self._folded[folded].add(vm)

    def _hide(self, vm: Vm) -> None:
        if not vm.name:
            return
        del self._displayed[vm.name]
        folded = vm.name.casefold()
        same = self._folded[folded]
        same.discard(vm)
        if not same:
            del self._folded[folded]
            del self._sorted[bisect_left(self._sorted, folded)]
        vm.name = ""

    def claimants(self, claimed_name: str) -> int:
        """How many VMs claim this name."""
        found = self._claimants.get(claimed_name)
        return len(found.all) if found is not None else 0

    def exact(self, name: str) -> Vm | None:
        """The VM displayed as `name`."""
        return self._displayed.get(name)

    def caseless(self, name: str) -> list[Vm]:
        """VMs displayed as `name` but for case."""
        return list(self._folded.get(name.casefold(), ()))

    def prefixed(self, prefix: str) -> Iterator[Vm]:
        """VMs whose displayed name begins with `prefix`, without case, in order."""
        folded = prefix.casefold()
        for at in range(bisect_left(self._sorted, folded), len(self._sorted)):
            if not self._sorted[at].startswith(folded):
                return
            yield from self._folded[self._sorted[at]]

    def globbed(self, pattern: str) -> Iterator[Vm]:
        """VMs whose displayed name matches `pattern`, without case, among those with its start."""
        folded = pattern.casefold()
        literal = literal_start(folded)
        for vm in self.prefixed(literal):
            if fnmatchcase(vm.name.casefold(), folded):
                yield vm


MATCHES = 20
"""Consoles that an ambiguous name is answered with."""


@frozen
class Found:
    """One console is meant."""

    console: Console


@frozen
class NotFound:
    """No console is meant, as far as the operator may know."""


@frozen
class Ambiguous:
    """Several are meant; at most `MATCHES` of them, sorted."""

    consoles: tuple[Console, ...]


Resolution = Found | NotFound | Ambiguous


@frozen
class Lookup:
    """The indexes in which names are looked up; `zone` gives the names of one zone."""

    by_id: Mapping[str, Console]
    by_uuid: Mapping[str, SmallSet[Vm]]
    names: Mapping[str, Names]
    quarantined: Mapping[str, Console]

    def resolve(
        self, typed: str, may_read: Callable[[Console], bool], whole: bool = False
    ) -> Resolution:
        """The console that `typed` means: `[ZONE/]NAME[:PORT]`, `uuid:HEX`, or an id (contract);
        with `whole` neither a prefix nor a pattern.

        What `may_read` denies does not exist. At each step a live console wins over away ones.
        """
        for step in self._steps(typed, whole):
            hits = [console for console in step if may_read(console)]
            if not hits:
                continue
            live = [console for console in hits if console.live]
            if len(hits) == 1 or len(live) == 1:
                return Found((live or hits)[0])
            hits.sort(key=reading_order)
            return Ambiguous(tuple(hits[:MATCHES]))
        return NotFound()

    def _steps(self, typed: str, whole: bool) -> Iterator[Iterable[Console]]:
        if typed.lower().startswith("uuid:"):
            wanted, _, label = typed[5:].partition(":")
            digits = wanted.replace("-", "").replace(" ", "").lower()
            # The VM that had the UUID first: a second claim does not change what a command means.
            for vm in self.by_uuid.get(digits, ()):
                yield [c for c in _ports((vm,), _decoded(label) if label else None) if c.live]
            yield _ports(self.by_uuid.get(digits, ()), _decoded(label) if label else None)
            return
        known = self.by_id.get(typed)
        if known is not None:
            yield [known]
        splits = [split for split in (self._with_port(typed), self._whole(typed)) if split[1]]
        # The second port of web01 and a VM called "web01:2" are both meant by that name.
        for look in (_exact, _caseless):
            yield chain.from_iterable(
                _ports(look(names, name), port) for names, name, port in splits
            )
        for look in () if whole else (_prefixed, _globbed):
            for names, name, port in splits:
                yield _ports(look(names, name), port)
        yield self._held(typed)

    def _held(self, typed: str) -> Iterable[Console]:
        """The quarantined line of the name `typed`, which needs neither zone nor port."""
        zone, slash, rest = typed.partition("/")
        for word in (typed, rest) if slash else (typed,):
            name, colon, port = word.rpartition(":")
            for of, label in ((word, None), *([(name, _decoded(port))] if colon else [])):
                held = self.quarantined.get(_decoded(of))
                if held is None or (label is not None and label != str(held.port)):
                    continue
                if word is typed or _decoded(zone) == held.vm.zone:
                    return (held,)
        return ()

    def _whole(self, typed: str) -> tuple[Names, str, str | None]:
        """Zone, name and port of what was typed, all of it being the name."""
        zone, slash, name = typed.partition("/")
        if slash and _decoded(zone) in self.names:
            return self.names[_decoded(zone)], name, None
        return self.names.get(DEFAULT_ZONE, _NO_NAMES), typed, None

    def _with_port(self, typed: str) -> tuple[Names, str, str | None]:
        """The same with what follows the last colon as the port; an empty name if there is none."""
        names, rest, _ = self._whole(typed)
        name, _, port = rest.rpartition(":")
        return names, name, _decoded(port)


_NO_NAMES = Names()
"""The names of a zone in which nothing was ever seen."""


def sort_key(console: Console) -> tuple[str, str, int]:
    """By name, then port, by code points (contract, `list --json`)."""
    return (console.name, console.label or "", console.number)


def reading_order(console: Console) -> tuple[bool, str]:
    """As people read a list: away ones last, then by name, numbers in it by their value, whatever
    the case; then zone and port.
    """
    return (console.state is ConsoleState.AWAY, name_order(console))


def name_order(console: Console) -> str:
    """The same without the state, as one text: it is compared often, and changes with the name."""
    name, label = console.name, console.label or ""
    parts = (natural(name), console.vm.zone, name, natural(label), f"{console.number:08}")
    return "\0".join(parts)


def natural(text: str) -> str:
    """What puts "web-2" before "web-10": each number has its length before it."""
    return _NUMBERS.sub(_weighed, text.casefold())


def _weighed(match: "re.Match[str]") -> str:
    digits = match[0].lstrip("0")
    return chr(min(len(digits), LONGEST_NUMBER)) + digits


LONGEST_NUMBER = 0x1F
"""Digits of a number that is compared by its value; a longer one is text."""

_NUMBERS = re.compile("([0-9]+)")


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
