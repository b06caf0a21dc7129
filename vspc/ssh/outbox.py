"""Output that a client does not take yet: pieces of two streams, in order, bounded. Pure."""

from collections import deque

STDOUT = 0
STDERR = 1
"""RFC 4254 section 5.2 calls it SSH_EXTENDED_DATA_STDERR."""


class Outbox:
    """First in, first out; neighbours of one stream become one piece."""

    __slots__ = ("_pieces", "held", "limit")

    def __init__(self, limit: int) -> None:
        self._pieces: deque[tuple[int, bytearray]] = deque()
        self.limit = limit
        self.held = 0
        """Bytes in it."""

    def put(self, stream: int, data: bytes) -> bool:
        """Keep `data`; False, and nothing is kept, if that were more than the limit."""
        if self.held + len(data) > self.limit:
            return False
        if self._pieces and self._pieces[-1][0] == stream:
            self._pieces[-1][1].extend(data)
        else:
            self._pieces.append((stream, bytearray(data)))
        self.held += len(data)
        return True

    def take(self, count: int) -> tuple[int, bytes]:
        """At most `count` bytes of the oldest piece; the outbox must not be empty."""
        stream, piece = self._pieces[0]
        data = bytes(piece[:count])
        del piece[:count]
        if not piece:
            self._pieces.popleft()
        self.held -= len(data)
        return stream, data

    def clear(self) -> None:
        """Throw everything away."""
        self._pieces.clear()
        self.held = 0
