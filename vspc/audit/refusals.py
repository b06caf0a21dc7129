"""What was turned away lately: VMs and logins, each with what to write if it should not be."""

from collections import OrderedDict
from collections.abc import Callable, Sequence

from attrs import evolve

from vspc.audit.values import bounded
from vspc.common.text import safe
from vspc.console.audit import TurnedAway
from vspc.net.limits import crowd

LATEST = 1000
"""Refusals that are kept; repetitions of the same count once."""

OF_ONE = 64
"""Of these, those of one address: it cannot push all others out."""

HINT = 4096
"""Characters of a line of a hint: an RSA key is long."""

_Key = tuple[str, str, str, str, str]


class RecentRefusals:
    """The last ones. `wall` gives seconds since 1970."""

    def __init__(self, wall: Callable[[], float]) -> None:
        self._wall = wall
        self._kept: OrderedDict[_Key, TurnedAway] = OrderedDict()
        self._of: dict[str, OrderedDict[_Key, None]] = {}  # by neighbourhood, oldest first

    def add(
        self, what: str, address: str, name: str, reason: str, *hint: str, vm_name: str = ""
    ) -> None:
        """One more; `hint` is lines, `vm_name` what a VM said its name is."""
        address, name, reason = bounded(address), bounded(name), bounded(reason)
        key, now = (what, address, name, reason, bounded(vm_name)), self._wall()
        lines = "\n".join(_line(each) for each in hint)
        known = self._kept.pop(key, None)
        if known is not None:
            self._kept[key] = evolve(known, hint=lines, last=now, count=known.count + 1)
            self._of[crowd(address)].move_to_end(key)
            return
        neighbours = self._of.get(crowd(address), ())
        if len(neighbours) >= OF_ONE:
            self._drop(next(iter(neighbours)))
        elif len(self._kept) >= LATEST:
            self._drop(next(iter(self._kept)))
        self._kept[key] = TurnedAway(*key[:4], lines, now, now, vm_name=key[4])
        self._of.setdefault(crowd(address), OrderedDict())[key] = None

    def take_back(self, what: str, address: str, name: str, reason: str) -> None:
        """It was none in the end: once less."""
        key = (what, bounded(address), bounded(name), bounded(reason), "")
        known = self._kept.get(key)
        if known is None:
            return
        if known.count > 1:
            self._kept[key] = evolve(known, count=known.count - 1)
        else:
            self._drop(key)

    def _drop(self, key: _Key) -> None:
        del self._kept[key]
        neighbours = self._of[crowd(key[1])]
        del neighbours[key]
        if not neighbours:
            del self._of[crowd(key[1])]

    def latest(self) -> Sequence[TurnedAway]:
        """The last one last."""
        return tuple(self._kept.values())


def _line(text: str) -> str:
    """As it is where it is one line, so that it can be pasted; made safe otherwise."""
    return text if text.isprintable() and len(text) <= HINT else safe(text, HINT)
