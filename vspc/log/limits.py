"""Which segments have to go: those that are too old, too much of a console, or too much in all.

Pure: figures in, figures out. Of a console always its oldest go, so that a number says which.

Over the total, the console furthest over its fair share pays first: the share is the total by the
number of consoles that have a log. *Protected* are of each console its newest bytes, as many as
`PROTECTED` or as came in the last `RECENT` seconds, if that is more, and at most its share. A
console within its share loses nothing protected to others, so that one flooding guest does not
delete the history of others; one over its share may lose a whole piece of which a part was
protected. The total wins all the same: while there is more, some console is over its share.
"""

from collections.abc import Hashable, Mapping, Sequence
from heapq import heapify, heappop, heappush
from typing import TypeVar

from attrs import define, field, frozen

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
    everybody = list(states.values())
    most = min(limits.max_total, sum(state.size for state in everybody) - max(0, room))
    share = limits.max_total / len(everybody)
    for key, state in states.items():
        _by_itself(state, logs[key], limits, now)
        state.share = share
        state.protected = min(share, max(PROTECTED, state.recent(now)))
    taken = _take(everybody, most, False)
    taken += _take(everybody, most, True)
    _give_back(everybody, taken, most)
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
