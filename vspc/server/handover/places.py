"""Where operators' terminals are, as records of the state: written when a terminal comes to a
console and when it leaves, and not when it shows something.

A process that ends in order writes how far each of them was, too. Of one that is killed the next
process takes that they had shown everything.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import count

from attrs import define, field

from vspc.console.attachment import AttachmentKind
from vspc.console.events import Attached, AttachmentRef, Detached, Event
from vspc.console.interruptions import INTERRUPTED, LATEST, Interruption
from vspc.server.handover.encoding import RecordKind, encode_interruption, text_key
from vspc.server.handover.state_file import Key

_TERMINAL = AttachmentKind.TERMINAL.value


@define(eq=False)
class TerminalPlaces:
    """At most `INTERRUPTED` of them. `changed` is called when `changes` has something; None: nobody
    writes, and whoever does later begins with `mark_all`.
    """

    changed: Callable[[], None] | None = field(default=None, init=False)
    _keys: dict[Interruption, Key] = field(factory=dict, init=False)
    # By session and console: terminals of one operator on one console are alike.
    _terminals: dict[tuple[str, str], list[Interruption]] = field(factory=dict, init=False)
    _marked: dict[Key, Interruption | None] = field(factory=dict, init=False)
    _numbers: Iterator[int] = field(factory=count, init=False)
    _is_settled: bool = field(default=False, init=False)

    EVENTS = (Attached, Detached)
    """Those that `on_event` needs."""

    def on_event(self, event: Event) -> None:
        """For `vspc.console.events.EventBus.subscribe`."""
        match event:
            case Attached(ref) if ref.kind == _TERMINAL and not self._is_settled:
                self._came(ref)
            case Detached(ref) if ref.kind == _TERMINAL and not self._is_settled:
                self._left(ref)

    def _came(self, ref: AttachmentRef) -> None:
        place = Interruption(ref.session.operator.name, ref.console.id, LATEST)
        if self.add(place):
            self._terminals.setdefault((ref.session.id, ref.console.id), []).append(place)

    def _left(self, ref: AttachmentRef) -> None:
        key = ref.session.id, ref.console.id
        places = self._terminals.get(key)
        if places:
            self.remove(places.pop())
            if not places:
                del self._terminals[key]

    def add(self, place: Interruption) -> bool:
        """One more; False if there are too many."""
        if len(self._keys) >= INTERRUPTED:
            return False
        key = text_key(RecordKind.INTERRUPTION, f"{next(self._numbers):05}")
        self._keys[place] = key
        self._mark(key, place)
        return True

    def remove(self, place: Interruption) -> None:
        """It is there no longer; twice is once."""
        key = self._keys.pop(place, None)
        if key is not None:
            self._mark(key, None)

    def _mark(self, key: Key, place: Interruption | None) -> None:
        if self.changed is not None:
            self._marked[key] = place
            self.changed()

    def settle(self, places: Iterable[Interruption]) -> None:
        """The process ends: it leaves `places` and no other, whoever comes and leaves now."""
        self._is_settled = True
        for each in list(self._keys):
            self.remove(each)
        for each in places:
            self.add(each)

    # Writing

    def changes(self) -> list[tuple[Key, bytes]]:
        """What has changed, as records; nothing has changed any more."""
        marked, self._marked = self._marked, {}
        return [
            (key, b"" if place is None else encode_interruption(place))
            for key, place in marked.items()
        ]

    def mark_all(self) -> None:
        """All of it is to be written."""
        self._marked = {key: place for place, key in self._keys.items()}
