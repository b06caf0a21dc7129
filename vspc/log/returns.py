"""Why a VM's line went, where that is known: one that comes back for it has not booted."""

from collections.abc import Callable

from attrs import define, field

from vspc.console import events
from vspc.console.boots import LOST, RESTARTED
from vspc.console.events import HOST_CLOSED, ConsoleRef, Event
from vspc.console.logs import MarkerKind

STOPPED = "the server stopped"
"""Why lines go that are there when it does."""


@define(eq=False)
class Returns:
    """Which consoles have a line, and which lost theirs although their VMs went on, by id.

    `booted`: whether a console ever showed the beginning of a boot.
    """

    booted: Callable[[str], bool]
    _connected: dict[str, None] = field(factory=dict, init=False)
    _before: set[str] = field(factory=set, init=False)  # had a line when an earlier process ended
    _lost: dict[str, str] = field(factory=dict, init=False)  # the address of each

    def remember(self, console_id: str) -> None:
        """It had a line when an earlier process was stopped or killed."""
        self._before.add(console_id)

    def forget(self, console_id: str) -> None:
        """Nothing is known of it any more."""
        self._before.discard(console_id)
        self._lost.pop(console_id, None)

    @property
    def connected(self) -> list[str]:
        """The ids of those that have a line."""
        return list(self._connected)

    def heard(self, happening: Event) -> None:
        """Keep in mind what has happened; after `read`."""
        match happening:
            case events.Connected(console) | events.Replaced(console) | events.Moved(console) if (
                not console.quarantined
            ):
                self._connected[console.id] = None
                self.forget(console.id)
            case events.WentAway(console, reason):
                self._connected.pop(console.id, None)
                if reason != HOST_CLOSED:
                    self._lost[console.id] = console.address
            case events.Forgotten(console):
                self._connected.pop(console.id, None)
                self.forget(console.id)

    def read(self, happening: Event, kind: MarkerKind, text: str) -> tuple[MarkerKind, str]:
        """The marker of a new line: `kind` and `text`, unless its VM has only reconnected."""
        why = None
        match happening:
            case events.Connected(console):
                why = self._why(console, console.address)
            case events.Replaced(console, old, new) if old == new:
                why = LOST
            case events.Replaced(console):
                why = "" if self.booted(console.id) else None
        if kind is not MarkerKind.CONNECTED or why is None:
            return kind, text
        return MarkerKind.RECONNECTED, f"{text}, {why}" if why else text

    def _why(self, console: ConsoleRef, address: str) -> str | None:
        if console.id in self._before:
            return RESTARTED
        if self._lost.get(console.id) == address:
            return LOST
        return "" if self.booted(console.id) else None
