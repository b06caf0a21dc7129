"""The receive side of a VM's serial port: what the host took and the guest has not read yet.

It is part of the VM's state and moves with it: nothing in it is lost or doubled by vMotion.
"""

from collections import deque

FIFO = 4096
"""Bytes that the host takes while the guest does not read; then it stops reading its socket."""


class Uart:
    """Bytes and BREAKs in the order in which they came."""

    def __init__(self) -> None:
        self._items: deque[bytes] = deque()  # an empty one is a BREAK
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def __bool__(self) -> bool:
        return bool(self._items)

    def room(self) -> int:
        """Bytes that the FIFO still takes."""
        return max(0, FIFO - self._size)

    def push(self, data: bytes) -> None:
        """Bytes from the host."""
        if data:
            self._items.append(data)
            self._size += len(data)

    def push_break(self) -> None:
        """A BREAK, at its place between the bytes; one that follows another at once is the same."""
        if not self._items or self._items[-1]:
            self._items.append(b"")

    def break_next(self) -> bool:
        """Whether a BREAK comes next; if so it is taken out."""
        if self._items and not self._items[0]:
            self._items.popleft()
            return True
        return False

    def pop(self, limit: int) -> bytes:
        """At most `limit` bytes, up to the next BREAK."""
        if limit <= 0 or not self._items or not self._items[0]:
            return b""
        data = self._items.popleft()
        if len(data) > limit:
            self._items.appendleft(data[limit:])
            data = data[:limit]
        self._size -= len(data)
        return data

    def clear(self) -> None:
        """Power off."""
        self._items.clear()
        self._size = 0
