"""A bounded queue that serves its clients in turn: one that fills it does not lock out others."""

from collections import OrderedDict, deque
from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class FairQueue(Generic[T]):
    """At most `limit` items, each of a client (an address or a network), served round-robin."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._rows: OrderedDict[str, deque[T]] = OrderedDict()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[T]:
        """All items, by client."""
        return (item for row in self._rows.values() for item in row)

    def add(self, client: str, item: T) -> T | None:
        """Append `item` to the row of `client`; returns the item that is dropped for it, or None.

        A full queue drops the newest item of the client that has most: `item` itself, unless
        another client has more.
        """
        row = self._rows.setdefault(client, deque())
        row.append(item)
        self._count += 1
        if self._count <= self._limit:
            return None
        longest = max(self._rows, key=lambda each: len(self._rows[each]))
        if len(self._rows[longest]) == len(row):
            longest = client
        return self._take(longest, last=True)

    def next(self) -> T | None:
        """Take the first item of the client whose turn it is; None if the queue is empty."""
        for client in self._rows:
            return self._take(client)
        return None

    def remove(self, client: str, item: T) -> None:
        """Remove `item`, if it is in the queue."""
        row = self._rows.get(client, deque())
        if item in row:
            row.remove(item)
            self._count -= 1
            if not row:
                del self._rows[client]

    def _take(self, client: str, last: bool = False) -> T:
        row = self._rows[client]
        item = row.pop() if last else row.popleft()
        self._count -= 1
        if not row:
            del self._rows[client]
        elif not last:
            self._rows.move_to_end(client)
        return item
