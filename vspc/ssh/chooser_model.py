"""What a chooser chooses from: consoles, a filter, a selection. Pure: no terminal, no clock."""

from collections.abc import Sequence
from enum import Enum, auto

from attrs import define, frozen

from vspc.text import safe

FILTER_LIMIT = 64
"""Characters of a filter; more are not taken."""


@frozen
class Row:
    """One console as a chooser shows it.

    `idle` is seconds since the last output, None if it never spoke; `key` is what makes it the same
    console in the next list, compared by equality. Text may be foreign: it is made safe here.
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
    """The operator wants none of them."""

    LEFT = auto()


Outcome = Row | Left | None
"""What a key has decided; None: nothing yet."""


@frozen
class Entry:
    """A row with its name as shown, and what a filter looks into, without case."""

    row: Row
    name: str
    folded: str
    with_address: str


def entry(row: Row) -> Entry:
    """Made once for each list, not for each key."""
    name = safe(row.name)
    folded = name.casefold()
    return Entry(row, name, folded, f"{folded}\n{safe(row.address).casefold()}")


def matching(entries: Sequence[Entry], text: str) -> Sequence[Entry]:
    """The entries that have every word of `text` in their name, whatever the case.

    A word with a dot or colon may be in the address instead: a bare number would be in them all.
    """
    found = entries
    for word in dict.fromkeys(text.casefold().split()):
        if "." in word or ":" in word:
            found = [each for each in found if word in each.with_address]
        else:
            found = [each for each in found if word in each.folded]
    return found


@define
class Choice:
    """The filter and the selection.

    The selection stays on its console while the list changes around it. Until it has been moved, a
    filter puts it on the best match: the name itself, else a name that begins so, else the first.
    """

    entries: Sequence[Entry] = ()
    text: str = ""
    gone: str | None = None
    """The selected console that has just left the list; Enter does not take its successor."""
    _shown: Sequence[Entry] = ()
    _stale: bool = False  # the filter has changed since `_shown` was made
    _at: int = 0
    _moved: bool = False
    _top: int = 0
    _height: int = 1

    @property
    def shown(self) -> Sequence[Entry]:
        """The entries that match."""
        if self._stale:
            self._stale = False
            held = self._held()
            self._shown = matching(self.entries, self.text)
            place = self._place(held) if self._moved else None
            self._moved = place is not None
            self._at = self._best() if place is None else place
            self._top = 0
        return self._shown

    @property
    def selected(self) -> Entry | None:
        """The entry that Enter takes; None if none matches."""
        shown = self.shown
        return shown[self._at] if shown else None

    def _held(self) -> Entry | None:
        return self._shown[self._at] if self._shown else None

    def _place(self, held: Entry | None) -> int | None:
        """Where the console of `held` is among the shown."""
        if held is None:
            return None
        key = held.row.key
        return next((i for i, each in enumerate(self._shown) if each.row.key == key), None)

    def _best(self) -> int:
        wanted = self.text.casefold().strip()
        if not wanted:
            return 0
        begins = None
        for i, each in enumerate(self._shown):
            if each.folded == wanted:
                return i
            if each.folded.startswith(wanted):
                begins = i if begins is None else begins
        return begins or 0

    # The list

    def replace(self, rows: Sequence[Row]) -> None:
        """The list has changed."""
        held = self.selected
        self.entries = [entry(row) for row in rows]
        self._shown = matching(self.entries, self.text)
        place = self._place(held)
        if place is None:
            if held is not None:
                self.gone = held.name
            place = max(0, min(self._at, len(self._shown) - 1))
        if self._top:  # scrolled: what is looked at stays where it is
            self._top = max(0, self._top + place - self._at)
        self._at = place

    def take(self) -> Row | None:
        """What Enter means: the selected row, or None where it would be a surprise."""
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

    def window(self, height: int) -> Sequence[Entry]:
        """The entries that `height` rows show: the selected one is always among them."""
        shown = self.shown
        self._height = height
        top = min(max(self._top, self._at - height + 1), self._at)
        self._top = max(0, min(top, len(shown) - height))
        return shown[self._top : self._top + height]
