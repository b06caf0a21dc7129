"""How much the logs may take: sizes, ages, the space that stays free, and how many there are.

Which segments have to go is decided from figures alone (`leaving`). Of a console always its oldest
go, so that a number says which.

Over the total, the console furthest over its fair share pays first: the share is the total by the
number of consoles that have a log. *Protected* are of each console its newest bytes, as many as
`PROTECTED` or as came in the last `RECENT` seconds, if that is more, and at most its share. A
console within its share loses nothing protected to others, so that one flooding guest does not
delete the history of others; one over its share may lose a whole piece of which a part was
protected. The total wins all the same: while there is more, some console is over its share.
"""

import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from heapq import heapify, heappop, heappush
from pathlib import Path
from typing import TypeVar

from attrs import define, field, frozen

from vspc.common.clock import DOUBT, DeletionClock
from vspc.common.files import Disk
from vspc.common.memory import give_back_freed_memory
from vspc.common.values import written_size
from vspc.config.settings import LogPolicy, LogSettings
from vspc.console import events
from vspc.console.access import Subject, matches
from vspc.console.events import Event
from vspc.log.console_log import ConsoleLog
from vspc.log.store import Store
from vspc.log.writer import TIDY_INTERVAL, EventReporter

Key = TypeVar("Key", bound=Hashable)

PROTECTED = 4 * 1024 * 1024
"""Bytes of each console that others cannot take."""

RECENT = 24 * 3600.0
"""Seconds of each console that others cannot take."""


@frozen
class RetainedPiece:
    """A segment: bytes on disk, when its first and last byte came (seconds since 1970)."""

    size_on_disk: int
    first: float
    last: float
    closed: bool


@frozen
class RetentionLimits:
    """Of all: bytes of one console, bytes of all together, seconds."""

    max_console: int
    max_total: int
    keep: float


@frozen
class Retained:
    """What there is of one console, oldest first; the limits that are its own, or None."""

    pieces: Sequence[RetainedPiece]
    max_console: int | None = None
    keep: float | None = None


def leaving(
    logs: Mapping[Key, Retained], limits: RetentionLimits, now: float, room: int = 0
) -> dict[Key, int]:
    """How many of the oldest pieces of each console have to go, where any has to.

    `room` is how many bytes there should be less than now, for what is free on the disk; for it,
    too, nothing protected goes, so that it may be too much to ask. A piece that is not closed is
    named where nothing else may go: it is to be closed first, and if that does not make it small
    enough the next answer names it again. Takes n log n steps for n pieces.
    """
    states = {key: _State(kept.pieces) for key, kept in logs.items() if kept.pieces}
    if not states:
        return {}
    consoles = list(states.values())
    most = min(limits.max_total, sum(state.size for state in consoles) - max(0, room))
    share = limits.max_total / len(consoles)
    for key, state in states.items():
        _by_itself(state, logs[key], limits, now)
        state.share = share
        state.protected = min(share, max(PROTECTED, state.recent(now)))
    taken = _take(consoles, most, False)
    taken += _take(consoles, most, True)
    _give_back(consoles, taken, most)
    return {key: state.gone for key, state in states.items() if state.gone}


@define(eq=False)
class _State:
    """A console while it is decided: `gone` pieces go, `size` bytes stay."""

    pieces: Sequence[RetainedPiece]
    gone: int = field(default=0, init=False)
    size: int = field(init=False)
    share: float = field(default=0.0, init=False)
    protected: float = field(default=0.0, init=False)

    def __attrs_post_init__(self) -> None:
        self.size = sum(piece.size_on_disk for piece in self.pieces)

    @property
    def oldest(self) -> RetainedPiece | None:
        """The next that would go."""
        return self.pieces[self.gone] if self.gone < len(self.pieces) else None

    @property
    def given(self) -> int:
        """Bytes of the last that goes."""
        return self.pieces[self.gone - 1].size_on_disk

    def drop(self) -> int:
        """One more goes; its bytes."""
        self.gone += 1
        self.size -= self.given
        return self.given

    def restore(self) -> None:
        """The last stays after all."""
        self.size += self.given
        self.gone -= 1

    def recent(self, now: float) -> int:
        """Bytes of the last `RECENT` seconds."""
        return sum(
            piece.size_on_disk for piece in self.pieces[self.gone :] if piece.last >= now - RECENT
        )

    def can_pay(self, opened: bool) -> bool:
        """Whether others can take the next; `opened`: although it is not closed."""
        if (piece := self.oldest) is None or not (piece.closed or opened):
            return False
        return self.size > self.share or self.size - piece.size_on_disk >= self.protected


def _by_itself(state: _State, kept: Retained, limits: RetentionLimits, now: float) -> None:
    """What goes whatever the others have."""
    keep = limits.keep if kept.keep is None else kept.keep
    most = limits.max_console if kept.max_console is None else kept.max_console
    while (piece := state.oldest) is not None and (piece.last < now - keep or state.size > most):
        state.drop()


def _take(states: Sequence[_State], most: int, opened: bool) -> list[_State]:
    """Let pieces go until `most` bytes are left, or none may go. Whose they were, in order."""
    taken: list[_State] = []
    excess = sum(state.size for state in states) - most
    if excess <= 0:
        return taken
    heap = [(-state.size, at) for at, state in enumerate(states)]
    heapify(heap)
    while excess > 0 and heap:
        _, at = heappop(heap)
        state = states[at]
        if state.can_pay(opened):
            excess -= state.drop()
            taken.append(state)
            heappush(heap, (-state.size, at))
    return taken


def _give_back(states: Sequence[_State], taken: Sequence[_State], most: int) -> None:
    """Keep what went for nothing, because a larger one that went after it was enough."""
    spare = most - sum(state.size for state in states)
    settled: set[int] = set()
    for state in reversed(taken):
        if id(state) in settled:
            continue
        if state.given <= spare:
            spare -= state.given
            state.restore()
        else:
            settled.add(id(state))


FREED = 1024 * 1024
"""Bytes of quiet consoles that have moved, after which free memory goes back to the kernel; with
many consoles `FREED_EACH` for each: threads that want memory wait longer then.
"""

FREED_EACH = 1024
"""Bytes for each console that there is, moved or not."""

QUIET_MOVES = 50
"""Quiet consoles that are moved in a second on average, and in one go those of `TIDY_INTERVAL`."""

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
    report: EventReporter
    now: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    away: int = AWAY
    _live: set[bytes] = field(factory=set, init=False)
    _looked: float = field(default=-1e9, init=False)
    _short: str | None = field(default=None, init=False)
    _ages: DeletionClock = field(init=False)
    _doubted: bool = field(default=False, init=False)
    _freed: int = field(default=0, init=False)  # bytes of quiet consoles that moved
    _quieted: float = field(default=-1e9, init=False)  # when quiet consoles were looked for

    def handle(self, event: Event) -> None:
        """Which consoles are connected; in the reactor's thread."""
        match event:
            case events.Connected(console) | events.Continued(console) if (
                not console.quarantined
            ):  # one that has a log
                self._live.add(bytes.fromhex(console.id))
            case events.WentAway(console) | events.Forgotten(console):
                self._live.discard(bytes.fromhex(console.id))

    def reload(self, settings: LogSettings) -> None:
        """Other limits."""
        self.settings = settings
        self._looked = -1e9

    def begin(self, store: Store) -> None:
        """`store` has been loaded."""
        last = max((log.last for log in store.logs.values()), default=0) / 1e6
        self._ages = DeletionClock(self.now, self.wall, last or None)

    # In the log's thread

    def tidy(self, store: Store) -> None:
        """Delete what is too old or too much. Raises OSError."""
        journal = sum(path.stat().st_size for path in store.journal.files())
        total = max(0, self.settings.max_total - journal)
        now = self._time()
        self._move_old(store, now)
        self._free(store)
        if self._is_due(store, total, now):
            self._evict(store, total)
        self._forget_away(store)

    def _free(self, store: Store) -> None:
        """Of consoles that are quiet, what takes memory moves to segments; when that has been done
        the kernel gets it back, and what their histories have given back meanwhile. Of many that
        become quiet at once those of each look are moved, so that the log's thread stays free.
        """
        if self._freed >= max(FREED, FREED_EACH * len(store.logs)):
            give_back_freed_memory()
            self._freed = 0
        now = self.now()
        most = round(QUIET_MOVES * min(TIDY_INTERVAL, now - self._quieted))
        self._quieted = now
        self._freed += store.find_quiet(self.wall(), most)

    def _time(self) -> float:
        """By which ages are counted; tells when the time of day is not believed."""
        now, doubted = self._ages.time(), self._ages.doubted
        if doubted is not None and not self._doubted:
            hours = round(doubted / 3600)
            what = (
                f"the time of day is {hours} h after the last output, or was set forward by that: "
                f"no log is deleted for its age in the next {DOUBT / 3600:g} h; if the clock is "
                "wrong, set it right within that time"
            )
            self.report("log-age-doubted", {"what": what})
        self._doubted = doubted is not None
        return now

    def _move_old(self, store: Store, now: float) -> None:
        """Only what is in a segment can be deleted: what has not moved there gets old, too."""
        for log in store.logs.values():
            if log.pending and log.pending[0].at < self._oldest(log, now) * 1e6:
                store.move(log)

    def _oldest(self, log: ConsoleLog, now: float) -> float:
        policy = self._policy(log)
        keep = self.settings.keep if policy is None or policy.keep is None else policy.keep
        return now - keep

    def _is_due(self, store: Store, total: int, now: float) -> bool:
        """Whether anything is too old or too much: the whole table costs more than this look."""
        if self.settings.policy:
            return True
        oldest = (now - self.settings.keep) * 1e6
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
        for log, count in leaving(logs, limits, self._time(), room).items():
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
