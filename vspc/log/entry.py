"""One console as the recorder knows it: what is queued of it, and how far its offsets may go."""

from collections.abc import Callable

from attrs import define

from vspc.console.console import Console

SMALLEST_RESERVE = 1024 * 1024
LARGEST_RESERVE = 64 * 1024 * 1024
"""Bytes that offsets are reserved ahead, by how fast the console talks."""

TROUBLED_RESERVE = 1024 * 1024 * 1024
"""The same while the disk is failing: nobody knows when it can be said again."""


@define(eq=False)
class Entry:
    """One console that is recorded. `spoke`: its log has begun; `gap` begins where that ends.

    From `complete_from` on the log has everything up to `end`, or what is queued; `kept` waits for
    the last of it to be written.
    """

    id: bytes
    spoke: bool
    end: int = 0
    queued: int = 0
    reserved: int = 0
    ahead: int = SMALLEST_RESERVE
    reserved_at: float = -1e9
    gap: int | None = None
    about: int = 0  # the hash of what was written of it: who it is
    resting: Console | None = None  # it, while its line rests until less is queued
    complete_from: int = 0
    kept: Callable[[int, int], None] | None = None

    def tell_kept(self) -> None:
        """Nothing is queued: say so to whoever waits for it, unless there is a gap at the end."""
        call, self.kept = self.kept, None
        if call is not None and self.gap is None:
            call(self.complete_from, self.end)

    def reserve(self, now: float, failing: bool) -> bool:
        """Whether `reserved` has to be said anew: it is moved well ahead of `end`, by how fast the
        console talks. `now` is in seconds of a clock that is never set back.
        """
        if self.end + self.ahead // 2 <= self.reserved:
            return False
        if now - self.reserved_at < 1:
            self.ahead = min(self.ahead * 2, LARGEST_RESERVE)
        elif now - self.reserved_at > 10:
            self.ahead = max(self.ahead // 2, SMALLEST_RESERVE)
        self.reserved_at = now
        self.reserved = self.end + (TROUBLED_RESERVE if failing else self.ahead)
        return True
