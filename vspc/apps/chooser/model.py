"""What a chooser holds: consoles in sections, a filter, an order, marks, a selection. Pure: no
terminal, no clock.
"""

from collections.abc import Callable, Sequence
from enum import Enum
from operator import attrgetter

from attrs import define, field, frozen

from vspc.apps.chooser.filters import FILTER_LIMIT, matching
from vspc.apps.chooser.row import NO_WRITER, Left, Row

ALL = "all"
"""The section that has every console."""

NEAR = 64
"""Rows above and below the selected one, among which it is looked for first in a new list."""


class Order(Enum):
    """What a list is sorted by; rows that are equal in it stay in reading order."""

    NAME = "name"
    STATE = "state"
    OUTPUT = "output"
    WRITER = "writer"
    ADDRESS = "address"

    @property
    def following(self) -> "Order":
        """The next one, after the last the first."""
        every = list(Order)
        return every[(every.index(self) + 1) % len(every)]


def _silence(row: Row) -> float:
    last = row.output.last_output
    return float("inf") if last is None else -last


_KEYS: dict[Order, Callable[[Row], object]] = {
    Order.STATE: attrgetter("state"),
    Order.OUTPUT: _silence,
    Order.WRITER: lambda row: _LAST if row.writer == NO_WRITER else row.writer,
    Order.ADDRESS: lambda row: row.address or _LAST,
}

_LAST = "\U0010ffff"
"""Comes behind any text."""


def ordered(rows: Sequence[Row], order: Order, is_reversed: bool) -> Sequence[Row]:
    """`rows`, which come in reading order, in another; the latest output is first."""
    key = _KEYS.get(order)
    found = rows if key is None else sorted(rows, key=key)  # type: ignore[arg-type]
    return list(reversed(found)) if is_reversed else found


@frozen
class Section:
    """A part of the list with a title: `pick` gives its rows, as they were when the list was made,
    in reading order; with `is_ordered` in another.
    """

    title: str
    pick: Callable[[], Sequence[Row]]
    is_ordered: bool = False


@frozen
class ViewState:
    """How an operator looks at the list, beside the filter."""

    section: str = ALL
    order: Order = Order.NAME
    is_reversed: bool = False
    marks: frozenset[object] = frozenset()
    preview: bool = False


@frozen
class Visit:
    """Where an operator was: the console selected, the filter and the view at that time."""

    row: Row | None
    text: str = ""
    view: ViewState = ViewState()


@frozen
class Watch:
    """The operator wishes to watch these."""

    rows: Sequence[Row]


@frozen
class Broadcast:
    """The operator wishes to type `text` and Enter on these."""

    rows: Sequence[Row]
    text: str


Decision = Row | Watch | Broadcast
"""What a chooser ends with, if it is not left."""

Outcome = Decision | Left | None
"""What a key has decided; None: nothing yet."""


@define
class Choice:
    """The list, the filter and the selection.

    The selection stays on its console while the list changes around it. Until it has been moved, a
    filter puts it on the best match: a name that begins so, else one that has it, else the first.
    The name itself is selected in any case.

    After a visit it is on the console that was visited, and the filter is as it was. That console
    is shown, even if the filter no longer matches it, until the filter is changed.
    """

    entries: Sequence[Row] = ()
    """Those of the section, in their order."""
    text: str = ""
    gone: str | None = None
    """The selected console if it has just left the list; Enter does not select its successor."""
    section: str = ALL
    order: Order = Order.NAME
    is_reversed: bool = False
    marks: set[object] = field(factory=set)
    """Keys of the rows that are marked, all of them among `rows`."""
    rows: Sequence[Row] = ()
    """All, in reading order."""
    _sections: Sequence[Section] = ()
    _visit: Visit | None = None
    _awaited: Row | None = None  # the visited console, before there is a list to find it in
    _pinned: object = None
    _shown: Sequence[Row] = ()
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
            view = visit.view
            choice.text, choice.section, choice.order = visit.text, view.section, view.order
            choice.is_reversed, choice.marks = view.is_reversed, set(view.marks)
            choice._return_to(visit)
        return choice

    def begin_again(self) -> None:
        """Without a filter, on the console that was visited: later keys were for that console."""
        self.text, self.gone, self._top, self._at = "", None, 0, 0
        if self._visit is not None:
            self._return_to(self._visit)
        self._show()

    def _return_to(self, visit: Visit) -> None:
        if visit.row is not None:
            self._awaited, self._pinned, self._moved = visit.row, visit.row.key, True

    @property
    def shown(self) -> Sequence[Row]:
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
    def selected(self) -> Row | None:
        """The entry that Enter takes; None if none matches."""
        shown = self.shown
        return shown[self._at] if shown else None

    @property
    def is_deliberate(self) -> bool:
        """Whether the operator has moved the selection, now or before a visit."""
        return self._moved

    def _held(self) -> Row | None:
        return self._shown[self._at] if self._shown else None

    def _place(self, held: Row | None) -> int | None:
        """Where the console of `held` is among the shown."""
        if held is None:
            return None
        key, shown = held.key, self._shown
        # First near where it was: a list of ten thousand has seldom changed much.
        near = range(max(0, self._at - NEAR), min(self._at + NEAR, len(shown)))
        found = next((i for i in near if shown[i].key == key), None)
        if found is None:
            found = next((i for i, each in enumerate(shown) if each.key == key), None)
        return found

    def _exact(self) -> int | None:
        """Where the console is whose whole name, or handle, the filter is."""
        wanted = self.text.casefold().strip()
        if "%" in wanted:  # only handles have it: names are shown with what is in them
            found = (i for i, e in enumerate(self._shown) if e.is_named(wanted))
        else:
            found = (i for i, e in enumerate(self._shown) if e.folded == wanted)
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

    def replace(self, rows: Sequence[Row], sections: Sequence[Section] = ()) -> None:
        """The list has changed: all rows in reading order, and the sections besides `ALL`."""
        held = self._awaited or self.selected
        self.rows, self._sections = rows, sections
        if self.marks:
            self.marks &= {row.key for row in rows}
        self._arrange()
        self._show(held)

    def _arrange(self) -> None:
        """Make `entries` of the rows."""
        section = next((each for each in self._sections if each.title == self.section), None)
        if section is None:
            self.section = ALL
            self.entries = ordered(self.rows, self.order, self.is_reversed)
            return
        found = section.pick()
        if section.is_ordered and self.order is Order.NAME:
            self.entries = list(reversed(found)) if self.is_reversed else found
        else:
            self.entries = ordered(found, self.order, self.is_reversed)

    def _show(self, held: Row | None = None) -> None:
        """Look for `held`, or for the console that was visited, among those that match now."""
        held = held or self._awaited
        self._stale = False
        self._shown = matching(self.entries, self.text, self._pinned)
        if not self.rows and self._awaited is not None:
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
        return self.selected

    # How it is looked at

    def look_at(self, section: str) -> None:
        """Another section, from its first row on."""
        self.section = section
        self._look_anew()

    def turn_to(self, step: int) -> None:
        """The next section, or the one before, that has a row; after the last the first."""
        titles = [ALL, *(each.title for each in self._sections)]
        at = titles.index(self.section) if self.section in titles else 0
        following = [titles[(at + n * step) % len(titles)] for n in range(1, len(titles) + 1)]
        self.look_at(next(each for each in (*following, ALL) if self.has_rows(each)))

    def has_rows(self, title: str) -> bool:
        """Whether a section has a row, or is `ALL`."""
        return title == ALL or any(s.pick() for s in self._sections if s.title == title)

    def sort_by(self, order: Order) -> None:
        """In another order."""
        self.order = order
        self._look_anew()

    def sort_on(self) -> None:
        """By the next order."""
        self.sort_by(self.order.following)

    def reverse(self) -> None:
        """The other way round."""
        self.is_reversed = not self.is_reversed
        self._look_anew()

    def _look_anew(self) -> None:
        self._arrange()
        self._pinned = self.gone = None
        self._moved, self._at, self._top = False, 0, 0
        self._shown, self._stale = (), True

    def view(self, preview: bool = False) -> ViewState:
        """How it is looked at now."""
        marks = frozenset(self.marks)
        return ViewState(self.section, self.order, self.is_reversed, marks, preview)

    # Marks

    def mark(self) -> None:
        """Mark the selected row, or take its mark away, and go to the next."""
        selected = self.selected
        if selected is not None:
            self.marks ^= {selected.key}
            self.move(1)

    def mark_all(self) -> None:
        """Mark all that match; take their marks away if all of them have one."""
        keys = {row.key for row in self.shown}
        self.marks = self.marks - keys if keys <= self.marks else self.marks | keys

    @property
    def marked(self) -> list[Row]:
        """The rows that are marked, in reading order, whether they are shown or not."""
        return [row for row in self.rows if row.key in self.marks] if self.marks else []

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

    def window(self, height: int) -> Sequence[Row]:
        """The entries that `height` rows show: the selected one is always among them."""
        shown = self.shown
        self._height = height
        top = min(max(self._top, self._at - height + 1), self._at)
        self._top = max(0, min(top, len(shown) - height))
        return shown[self._top : self._top + height]

    def beside(self) -> tuple[Row | None, Row | None]:
        """The rows before and behind those that `window` gave last."""
        shown, end = self.shown, self._top + self._height
        before = shown[self._top - 1] if self._top else None
        return before, shown[end] if end < len(shown) else None
