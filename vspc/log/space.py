"""How much the logs may take: sizes, ages, the space that stays free, and how many there are."""

import time
from collections.abc import Callable
from pathlib import Path

from attrs import define, field

from vspc.common.files import Disk
from vspc.common.values import written_size
from vspc.config.settings import LogPolicy, LogSettings
from vspc.console import events
from vspc.console.access import Subject, matches
from vspc.console.events import Event
from vspc.log.console_log import ConsoleLog
from vspc.log.limits import Retained, RetainedPiece, RetentionLimits, leaving
from vspc.log.store import Store

LOOK = 1.0
"""Seconds between two looks at the free space."""

AWAY = 20_000
"""Logs of consoles without a line; over it the longest silent one is deleted."""


@define(eq=False)
class Space:
    """Decides in the log's thread; is notified in the reactor's of consoles that come and go."""

    root: Path
    disk: Disk
    settings: LogSettings
    forgotten: Callable[[str], None]  # the log of that console is deleted
    now: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    away: int = AWAY
    _live: set[bytes] = field(factory=set, init=False)
    _looked: float = field(default=-1e9, init=False)
    _short: str | None = field(default=None, init=False)

    def heard(self, event: Event) -> None:
        """Which consoles are connected; in the reactor's thread."""
        match event:
            case events.Connected(console) if not console.quarantined:  # one that has a log
                self._live.add(bytes.fromhex(console.id))
            case events.WentAway(console) | events.Forgotten(console):
                self._live.discard(bytes.fromhex(console.id))

    def reload(self, settings: LogSettings) -> None:
        """Other limits."""
        self.settings = settings
        self._looked = -1e9

    # In the log's thread

    def tidy(self, store: Store) -> None:
        """Delete what is too old or too much. Raises OSError."""
        journal = sum(path.stat().st_size for path in store.journal.files())
        total = max(0, self.settings.max_total - journal)
        self._move_old(store)
        if self._is_due(store, total):
            self._evict(store, total)
        self._forget_away(store)

    def _move_old(self, store: Store) -> None:
        """Only what is in a segment can be deleted: what has not moved there gets old, too."""
        for log in store.logs.values():
            if log.pending and log.pending[0].at < self._oldest(log) * 1e6:
                store.move(log)

    def _oldest(self, log: ConsoleLog) -> float:
        policy = self._policy(log)
        keep = self.settings.keep if policy is None or policy.keep is None else policy.keep
        return self.wall() - keep

    def _is_due(self, store: Store, total: int) -> bool:
        """Whether anything is too old or too much: the whole table costs more than this look."""
        if self.settings.policy:
            return True
        oldest = (self.wall() - self.settings.keep) * 1e6
        size = 0
        for log in store.logs.values():
            mine = log.on_disk
            size += mine
            if mine > self.settings.max_console or size > total:
                return True
            if log.segments and log.segments[0].last < oldest:
                return True
        return False

    def _evict(self, store: Store, total: int, room: int = 0) -> None:
        logs = {c: self._kept(c) for c in store.logs.values() if c.segments}
        limits = RetentionLimits(self.settings.max_console, total, self.settings.keep)
        for log, count in leaving(logs, limits, self.wall(), room).items():
            if count:
                store.evict(log, count)

    def _kept(self, log: ConsoleLog) -> Retained:
        policy = self._policy(log)
        pieces = tuple(
            RetainedPiece(s.on_disk, s.first / 1e6, s.last / 1e6, s.closed) for s in log.segments
        )
        if policy is None:
            return Retained(pieces)
        return Retained(pieces, policy.max, policy.keep)

    def _policy(self, log: ConsoleLog) -> LogPolicy | None:
        if not self.settings.policy:
            return None
        facts = log.facts
        subject = Subject(
            str(facts.get("said_name", "")), str(facts.get("zone", "")), facts.get("uuid")
        )
        return first_policy(self.settings.policy, subject)

    def _forget_away(self, store: Store) -> None:
        if len(store.logs) <= self.away:
            return
        away = [c for c in store.logs.values() if c.id not in self._live]
        away.sort(key=lambda log: log.last)
        gone = away[: max(0, len(away) - self.away)]
        if gone:
            store.forget(*(log.id for log in gone))
        for log in gone:
            self.forgotten(log.name)

    def shortage(self, store: Store) -> str | None:
        """Why nothing may be written now, or None. Makes room before it refuses."""
        if self.now() < self._looked + LOOK:
            return self._short
        self._looked = self.now()
        missing = self._missing()
        if missing > 0:
            self._evict(store, self.settings.max_total, missing)
            missing = self._missing()
        floor = self.settings.free_floor
        wanted = f"{written_size(floor.size)} or {floor.percent:g} %"
        short = f"less than free_floor ({wanted}) is free on the disk"
        self._short = short if missing > 0 else None
        return self._short

    def _missing(self) -> int:
        free, disk = self.disk.free(self.root)
        return self.settings.free_floor.of(disk) - free


def first_policy(policies: tuple[LogPolicy, ...], subject: Subject) -> LogPolicy | None:
    """The first policy whose consoles match."""
    return next(
        (p for p in policies if any(matches(pattern, subject) for pattern in p.consoles)), None
    )
