"""A queue in which nobody's crowd keeps others out: each asker has his turn, and a full queue
sends away from the longest row.
"""

from collections import OrderedDict, deque
from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class FairQueue(Generic[T]):
    """At most `limit` items, each of an asker (an address or a crowd of them), served in turn."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._rows: OrderedDict[str, deque[T]] = OrderedDict()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[T]:
        """All that wait, by asker."""
        return (item for row in self._rows.values() for item in row)

    def add(self, asker: str, item: T) -> T | None:
        """Put `item` behind the others of `asker`; returns what must go for it: maybe `item`.

        From a full queue goes the newest of the asker who has most; the newcomer's own, if nobody
        has more than he.
        """
        row = self._rows.setdefault(asker, deque())
        row.append(item)
        self._count += 1
        if self._count <= self._limit:
            return None
        longest = max(self._rows, key=lambda each: len(self._rows[each]))
        if len(self._rows[longest]) == len(row):
            longest = asker
        return self._take(longest, last=True)

    def next(self) -> T | None:
        """The first item of the asker whose turn it is; None if nobody waits."""
        for asker in self._rows:
            return self._take(asker)
        return None

    def remove(self, asker: str, item: T) -> None:
        """Forget `item`; nothing happens if it does not wait."""
        row = self._rows.get(asker, deque())
        if item in row:
            row.remove(item)
            self._count -= 1
            if not row:
                del self._rows[asker]

    def _take(self, asker: str, last: bool = False) -> T:
        row = self._rows[asker]
        item = row.pop() if last else row.popleft()
        self._count -= 1
        if not row:
            del self._rows[asker]
        elif not last:
            self._rows.move_to_end(asker)
        return item
