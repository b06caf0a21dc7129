"""How much the logs may take: sizes, ages, the space that stays free, and how many there are."""

import time
from collections.abc import Callable
from pathlib import Path

from attrs import define, field

from vspc.config.classes import LogSettings
from vspc.console import happenings
from vspc.console.happenings import Happening
from vspc.log.disk import Disk
from vspc.log.store import Store

LOOK = 1.0
"""Seconds between two looks at the free space."""


@define(eq=False)
class Space:
    """Decides in the log's thread; hears in the reactor's which consoles are there."""

    root: Path
    disk: Disk
    settings: LogSettings
    now: Callable[[], float] = time.monotonic
    _live: set[bytes] = field(factory=set, init=False)
    _looked: float = field(default=-1e9, init=False)
    _short: str | None = field(default=None, init=False)

    def heard(self, happening: Happening) -> None:
        """Who is there; in the reactor's thread."""
        match happening:
            case happenings.Connected(console):
                self._live.add(bytes.fromhex(console.id))
            case happenings.WentAway(console) | happenings.Forgotten(console):
                self._live.discard(bytes.fromhex(console.id))

    def reload(self, settings: LogSettings) -> None:
        """Other limits."""
        self.settings = settings

    def tidy(self, store: Store) -> None:
        """Delete what is too much."""

    def shortage(self) -> str | None:
        """Why nothing may be written now, or None."""
        return None
