"""What an operator typed, and which console that is: `[ZONE/]NAME[:PORT]`, `uuid:HEX`, an id."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from urllib.parse import unquote

from attrs import frozen

from vspc.common.globs import is_glob
from vspc.console.console import Console, ConsoleState, Vm
from vspc.console.identity import DEFAULT_ZONE
from vspc.console.names import Few, Names

MATCHES = 20
"""Consoles that an ambiguous name is answered with."""


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


@frozen
class Lookup:
    """The indexes in which names are looked up; `zone` gives the names of one zone."""

    by_id: Mapping[str, Console]
    by_uuid: Mapping[str, Few[Vm]]
    names: Mapping[str, Names]
    quarantined: Mapping[str, Console]

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
            hits.sort(key=reading_order)
            return Ambiguous(tuple(hits[:MATCHES]))
        return NotFound()

    def _steps(self, typed: str) -> Iterator[Iterable[Console]]:
        if typed.lower().startswith("uuid:"):
            wanted, _, label = typed[5:].partition(":")
            digits = wanted.replace("-", "").replace(" ", "").lower()
            # The VM that had the UUID first: one that claims it too changes nobody's command.
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
        for look in (_prefixed, _globbed):
            for names, name, port in splits:
                yield _ports(look(names, name), port)
        yield self._held(typed)

    def _held(self, typed: str) -> Iterable[Console]:
        """The line that is kept apart under `typed`: its name alone is enough."""
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
        return self.names.get(DEFAULT_ZONE, _NOBODY), typed, None

    def _with_port(self, typed: str) -> tuple[Names, str, str | None]:
        """The same with what follows the last colon as the port; an empty name if there is none."""
        names, rest, _ = self._whole(typed)
        name, _, port = rest.rpartition(":")
        return names, name, _decoded(port)


_NOBODY = Names()
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
