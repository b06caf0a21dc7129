"""All consoles as rows, for all choosers of a server: a row is made anew when something happened on
its console, so that a list of ten thousand costs little each time.
"""

import re
from collections.abc import Callable, Iterable, Sequence, Set
from itertools import islice
from operator import attrgetter

from attrs import frozen

from vspc.apps.chooser.row import Row
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


@frozen(eq=False)
class ListedConsole:
    """A console with its row; `order` is its place in reading order, of those alike in state."""

    console: Console
    row: Row
    order: str
    subject: Subject
    is_away: bool


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
        self.version = 0
        """It changes when consoles come and go, or are renamed."""
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
            if self._listed.pop(console_id, None) is not None:
                self.version += 1
            for members in self._members.values():
                members.discard(console_id)
            return
        found = self._listed[console_id] = _listed(console, self._context.clock.wall(), before)
        if before is None or before.order != found.order or before.subject is not found.subject:
            self.version += 1
            for group, members in self._members.items():
                _sort_in(group, members, found)
        if console.dial_uri or console.remote is not None:
            self._restless.add(console_id)

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
    return ListedConsole(console, row, order, subject, console.state is ConsoleState.AWAY)


class Readable:
    """Those that one operator may read, in reading order; asked again and again."""

    def __init__(self, rows: ConsoleRows, may_read: Callable[[Subject], bool]) -> None:
        self._rows = rows
        self._may_read = may_read
        self._decided: dict[str, tuple[Subject, bool]] = {}
        self._ids: Sequence[str] = ()  # in order, whatever the state
        self._version = self._rules = -1
        self._shown: list[ListedConsole] = []
        self.count = 0
        """Consoles there are, those that may not be read included, without quarantined lines."""

    def now(self) -> list[Row]:
        """Their rows, those that are away last."""
        listed = self._rows.all()
        if self._rules != self._rows.rules:
            self._rules, self._version, self._decided = self._rows.rules, -1, {}
        if self._version != self._rows.version:
            self._version = self._rows.version
            self._sort(listed)
        mine = [listed[each] for each in self._ids]
        away = [each for each in mine if each.is_away]
        self._shown = [each for each in mine if not each.is_away] + away if away else mine
        return [each.row for each in self._shown]

    def _sort(self, listed: dict[str, ListedConsole]) -> None:
        # Those that were there first: what is sorted already is sorted fast.
        ids = (*(each for each in self._ids if each in listed), *listed)
        found = [listed[each] for each in dict.fromkeys(ids) if self._decide(listed[each])]
        found.sort(key=attrgetter("order"))
        self._ids = [each.console.id for each in found]
        self.count = sum(not each.console.quarantined for each in listed.values())
        if len(self._decided) > len(listed):
            self._decided = {each: self._decided[each] for each in listed}

    def _decide(self, each: ListedConsole) -> bool:
        known = self._decided.get(each.console.id)
        if known is None or known[0] is not each.subject:
            known = self._decided[each.console.id] = each.subject, self._may_read(each.subject)
        return known[1]

    def members(self, ids: Set[str]) -> list[Row]:
        """The rows of those of `ids` that `now` gave, in its order."""
        return [each.row for each in self._shown if each.console.id in ids] if ids else []

    def rows(self, ids: Sequence[str]) -> list[Row]:
        """The same in the order of `ids`."""
        wanted = set(ids)
        found = {each.console.id: each.row for each in self._shown if each.console.id in wanted}
        return [found[each] for each in ids if each in found]
