"""All consoles as rows, for all choosers of a server: a row is made anew when something happened on
its console, so that a list of ten thousand costs little each time.
"""

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Sequence, Set
from itertools import islice
from operator import attrgetter

from attrs import evolve, frozen

from vspc.apps.chooser.columns import ListWidths, widest
from vspc.apps.chooser.pace import RefreshPace
from vspc.apps.chooser.row import Row, RowWidths
from vspc.apps.describe import description, place, readers, state_word, writers
from vspc.apps.verbs.context import VerbContext, handle_of
from vspc.common.clock import Cancellable
from vspc.common.text import safe
from vspc.console.access import Subject
from vspc.console.console import Console, ConsoleState
from vspc.console.descriptions import LENGTH
from vspc.console.events import Appeared, ConsoleRef, Event, Forgotten, RulesChanged
from vspc.console.groups import ConsoleGroup
from vspc.console.names import name_order

# A name that is its own handle.
_PLAIN = re.compile(r"[A-Za-z0-9._][A-Za-z0-9._~-]*")


SETTLING = 0.2
"""Seconds after an event until rows are made anew, if no list has asked for them before."""

SLICE = 64
"""Rows, or consoles looked at for a group, in one turn of the reactor."""

KNOWN_CHANGES = 1000
"""Changes of consoles that have gone, which a list can still ask for, beside one for each console;
a list that asks later is made anew."""

ANEW = 8
"""Lists are sorted anew if more than one part in so many has changed."""


@frozen(eq=False)
class ListedConsole:
    """A console with its row; `place` is the one in reading order, as text, which is compared
    faster than anything else: those that are away last, then by `order`, what `name_order` says.
    """

    console: Console
    row: Row
    order: str
    place: str
    subject: Subject

    def is_like(self, other: "ListedConsole") -> bool:
        """Whether lists need not be told that it is `other` now."""
        alike = self.place == other.place and self.subject is other.subject
        return alike and self.console is other.console and self.row == other.row


class Changes:
    """Which consoles have changed, by the number of the last change of each."""

    def __init__(self) -> None:
        self.count = 0
        """Changes there were."""
        self._last: dict[str, int] = {}  # the latest at the end
        self._known_from = 0

    def add(self, console_id: str, consoles: int) -> None:
        """One more; `consoles` is how many there are."""
        self.count += 1
        self._last.pop(console_id, None)
        if len(self._last) > consoles + KNOWN_CHANGES:
            self._last.clear()
            self._known_from = self.count - 1
        self._last[console_id] = self.count

    def since(self, count: int) -> list[str] | None:
        """The ids of those that have changed since there were `count`; None: that is too long ago
        to know.
        """
        if count < self._known_from:
            return None
        found = list[str]()
        for console_id in reversed(self._last):
            if self._last[console_id] <= count:
                break
            found.append(console_id)
        return found


class ConsoleRows:
    """Of the consoles of one roster, by what its events say.

    What is made anew is made in slices, before a list asks for it: the first list of ten thousand
    does not have to wait for all of them.
    """

    def __init__(self, context: VerbContext) -> None:
        self._context = context
        self._listed: dict[str, ListedConsole] = {}
        self._stale: dict[str, None] = dict.fromkeys(each.id for each in context.roster)
        # Those whose rows change without an event: they say when they are dialled again.
        self._restless: set[str] = set()
        self._members: dict[ConsoleGroup, set[str]] = {}
        self._unsorted: dict[ConsoleGroup, list[str]] = {}  # consoles not looked at for a group yet
        self._settling: Cancellable | None = None
        self.changes = Changes()
        """Of rows, of consoles that come and that go."""
        self._quarantined = 0
        self.pace = RefreshPace()
        """That of all lists."""
        self.rules = 0
        """It changes when rights may have."""
        context.events.subscribe(self._happened)

    def _happened(self, event: Event) -> None:
        if isinstance(event, RulesChanged):
            self.rules += 1
            self._members, self._unsorted = {}, {}
        console = _about(event)
        if console is None:
            return
        self._stale[console.id] = None
        if isinstance(event, Appeared | Forgotten):
            found = self._context.roster.get(console.id)
            if found is not None:  # with one port more or less, all are called otherwise
                self._stale |= dict.fromkeys(each.id for each in found.vm.consoles.values())
        self._settle_in(SETTLING)

    # In slices

    def _settle_in(self, delay: float) -> None:
        if self._settling is None:
            self._settling = self._context.clock.call_later(delay, self._settle)

    def _settle(self) -> None:
        self._settling = None
        for console_id in list(islice(self._stale, SLICE)):
            self._renew(console_id)
        group = next(iter(self._unsorted), None)
        if group is not None and not self._stale:
            self._look_for(group, SLICE)
        if self._stale or self._unsorted:
            self._settle_in(0)

    # Rows

    @property
    def count(self) -> int:
        """Rows there are, without those of quarantined lines."""
        return len(self._listed) - self._quarantined

    def all(self) -> dict[str, ListedConsole]:
        """All there are now, by their ids."""
        for console_id in [*self._stale, *self._restless]:
            self._renew(console_id)
        return self._listed

    def _renew(self, console_id: str) -> None:
        self._stale.pop(console_id, None)
        self._restless.discard(console_id)
        console, before = self._context.roster.get(console_id), self._listed.get(console_id)
        if console is None:
            if before is not None:
                self._put(console_id, before, None)
            return
        found = _listed(console, self._context.clock.wall(), before)
        if before is None or not before.is_like(found):
            self._put(console_id, before, found)
        if console.dial_uri or console.remote is not None:
            self._restless.add(console_id)

    def _put(
        self, console_id: str, before: ListedConsole | None, found: ListedConsole | None
    ) -> None:
        if before is not None:
            self._quarantined -= before.console.quarantined
            del self._listed[console_id]
        if found is not None:
            self._quarantined += found.console.quarantined
            self._listed[console_id] = found
        self.changes.add(console_id, len(self._listed))
        for group, members in self._members.items():
            if found is None:
                members.discard(console_id)
            elif before is None or before.subject is not found.subject:
                _sort_in(group, members, found)

    # Groups

    def prepare(self, groups: Iterable[ConsoleGroup]) -> None:
        """Look which consoles are in `groups`, before `members` is asked for them."""
        for group in groups:
            if group not in self._members:
                self._members[group] = set()
                self._unsorted[group] = list(self._listed)
                self._settle_in(0)

    def members(self, group: ConsoleGroup) -> Set[str]:
        """The ids of the consoles in `group`, whoever may read them."""
        self.prepare((group,))
        while group in self._unsorted:
            self._look_for(group, SLICE)
        return self._members[group]

    def _look_for(self, group: ConsoleGroup, count: int) -> None:
        ids, members = self._unsorted[group], self._members[group]
        for console_id in ids[-count:]:
            found = self._listed.get(console_id)
            if found is not None:
                _sort_in(group, members, found)
        del ids[-count:]
        if not ids:
            del self._unsorted[group]


def _sort_in(group: ConsoleGroup, members: set[str], found: ListedConsole) -> None:
    if group.has(found.subject):
        members.add(found.console.id)
    else:
        members.discard(found.console.id)


def _about(event: Event) -> ConsoleRef | None:
    """The console that `event` is about, if it is about one."""
    attachment = getattr(event, "attachment", None)
    console = getattr(event if attachment is None else attachment, "console", None)
    return console if isinstance(console, ConsoleRef) else None


def _listed(console: Console, now: float, before: ListedConsole | None) -> ListedConsole:
    title, port, lock, subject = console.title, console.port, console.pen.lock, console.subject
    if before is None or before.row.name != title or before.subject != subject:
        handle = title if _PLAIN.fullmatch(title) else handle_of(console)
        order = name_order(console)
    else:
        handle, order, subject = before.row.handle, before.order, before.subject
    row = Row(
        handle=handle,
        name=title,
        state=state_word(console),
        writer=",".join(writers(console)) or None,
        readers=len(readers(console)) if console.attachments else 0,
        address=place(console, now),
        key=console,
        output=console.link,
        zone=console.vm.zone,
        port="" if port is None else str(port),
        lock="" if lock is None else lock.long_text,
        description=description(console),
        note=safe(console.text.note, LENGTH),
    )
    is_away = console.state is ConsoleState.AWAY
    return ListedConsole(console, row, order, f"{is_away:d}{order}\0{console.id}", subject)


class Readable:
    """Those that one operator may read, in reading order; asked again and again, at a cost by what
    has changed. Of consoles that `sees_notes` denies, the row has no note.
    """

    def __init__(
        self,
        rows: ConsoleRows,
        may_read: Callable[[Subject], bool],
        sees_notes: Callable[[Subject], bool] = lambda _subject: True,
    ) -> None:
        self._rows = rows
        self._may_read = may_read
        self._sees_notes = sees_notes
        self._mine: dict[str, ListedConsole] = {}
        self._places: list[str] = []
        self._shown: list[Row] = []  # beside its place
        self._widths: Counter[RowWidths] = Counter()
        self._changes = self._rules = -1
        self.quarantined = 0
        """Those of quarantined lines."""

    @property
    def count(self) -> int:
        """Consoles there are, those that may not be read included, without quarantined lines."""
        return self._rows.count

    @property
    def widths(self) -> ListWidths:
        """What the columns need for what `now` gave."""
        return widest(self._widths)

    def now(self) -> Sequence[Row]:
        """Their rows, those that are away last; a list that stays as it is."""
        rows, listed = self._rows, self._rows.all()
        known = self._rules == rows.rules
        changed = rows.changes.since(self._changes) if known else None
        self._rules, self._changes = rows.rules, rows.changes.count
        if changed is None:
            self._mine, self._widths, self.quarantined = {}, Counter(), 0
        if changed is None or ANEW * len(changed) > len(listed):
            for each in listed if changed is None else changed:
                self._exchange(each, listed.get(each))
            self._sort()
        elif changed:
            self._shown = self._shown.copy()
            for each in changed:
                self._move(*self._exchange(each, listed.get(each)))
        return self._shown

    def _exchange(
        self, console_id: str, found: ListedConsole | None
    ) -> tuple[ListedConsole | None, ListedConsole | None]:
        """What was in the list of that console, and what is now."""
        before, after = self._mine.pop(console_id, None), None
        if found is not None and self._is_mine(found, before):
            after = self._mine[console_id] = self._as_shown(found)
        if before is None or after is None or before.row.widths != after.row.widths:
            self._count(before, -1)
            self._count(after, 1)
        return before, after

    def _is_mine(self, found: ListedConsole, before: ListedConsole | None) -> bool:
        is_known = before is not None and before.subject is found.subject
        return is_known or self._may_read(found.subject)

    def _count(self, each: ListedConsole | None, step: int) -> None:
        if each is None:
            return
        widths, counted = each.row.widths, self._widths
        counted[widths] += step
        if not counted[widths]:
            del counted[widths]
        self.quarantined += step * each.console.quarantined

    def _as_shown(self, found: ListedConsole) -> ListedConsole:
        if not found.row.note or self._sees_notes(found.subject):
            return found
        return evolve(found, row=evolve(found.row, note=""))

    def _sort(self) -> None:
        # What is sorted already, all but what has changed, is sorted fast.
        found = sorted(self._mine.values(), key=attrgetter("place"))
        self._places = [each.place for each in found]
        self._shown = [each.row for each in found]

    def _move(self, before: ListedConsole | None, after: ListedConsole | None) -> None:
        """One row, from where it was to where it is now."""
        if before is not None:
            at = bisect_left(self._places, before.place)
            if after is not None and after.place == before.place:
                self._shown[at] = after.row
                return
            del self._places[at], self._shown[at]
        if after is not None:
            at = bisect_left(self._places, after.place)
            self._places.insert(at, after.place)
            self._shown.insert(at, after.row)

    def members(self, ids: Set[str]) -> list[Row]:
        """The rows of those of `ids` that `now` gave, in its order."""
        found = [self._mine[each] for each in ids if each in self._mine]
        return [each.row for each in sorted(found, key=attrgetter("place"))]

    def rows(self, ids: Sequence[str]) -> list[Row]:
        """The same in the order of `ids`."""
        return [self._mine[each].row for each in ids if each in self._mine]
