"""Reads all logs for one outlet, in a thread of its own: what stalls there harms nobody here.

A cursor for each console says what the outlet has; it is kept in a file, so that a restart goes on
where it was. What the outlet does not take is tried again, from the log, for as long as that has
it: an outlet may get something twice, but it misses only what it gets as a gap.
"""

import json
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from threading import Thread
from typing import Protocol

from attrs import define, field

from vspc.console.lines import Line, Lines
from vspc.console.past import About, Kept, Marker, Passage
from vspc.log.disk import Disk
from vspc.log.sinks.outlet import Outlet

PIECE = 64 * 1024
"""Bytes that are read of one console before the next has its turn."""

IDLE = 2.0
"""Seconds after which an unfinished line is given as it is."""

SAVE = 5.0
"""Seconds between two times at which the cursors are kept."""

AGAIN, LONGEST = 1.0, 30.0
"""Seconds after the first error, and between two tries at most."""

FAREWELL = 3.0
"""Seconds that `stop` waits."""

VERSION = 1

Told = Callable[[str, dict[str, object]], None]


class Source(Protocol):
    """What it reads; see `vspc.log.source`."""

    def wait(self, timeout: float) -> set[str]: ...
    def wake(self) -> None: ...
    def ends(self) -> dict[str, int]: ...
    def about(self, console_id: str) -> About | None: ...
    def kept(self, console_id: str) -> AbstractContextManager[Kept]: ...


@define(eq=False)
class Feeder:
    """`name` is for events, `cursors` a file of ours, `wanted` says which consoles."""

    name: str
    outlet: Outlet
    source: Source
    cursors: Path
    tell: Told
    failed: Callable[[], None]
    wanted: Callable[[About], bool] = lambda _about: True
    now: Callable[[], float] = time.monotonic
    disk: Disk = field(factory=Disk)
    failing: bool = field(default=False, init=False)
    _at: dict[str, int] = field(factory=dict, init=False)
    _marked: dict[str, tuple[int, list[Marker]]] = field(factory=dict, init=False)
    _unsettled: dict[str, int] = field(factory=dict, init=False)  # where to go on if it is lost
    _news: dict[str, None] = field(factory=dict, init=False)
    _idle: dict[str, tuple[int, float]] = field(factory=dict, init=False)
    # Unfinished lines: where what there is of them ends, and when they are given as they are.
    _retry: float = field(default=0.0, init=False)
    _pause: float = field(default=AGAIN, init=False)
    _failing_since: float = field(default=0.0, init=False)
    _saved: float = field(default=0.0, init=False)
    _dirty: bool = field(default=False, init=False)
    _reopen: bool = field(default=False, init=False)
    _stopping: bool = field(default=False, init=False)
    _thread: Thread | None = field(default=None, init=False)

    # From any thread

    def start(self) -> None:
        """Begin."""
        self._thread = Thread(target=self._run, name=f"log-sink-{self.name}", daemon=True)
        self._thread.start()

    def reopen(self) -> None:
        """Open files or connections anew."""
        self._reopen = True
        self.source.wake()

    def stop(self) -> None:
        """End; what it has not got to is read after the next start."""
        self._stopping = True
        self.source.wake()
        if self._thread is not None:
            self._thread.join(FAREWELL)

    # Its thread

    def _run(self) -> None:
        self.begin()
        while not self._stopping:
            news = self.source.wait(self._patience())
            try:
                self.step(news)
            except Exception:  # a defect: the others, and the next round, go on
                self.failed()
        self._save()
        self.outlet.close()

    def _patience(self) -> float:
        if self.failing:
            return max(0.0, self._retry - self.now())
        if self._news:
            return 0.0
        return 0.5 if self._idle or self._unsettled else SAVE

    def begin(self) -> None:
        """Take the cursors up; the first time it begins with what comes."""
        ends = self.source.ends()
        try:
            kept = json.loads(self.cursors.read_text("utf-8"))
            if kept["version"] != VERSION:
                raise ValueError
            self._at = {str(key): int(value) for key, value in kept["cursors"].items()}
        except FileNotFoundError:
            self._at, self._dirty = dict(ends), True
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            self.tell("sink-cursors-damaged", {"sink": self.name, "file": str(self.cursors)})
            self._at = dict(ends)
        self._news |= {key: None for key, end in ends.items() if self._at.get(key) != end}

    def step(self, news: set[str]) -> None:
        """One round: a piece of each console that has something."""
        self._news |= dict.fromkeys(news)
        now = self.now()
        due = [key for key, (_, at) in self._idle.items() if at <= now and key not in self._news]
        if self.failing and now < self._retry:
            return
        try:
            if self._reopen:
                self._reopen = False
                self.outlet.reopen()
            for console_id in [*self._news, *due]:
                if self._stopping:
                    return
                self._read(console_id)
            if self._unsettled and self.outlet.settled():
                self._unsettled.clear()
        except OSError as error:
            self._fail(error)
            return
        if now >= self._saved + SAVE:
            self._save()

    def _read(self, console_id: str) -> None:
        about = self.source.about(console_id)
        if about is None or not self.wanted(about):
            self._forget(console_id)
            return
        try:
            with self.source.kept(console_id) as kept:
                start = min(self._at.get(console_id, 0), kept.end)
                passage = kept.read(start, PIECE)
        except OSError:  # ours, not the outlet's: it comes with the next news
            self._news.pop(console_id, None)
            return
        lines, items = Lines(), list[Line | Marker]()
        for item in passage.items:
            if not isinstance(item, Marker):
                items += lines.feed(item)
            elif self._is_new(console_id, item):
                items += lines.flush()
                items.append(item)
        end = passage.next - lines.pending
        if lines.pending and (end == start or passage.ended) and self._is_late(console_id, passage):
            items += lines.flush()
            end = passage.next
        if end == passage.next:
            self._idle.pop(console_id, None)
        if items:
            self.outlet.write(about, items)
            self._recover()
            self._unsettled.setdefault(console_id, start)
            self._mark(console_id, items)
        if end != self._at.get(console_id):
            self._at[console_id] = end
            self._dirty = True
        if passage.ended:
            self._news.pop(console_id, None)

    def _is_late(self, console_id: str, passage: Passage) -> bool:
        """Whether nothing has come to an unfinished line for a while."""
        if not passage.ended:
            return True
        before, late = self._idle.get(console_id, (-1, 0.0))
        if before != passage.next:
            self._idle[console_id] = (passage.next, self.now() + IDLE)
            return False
        return self.now() >= late

    def _is_new(self, console_id: str, marker: Marker) -> bool:
        offset, seen = self._marked.get(console_id, (-1, []))
        return marker.offset > offset or (marker.offset == offset and marker not in seen)

    def _mark(self, console_id: str, items: list[Line | Marker]) -> None:
        for item in items:
            if isinstance(item, Marker):
                offset, seen = self._marked.get(console_id, (-1, []))
                found = [*seen, item] if item.offset == offset else [item]
                self._marked[console_id] = (item.offset, found)

    def _forget(self, console_id: str) -> None:
        for table in (self._news, self._at, self._marked, self._idle, self._unsettled):
            table.pop(console_id, None)

    # When the outlet does not take it

    def _fail(self, error: OSError) -> None:
        if not self.failing:
            self.failing, self._failing_since, self._pause = True, self.now(), AGAIN
            what = error.strerror or str(error)
            self.tell("sink-failing", {"sink": self.name, "error": what})
        self._retry = self.now() + self._pause
        self._pause = min(2 * self._pause, LONGEST)
        for console_id, at in self._unsettled.items():
            self._at[console_id] = min(at, self._at.get(console_id, at))
            self._marked.pop(console_id, None)
            self._news[console_id] = None
        self._unsettled.clear()

    def _recover(self) -> None:
        if self.failing:
            self.failing, self._pause = False, AGAIN
            seconds = round(self.now() - self._failing_since, 1)
            self.tell("sink-recovered", {"sink": self.name, "seconds": seconds})

    # Cursors

    def _save(self) -> None:
        self._saved = self.now()
        if not self._dirty:
            return
        at = self._at | self._unsettled
        try:
            known = set(self.source.ends()) if not self._stopping else set(at)
            for console_id in [key for key in self._at if key not in known]:
                self._forget(console_id)
            facts = {"version": VERSION, "cursors": {k: v for k, v in at.items() if k in known}}
            self.disk.make(self.cursors.parent)
            self.disk.replace(self.cursors, json.dumps(facts).encode())
            self._dirty = False
        except OSError as error:
            self.tell("sink-cursors-not-kept", {"sink": self.name, "error": error.strerror})
