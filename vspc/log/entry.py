"""One console in the recorder: what is queued of it, and how far its offsets may go.

The line of a VM that says more than is written rests until the log's thread has caught up: the VM's
output waits in its socket, and delays no other line. A disk that stalls or fails is not waited for:
after `REST` seconds the line goes on, with a gap in its log if need be, and does not rest again
before its log has caught up once.
"""

from collections.abc import Callable

from attrs import define, field

from vspc.common.clock import Cancellable, Clock, cancel
from vspc.console.console import Console
from vspc.console.ports import Line

SMALLEST_AHEAD = 256 * 1024
LARGEST_AHEAD = 8 * 1024 * 1024
"""Bytes of output before the next reserve is written, by the rate of output: after a kill at most
so many are missing, and the gap says so.
"""

SMALLEST_RESERVE = 1024 * 1024
FAR = 4
"""Bytes that offsets are reserved ahead at least, and how many times `ahead`: none is used twice,
even if the journal is late or the machine stops.
"""

TROUBLED_RESERVE = 1024 * 1024 * 1024
"""The same while the disk is failing: the journal may not take another reserve for long."""

BURST = 8
"""How many pieces as large as the last one may come before the next reserve."""

QUIET = 2.0
"""Seconds without a new reserve after which the rate of output is low."""


@define(eq=False)
class RecorderEntry:
    """One console that is recorded. `begun`: its log has begun; `gap` begins where that ends.

    From `complete_from` on the log has everything up to `end`, or what is queued; `on_written` is
    called when the last of it is written.

    After a kill its offsets go on at `reserved`; output up to `announced` may be missing then.
    """

    id: bytes
    begun: bool
    end: int = 0
    queued: int = 0
    reserved: int = 0
    announced: int = 0
    ahead: int = SMALLEST_AHEAD
    reserved_at: float = -1e9
    gap: int | None = None
    about: int = 0  # the hash of the description that was written last
    rests: bool = False  # whether its line rests until less is queued
    complete_from: int = 0
    on_written: Callable[[int, int], None] | None = None

    def announce_written(self) -> None:
        """Nothing is queued: call `on_written`, unless there is a gap at the end."""
        call, self.on_written = self.on_written, None
        if call is not None and self.gap is None:
            call(self.complete_from, self.end)

    def is_short(self) -> bool:
        """Whether what is announced beyond `end` is too little."""
        return self.end + self.ahead // 2 > self.announced

    def reserve(self, now: float, size: int, failing: bool) -> bool:
        """Whether `reserved` and `announced` have to be written anew: they are moved ahead of
        `end`, by the rate of output. `now` is in seconds of a clock that is never set back, `size`
        is the number of bytes that came just now.
        """
        if not self.is_short():
            return False
        fast = now - self.reserved_at < 1
        ahead = self.ahead * 2 if fast else SMALLEST_AHEAD
        self.ahead = min(max(ahead, size * BURST), LARGEST_AHEAD)
        self._move(now, failing)
        return True

    def calm_down(self, now: float) -> bool:
        """Whether less is reserved now, which has to be written: the rate of output is low again,
        or the disk is well again.
        """
        if now - self.reserved_at < QUIET or not self.is_far:
            return False
        self.ahead = SMALLEST_AHEAD
        self._move(now, False)
        return True

    @property
    def is_far(self) -> bool:
        """Whether more is reserved than a low rate of output needs."""
        return self.reserved > 0 and self.announced > self.end + SMALLEST_AHEAD

    def release(self) -> None:
        """Reserve nothing: no output will come."""
        self.reserved = self.announced = self.end

    def _move(self, now: float, failing: bool) -> None:
        self.reserved_at = now
        self.announced = self.end + (TROUBLED_RESERVE if failing else self.ahead)
        self.reserved = max(self.announced, self.end + max(SMALLEST_RESERVE, FAR * self.ahead))


@define(eq=False)
class Reserves:
    """Calls `write` for each console with a new reserve, and lowers those of consoles whose rate of
    output is low again: after a kill the number of missing bytes is to be small.
    """

    clock: Clock
    failing: Callable[[], bool]
    write: Callable[[RecorderEntry], None]
    _far: dict[RecorderEntry, None] = field(factory=dict, init=False)
    _timer: Cancellable | None = field(default=None, init=False)

    def renew(self, entry: RecorderEntry, size: int = 0) -> bool:
        """Whether the reserve of `entry`, of which `size` bytes came just now, was written anew."""
        failing = self.failing() or entry.gap is not None
        if not entry.reserve(self.clock.seconds(), size, failing):
            return False
        try:
            self.write(entry)
        except MemoryError:
            entry.announced = entry.end  # the next byte needs one
            raise
        if entry.is_far:
            self._far[entry] = None
            self._look_soon()
        return True

    def _look_soon(self) -> None:
        if self._timer is None:
            self._timer = self.clock.call_later(QUIET, self._look)

    def _look(self) -> None:
        self._timer = None
        if not self.failing():
            for entry in [entry for entry in self._far if entry.gap is None]:
                if entry.calm_down(self.clock.seconds()):
                    self.write(entry)
                if not entry.is_far:
                    self.forget(entry)
        if self._far:
            self._look_soon()

    def forget(self, entry: RecorderEntry) -> None:
        """Its console is gone."""
        self._far.pop(entry, None)


REST = 1.0
"""Seconds that a line rests at most."""


@define(eq=False)
class Resting:
    """Which lines rest, by the ids of their consoles."""

    clock: Clock
    _lines: dict[str, tuple[Line, Cancellable]] = field(factory=dict, init=False)
    _given_up: set[str] = field(factory=set, init=False)

    def begin(self, console: Console) -> None:
        """Too much of it waits to be written. Not in a vMotion, which travels in the line."""
        line = console.link.line
        if line is None or console.link.migrating or console.id in self._given_up:
            return
        if console.id in self._lines:
            if self._lines[console.id][0] is line:
                return
            self._end(console.id)
        timer = self.clock.call_later(REST, lambda: self._give_up(console.id))
        self._lines[console.id] = (line, timer)
        line.pause_reading()

    def caught_up(self, console_id: str) -> None:
        """Little enough of it waits."""
        self._given_up.discard(console_id)
        self._end(console_id)

    def _give_up(self, console_id: str) -> None:
        self._given_up.add(console_id)
        self._end(console_id)

    def forget(self, console_id: str) -> None:
        """It has no line any more, or another one."""
        self._given_up.discard(console_id)
        self._end(console_id)

    def _end(self, console_id: str) -> None:
        line, timer = self._lines.pop(console_id, (None, None))
        cancel(timer)
        if line is not None:
            line.resume_reading()
