"""Input that waits for its VM: text, each piece somebody's, and BREAKs in their places among it."""

from collections import deque
from collections.abc import Iterable
from enum import Enum

from attrs import frozen

from vspc.console.ledger import Tally

BREAK_COST = 64
"""Bytes that a BREAK counts for, so that breaks are bounded, too."""

_JOINED = 4096
"""Bytes up to which pieces of one owner are joined: keys cost little."""


class Break(Enum):
    """A BREAK among what waits."""

    BREAK = 1


Piece = tuple[bytes, Tally]


@frozen
class Dropped:
    """What was typed and will not be sent: bytes of text, and BREAKs."""

    count: int
    breaks: int

    def __bool__(self) -> bool:
        return bool(self.count or self.breaks)

    def __str__(self) -> str:
        return amount(self.count, self.breaks)


def amount(count: int, breaks: int) -> str:
    """ "12 bytes", "the BREAK", "1 byte and 2 BREAKs": what was typed, for people."""
    found = [f"{count} byte{'' if count == 1 else 's'}"] if count or not breaks else []
    found += [f"{breaks} BREAKs" if breaks > 1 else "the BREAK"] if breaks else []
    return " and ".join(found)


class Waiting:
    """First in, first out. `size`: bytes, a BREAK counted as `BREAK_COST`; tallies know theirs."""

    __slots__ = ("_items", "size")

    def __init__(self) -> None:
        self._items: deque[Piece | Break] = deque()
        self.size = 0

    def __bool__(self) -> bool:
        return bool(self._items)

    def put(self, data: bytes, tally: Tally) -> None:
        """Text, behind all else."""
        last = self._items[-1] if self._items else None
        if isinstance(last, tuple) and last[1] is tally and len(last[0]) + len(data) <= _JOINED:
            self._items[-1] = last[0] + data, tally
        else:
            self._items.append((data, tally))
        self.size += len(data)
        tally.waiting += len(data)

    def put_break(self) -> None:
        """A BREAK, behind all else."""
        self._items.append(Break.BREAK)
        self.size += BREAK_COST

    def take(self, limit: int, on_the_wire: int) -> Piece | Break:
        """What is first: of text at most `limit` bytes (over 0), and about as many as take
        `on_the_wire` there, where 0xFF takes two.
        """
        item = self._items.popleft()
        if isinstance(item, Break):
            self.size -= BREAK_COST
            return item
        data, tally = item
        piece = data[:limit]
        if len(piece) + piece.count(0xFF) > on_the_wire:
            piece = piece[: max(1, on_the_wire // 2)]
        if len(piece) < len(data):
            self._items.appendleft((data[len(piece) :], tally))
        self.size -= len(piece)
        tally.waiting -= len(piece)
        return piece, tally

    def clear(self) -> tuple[Dropped, list[tuple[Tally, int]]]:
        """Forget everything: how much that was, and of whom."""
        texts = [item for item in self._items if not isinstance(item, Break)]
        dropped = Dropped(sum(len(data) for data, _ in texts), len(self._items) - len(texts))
        self._items.clear()
        self.size = 0
        for data, tally in texts:
            tally.waiting -= len(data)
        return dropped, [(tally, len(data)) for data, tally in texts]

    def withdraw(self, tally: Tally) -> int:
        """Forget the text of one owner; how many bytes."""
        count, tally.waiting = tally.waiting, 0
        if count:
            self._items = deque(i for i in self._items if isinstance(i, Break) or i[1] is not tally)
            self.size -= count
        return count

    @property
    def state(self) -> tuple[bytes, ...]:
        """As bytes, a BREAK empty; whose it is does not outlive the process."""
        return tuple(b"" if isinstance(item, Break) else item[0] for item in self._items)

    def restore(self, state: Iterable[bytes], tally: Tally) -> None:
        """Take up `state`, all of which is `tally`'s."""
        for item in state:
            if item:
                self.put(item, tally)
            else:
                self.put_break()
