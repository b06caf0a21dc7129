"""What a chooser holds: consoles, a filter, a selection. Pure: no terminal, no clock."""

from collections.abc import Callable, Mapping, Sequence
from enum import Enum, auto
from types import MappingProxyType

from attrs import define, frozen

from vspc.common.text import ensure_safe

FILTER_LIMIT = 64
"""Characters of a filter; more are not taken."""

USUAL_STATE = "connected"
"""The state of nearly all consoles."""

NO_WRITER = "-"
"""In place of a writer where there is none."""


@frozen
class Row:
    """One console as a chooser shows it.

    `idle` is seconds since the last output, None if it never spoke; `key` is what makes it the same
    console in the next list, compared by equality. Text may be safe already, as titles of consoles
    are, or foreign: then it is made safe here.
    """

    handle: str
    name: str
    state: str
    writer: str | None
    readers: int
    idle: float | None
    address: str
    key: object


class Left(Enum):
    """The operator leaves without a selection."""

    LEFT = auto()


Outcome = Row | Left | None
"""What a key has decided; None: nothing yet."""


@frozen
class Visit:
    """Where an operator was: the console selected, and the filter at that time."""

    row: Row
    text: str = ""


@frozen
class ChooserEntry:
    """A row with its name as shown, and what a filter looks into, without case."""

    row: Row
    name: str
    folded: str
    handle: str
    state: str
    writer: str
    address: str


def entry(row: Row) -> ChooserEntry:
    """Made once for each list, not for each key."""
    name = ensure_safe(row.name)
    writer = NO_WRITER if row.writer is None else ensure_safe(row.writer).casefold()
    return ChooserEntry(
        row,
        name,
        name.casefold(),
        row.handle.casefold(),
        row.state.casefold(),
        writer,
        ensure_safe(row.address).casefold(),
    )


def matching(
    entries: Sequence[ChooserEntry], text: str, pinned: object = None
) -> Sequence[ChooserEntry]:
    """The entries that match every word of `text`, whatever the case, and the one of the key
    `pinned`.

    A word is a part of the name, or the beginning of the state or of the writer's name; with a dot
    or colon it may be a part of the address: a bare number would be in them all. `state:`,
    `writer:`, `name:` and `address:` before it restrict it to one field; `writer:-` is no writer.
    """
    tests = [_test(word) for word in dict.fromkeys(text.casefold().split())]
    if not tests:
        return entries
    return [
        each
        for each in entries
        if all(test(each) for test in tests) or (pinned is not None and each.row.key == pinned)
    ]


def _test(word: str) -> Callable[[ChooserEntry], bool]:
    field, colon, value = word.partition(":")
    of_field = _FIELDS.get(field) if colon else None
    if of_field is not None:
        return lambda each: of_field(each, value)
    if "." in word or colon:
        return lambda each: word in each.folded or word in each.address

    def test(each: ChooserEntry) -> bool:
        if word in each.folded or each.writer.startswith(word):
            return True
        # Nearly all are connected: the first letters of that would narrow nothing.
        return each.state.startswith(word) and (each.state != USUAL_STATE or word == USUAL_STATE)

    return test


_FIELDS: Mapping[str, Callable[[ChooserEntry, str], bool]] = MappingProxyType(
    {
        "name": lambda each, value: value in each.folded,
        "state": lambda each, value: each.state.startswith(value),
        "writer": lambda each, value: each.writer.startswith(value),
        "address": lambda each, value: value in each.address,
    }
)


@define
class Choice:
    """The filter and the selection.

    The selection stays on its console while the list changes around it. Until it has been moved, a
    filter puts it on the best match: a name that begins so, else one that has it, else the first.
    The name itself is selected in any case.

    After a visit it is on the console that was visited, and the filter is as it was. That console
    is shown, even if the filter no longer matches it, until the filter is changed.
    """

    entries: Sequence[ChooserEntry] = ()
    text: str = ""
    gone: str | None = None
    """The selected console if it has just left the list; Enter does not select its successor."""
    _visit: Visit | None = None
    _awaited: ChooserEntry | None = (
        None  # the visited console, before there is a list to find it in
    )
    _pinned: object = None
    _shown: Sequence[ChooserEntry] = ()
    _stale: bool = False  # the filter has changed since `_shown` was made
    _at: int = 0
    _moved: bool = False
    _top: int = 0
    _height: int = 1

    @classmethod
    def after(cls, visit: Visit | None) -> "Choice":
        """One that goes on where a visit began."""
        choice = cls(visit=visit)
        if visit is not None:
            choice.text = visit.text
            choice._return_to(visit)
        return choice

    def begin_again(self) -> None:
        """Without a filter, on the console that was visited: later keys were for that console."""
        self.text, self.gone, self._top, self._at = "", None, 0, 0
        if self._visit is not None:
            self._return_to(self._visit)
        self._show()

    def _return_to(self, visit: Visit) -> None:
        self._awaited, self._pinned, self._moved = entry(visit.row), visit.row.key, True

    @property
    def shown(self) -> Sequence[ChooserEntry]:
        """The entries that match."""
        if self._stale:
            self._stale = False
            held = self._held()
            self._shown = matching(self.entries, self.text)
            exact = self._exact()
            place = self._place(held) if self._moved and exact is None else exact
            self._moved = self._moved and place is not None and exact is None
            self._at = self._best() if place is None else place
            self._top = 0
        return self._shown

    @property
    def selected(self) -> ChooserEntry | None:
        """The entry that Enter takes; None if none matches."""
        shown = self.shown
        return shown[self._at] if shown else None

    @property
    def is_deliberate(self) -> bool:
        """Whether the operator has moved the selection, now or before a visit."""
        return self._moved

    def _held(self) -> ChooserEntry | None:
        return self._shown[self._at] if self._shown else None

    def _place(self, held: ChooserEntry | None) -> int | None:
        """Where the console of `held` is among the shown."""
        if held is None:
            return None
        key = held.row.key
        return next((i for i, each in enumerate(self._shown) if each.row.key == key), None)

    def _exact(self) -> int | None:
        """Where the console is whose whole name, or handle, the filter is."""
        wanted = self.text.casefold().strip()
        found = (i for i, e in enumerate(self._shown) if wanted in (e.folded, e.handle))
        return next(found, None) if wanted else None

    def _best(self) -> int:
        wanted = self.text.casefold().strip()
        if not wanted:
            return 0
        has = None
        for i, each in enumerate(self._shown):
            if each.folded.startswith(wanted):
                return i
            if has is None and wanted in each.folded:
                has = i
        return has or 0

    # The list

    def replace(self, rows: Sequence[Row]) -> None:
        """The list has changed."""
        held = self._awaited or self.selected
        self.entries = [entry(row) for row in rows]
        self._show(held)

    def _show(self, held: ChooserEntry | None = None) -> None:
        """Look for `held`, or for the console that was visited, among those that match now."""
        held = held or self._awaited
        self._stale = False
        self._shown = matching(self.entries, self.text, self._pinned)
        if not self.entries and self._awaited is not None:
            return  # there is no list yet
        place = self._place(held)
        if place is None:
            if held is not None:
                self.gone = held.name
            place = max(0, min(self._at, len(self._shown) - 1))
        if self._top:  # scrolled: what is looked at stays where it is
            self._top = max(0, self._top + place - self._at)
        self._at, self._awaited = place, None

    def take(self) -> Row | None:
        """The row that Enter selects; None if the selection has just changed by itself."""
        if self.gone is not None:
            self.gone = None
            return None
        return self.selected.row if self.selected else None

    # The filter

    def type(self, character: str) -> None:
        """One more character; a filter does not begin with a space."""
        if self.text or character != " ":
            self._filter((self.text + character)[:FILTER_LIMIT])

    def erase(self) -> None:
        """The last character."""
        self._filter(self.text[:-1])

    def erase_word(self) -> None:
        """The last word."""
        kept = self.text.rstrip()
        self._filter(kept[: kept.rfind(" ") + 1])

    def clear(self) -> None:
        """All of it."""
        self._filter("")

    def _filter(self, text: str) -> None:
        self.gone = None
        if text != self.text:
            self.text = text
            self._pinned = None
            self._stale = True

    # The selection

    def move(self, rows: int) -> None:
        """Down by `rows`, up where negative; it stops at the ends."""
        last = len(self.shown) - 1
        self.gone = None
        self._moved = True
        self._at = max(0, min(self._at + rows, last))

    def page(self, pages: int) -> None:
        """A page is what `window` showed, less one row."""
        self.move(pages * max(1, self._height - 1))

    def first(self) -> None:
        """To the first match."""
        self.move(-len(self.shown))

    def last(self) -> None:
        """To the last match."""
        self.move(len(self.shown))

    def window(self, height: int) -> Sequence[ChooserEntry]:
        """The entries that `height` rows show: the selected one is always among them."""
        shown = self.shown
        self._height = height
        top = min(max(self._top, self._at - height + 1), self._at)
        self._top = max(0, min(top, len(shown) - height))
        return shown[self._top : self._top + height]
