"""The consoles that have numbers of their own: those that `[metrics] per_console` names."""

from collections.abc import Callable, Iterator
from itertools import islice

from vspc.console.access import matches
from vspc.console.console import Console
from vspc.console.events import Appeared, Event, Forgotten, Renamed
from vspc.console.roster import Roster

CONSOLES = 1000
"""Consoles with numbers of their own; others are counted in `left_out`."""


class ConsoleSelection:
    """Kept by events, so that nothing is matched when somebody asks. Quarantined lines are none."""

    def __init__(self, roster: Roster, patterns: Callable[[], tuple[str, ...]]) -> None:
        """`patterns` are those in force; call `renew` when they are others."""
        self._roster = roster
        self._patterns = patterns
        self._ids: dict[str, None] = {}

    def renew(self) -> None:
        """Match all consoles again."""
        self._ids.clear()
        if self._patterns():
            for console in self._roster:
                self._match(console.id)

    EVENTS = (Appeared, Renamed, Forgotten)
    """Those that `on_event` needs."""

    def on_event(self, event: Event) -> None:
        """A console has appeared, has another name, or is gone."""
        match event:
            case Appeared(console) | Renamed(console) if self._patterns():
                self._match(console.id)
            case Forgotten(console):
                self._ids.pop(console.id, None)

    def _match(self, console_id: str) -> None:
        console = self._roster.get(console_id)
        if console is None or console.quarantined:
            return
        subject = console.subject
        if any(matches(pattern, subject) for pattern in self._patterns()):
            self._ids[console_id] = None
        else:
            self._ids.pop(console_id, None)

    @property
    def left_out(self) -> int:
        """How many that match are over `CONSOLES`."""
        return max(0, len(self._ids) - CONSOLES)

    def __iter__(self) -> Iterator[Console]:
        found = (self._roster.get(console_id) for console_id in islice(self._ids, CONSOLES))
        return (console for console in found if console is not None)
