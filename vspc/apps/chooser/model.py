"""What a chooser holds: consoles, a filter, a selection. Pure: no terminal, no clock."""

from collections.abc import Callable, Mapping, Sequence
from enum import Enum, auto
from functools import cached_property
from types import MappingProxyType

from attrs import define, field, frozen

from vspc.common.text import ensure_safe

FILTER_LIMIT = 64
"""Characters of a filter; more are not taken."""

USUAL_STATE = "connected"
"""The state of nearly all consoles."""

NO_WRITER = "-"
"""In place of a writer where there is none."""


def _writer(name: str | None) -> str:
    return NO_WRITER if name is None else ensure_safe(name)


@frozen
class Row:
    """One console as a chooser shows it.

    `idle` is seconds since the last output, None if it never spoke; `key` is what makes it the same
    console in the next list, compared by equality. Text may be safe already, as titles of consoles
    are, or foreign: then it is made safe here. `writer` is `NO_WRITER` where there is none.
    """

    handle: str
    name: str = field(converter=ensure_safe)
    state: str = field(converter=ensure_safe)
    writer: str = field(converter=_writer)
    readers: int
    idle: float | None
    address: str = field(converter=ensure_safe)
    key: object

    @cached_property
    def folded(self) -> Mapping[str, str]:
        """What a filter looks into, without case; made once for each list, not for each key."""
        fields = ("name", "handle", "state", "writer", "address")
        return {each: getattr(self, each).casefold() for each in fields}

    def is_named(self, text: str) -> bool:
        """Whether `text`, without case, is the whole name or the handle."""
        return text in (self.folded["name"], self.folded["handle"])


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


def matching(entries: Sequence[Row], text: str, pinned: object = None) -> Sequence[Row]:
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
        if all(test(each) for test in tests) or (pinned is not None and each.key == pinned)
    ]


def _test(word: str) -> Callable[[Row], bool]:
    name, colon, value = word.partition(":")
    of_field = _FIELDS.get(name) if colon else None
    if of_field is not None:
        return lambda each: of_field(each, value)
    if "." in word or colon:
        return lambda each: word in each.folded["name"] or word in each.folded["address"]

    def test(each: Row) -> bool:
        folded = each.folded
        if word in folded["name"] or folded["writer"].startswith(word):
            return True
        # Nearly all are connected: the first letters of that would narrow nothing.
        state = folded["state"]
        return state.startswith(word) and (state != USUAL_STATE or word == USUAL_STATE)

    return test


_FIELDS: Mapping[str, Callable[[Row, str], bool]] = MappingProxyType(
    {
        "name": lambda each, value: value in each.folded["name"],
        "state": lambda each, value: each.folded["state"].startswith(value),
        "writer": lambda each, value: each.folded["writer"].startswith(value),
        "address": lambda each, value: value in each.folded["address"],
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

    entries: Sequence[Row] = ()
    text: str = ""
    gone: str | None = None
    """The selected console if it has just left the list; Enter does not select its successor."""
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
        key = held.key
        return next((i for i, each in enumerate(self._shown) if each.key == key), None)

    def _exact(self) -> int | None:
        """Where the console is whose whole name, or handle, the filter is."""
        wanted = self.text.casefold().strip()
        found = (i for i, e in enumerate(self._shown) if e.is_named(wanted))
        return next(found, None) if wanted else None

    def _best(self) -> int:
        wanted = self.text.casefold().strip()
        if not wanted:
            return 0
        has = None
        for i, each in enumerate(self._shown):
            if each.folded["name"].startswith(wanted):
                return i
            if has is None and wanted in each.folded["name"]:
                has = i
        return has or 0

    # The list

    def replace(self, rows: Sequence[Row]) -> None:
        """The list has changed."""
        held = self._awaited or self.selected
        self.entries = list(rows)
        self._show(held)

    def _show(self, held: Row | None = None) -> None:
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
        return self.selected

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
