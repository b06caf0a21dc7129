"""What has to go when logs take too much: by age, by console, in all. Pure: figures only.

Over the total, the console furthest over its fair share pays first. Of each console its newest
`UNTOUCHED` bytes and those of its last `RECENT` seconds (its fair share, if that is less) cannot
be taken by others, so that one flooding guest does not evict everybody's history. The total wins
all the same: where that is not enough, protection ends, the largest first.
"""

from collections.abc import Iterable, Sequence
from heapq import heapify, heappop, heappush

from attrs import define, field, frozen

UNTOUCHED = 4 * 1024 * 1024
"""Bytes of each console that others cannot take."""

RECENT = 24 * 3600.0
"""Seconds of each console that others cannot take."""


@frozen
class Piece:
    """A segment: bytes on disk, and when its last byte came (seconds since 1970)."""

    size: int
    last: float


@define(eq=False)
class Holding:
    """A console's pieces, oldest first, with what its policy says: seconds, and bytes."""

    pieces: Sequence[Piece]
    keep: float
    limit: int
    gone: int = field(default=0, init=False)  # how many of the oldest have to go
    size: int = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.size = sum(piece.size for piece in self.pieces)

    def drop(self) -> int:
        """One more has to go; its size."""
        size = self.pieces[self.gone].size
        self.gone += 1
        self.size -= size
        return size

    @property
    def left(self) -> int:
        """How many may stay."""
        return len(self.pieces) - self.gone

    def protected(self, share: float, now: float) -> float:
        """Bytes that others cannot take."""
        recent = sum(piece.size for piece in self.pieces if piece.last >= now - RECENT)
        return min(share, max(UNTOUCHED, recent))


def evict(holdings: Sequence[Holding], total: int, now: float, force: bool = True) -> int:
    """Say in each holding how many of its oldest pieces go so that all have at most `total` bytes.

    With `force` False protected pieces stay although it is more. Returns what is left, in bytes.
    """
    for holding in holdings:
        _by_itself(holding, now)
    size = sum(holding.size for holding in holdings)
    if size <= total:
        return size
    share = total / len(holdings)
    size = _fairly(holdings, size, total, share, now)
    return _by_force(holdings, size, total) if force else size


def _by_itself(holding: Holding, now: float) -> None:
    """What is too old, and what is too much of one console; its last piece stays for size."""
    while holding.left and holding.pieces[holding.gone].last < now - holding.keep:
        holding.drop()
    while holding.left > 1 and holding.size > holding.limit:
        holding.drop()


def _fairly(holdings: Iterable[Holding], size: int, total: int, share: float, now: float) -> int:
    heap = [(-h.size, at, h, h.protected(share, now)) for at, h in enumerate(holdings) if h.left]
    heapify(heap)
    while size > total and heap:
        _, at, holding, protected = heappop(heap)
        if holding.size - holding.pieces[holding.gone].size < protected:
            continue
        size -= holding.drop()
        if holding.left:
            heappush(heap, (-holding.size, at, holding, protected))
    return size


def _by_force(holdings: Iterable[Holding], size: int, total: int) -> int:
    heap = [(-h.size, at, h) for at, h in enumerate(holdings) if h.left]
    heapify(heap)
    while size > total and heap:
        _, at, holding = heappop(heap)
        size -= holding.drop()
        if holding.left:
            heappush(heap, (-holding.size, at, holding))
    return size
