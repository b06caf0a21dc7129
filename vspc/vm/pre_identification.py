"""What a line says before it is known whose it is: kept, within bounds, and counted beyond."""

LIMIT = 64 * 1024
"""Bytes that are kept of one line; the oldest are dropped, and counted."""


class PreIdentificationBuffer:
    """Output that waits for a console."""

    __slots__ = ("data", "dropped")

    def __init__(self, data: bytes = b"", dropped: int = 0) -> None:
        self.data = bytearray(data)
        self.dropped = dropped

    def __len__(self) -> int:
        return self.dropped + len(self.data)

    def keep(self, data: bytes) -> None:
        """The line said `data`."""
        self.data += data
        over = len(self.data) - LIMIT
        if over > 0:
            self.dropped += over
            del self.data[:over]

    def skip(self, count: int) -> None:
        """`count` bytes, said before what follows, are kept nowhere."""
        self.dropped += count

    def skip_all(self) -> None:
        """What was said comes too late to be shown."""
        self.dropped += len(self.data)
        self.data.clear()

    @property
    def state(self) -> tuple[int, bytes]:
        """What `take` would give; it stays."""
        return self.dropped, bytes(self.data)

    def take(self) -> tuple[int, bytes]:
        """How many bytes were dropped, and those that followed; nothing waits afterwards."""
        taken = self.dropped, bytes(self.data)
        self.clear()
        return taken

    def clear(self) -> None:
        """What was said does not count."""
        self.data.clear()
        self.dropped = 0
