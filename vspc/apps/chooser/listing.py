"""All consoles as rows, for all choosers of a server: a row is made anew when something happened on
its console, so that a list of ten thousand costs little each time.
"""

import re
from collections.abc import Callable, Sequence
from operator import attrgetter

from attrs import frozen

from vspc.apps.chooser.row import Row
from vspc.apps.describe import description, place, readers, state_word
from vspc.apps.verbs.context import VerbContext, handle_of
from vspc.common.text import safe
from vspc.console.access import Subject
from vspc.console.console import Console, ConsoleState
from vspc.console.descriptions import LENGTH
from vspc.console.events import Appeared, ConsoleRef, Event, Forgotten, Renamed, RulesChanged
from vspc.console.names import name_order

# A name that is its own handle.
_PLAIN = re.compile(r"[A-Za-z0-9._][A-Za-z0-9._~-]*")


@frozen(eq=False)
class ListedConsole:
    """A console with its row; `order` is its place in reading order, of those alike in state."""

    console: Console
    row: Row
    order: str
    subject: Subject
    is_away: bool


class ConsoleRows:
    """Of the consoles of one roster, by what its events say."""

    def __init__(self, context: VerbContext) -> None:
        self._context = context
        self._listed: dict[str, ListedConsole] = {}
        self._stale: dict[str, None] = {}
        # Those whose rows change without an event: they say when they are dialled again.
        self._restless: set[str] = set()
        self.version = 0
        """It changes when consoles come and go, are renamed, or rights change."""
        context.events.subscribe(self._happened)
        for console in context.roster:
            self._stale[console.id] = None

    def _happened(self, event: Event) -> None:
        console = _about(event)
        if isinstance(event, RulesChanged | Appeared | Forgotten | Renamed):
            self.version += 1
        if console is None:
            return
        self._stale[console.id] = None
        if isinstance(event, Appeared | Forgotten):
            found = self._context.roster.get(console.id)
            if found is not None:  # with one port more or less, all are called otherwise
                self._stale |= dict.fromkeys(each.id for each in found.vm.consoles.values())
        if isinstance(event, Appeared):  # one after the other, not all for the first list
            self._renew(console.id)

    def all(self) -> dict[str, ListedConsole]:
        """All there are now, by their ids."""
        for console_id in [*self._stale, *self._restless]:
            self._renew(console_id)
        return self._listed

    def _renew(self, console_id: str) -> None:
        self._stale.pop(console_id, None)
        self._restless.discard(console_id)
        console = self._context.roster.get(console_id)
        if console is None:
            if self._listed.pop(console_id, None) is not None:
                self.version += 1
            return
        before = self._listed.get(console_id)
        found = self._listed[console_id] = _listed(console, self._context.clock.wall())
        if before is None or before.row.name != found.row.name:
            self.version += 1
        if console.dial_uri or console.remote is not None:
            self._restless.add(console_id)


def _about(event: Event) -> ConsoleRef | None:
    """The console that `event` is about, if it is about one."""
    attachment = getattr(event, "attachment", None)
    console = getattr(event if attachment is None else attachment, "console", None)
    return console if isinstance(console, ConsoleRef) else None


def _listed(console: Console, now: float) -> ListedConsole:
    title, port, writer = console.title, console.port, console.pen.holder
    row = Row(
        handle=title if _PLAIN.fullmatch(title) else handle_of(console),
        name=title,
        state=state_word(console),
        writer=writer.operator.name if writer is not None else None,
        readers=len(readers(console)) if console.attachments else 0,
        address=place(console, now),
        key=console,
        speaker=console.link,
        zone=console.vm.zone,
        port="" if port is None else str(port),
        description=description(console),
        note=safe(console.text.note, LENGTH),
    )
    away = console.state is ConsoleState.AWAY
    return ListedConsole(console, row, name_order(console), console.subject, away)


class Readable:
    """Those that one operator may read, in reading order; asked again and again."""

    def __init__(self, rows: ConsoleRows, may_read: Callable[[Subject], bool]) -> None:
        self._rows = rows
        self._may_read = may_read
        self._ids: Sequence[str] = ()
        self._version = -1
        self.count = 0
        """Consoles there are, those that may not be read included, without quarantined lines."""

    def now(self) -> list[Row]:
        """Their rows, those that are away last."""
        listed = self._rows.all()
        if self._version != self._rows.version:
            self._version = self._rows.version
            may_read = self._may_read
            found = [each for each in listed.values() if may_read(each.subject)]
            found.sort(key=attrgetter("order"))
            self._ids = [each.console.id for each in found]
            self.count = sum(not each.console.quarantined for each in listed.values())
        mine = [listed[each] for each in self._ids]
        away = [each.row for each in mine if each.is_away]
        if not away:
            return [each.row for each in mine]
        return [each.row for each in mine if not each.is_away] + away
