"""Programs of a toy guest that read raw bytes: nothing is echoed, nothing is a key."""

import hashlib
from typing import Protocol

NUMBER = b"%08d"
"""How `stream` writes a line and `expect` wants it."""

_SHOWN = 60  # bytes of a line that differs


class GuestReader(Protocol):
    """Reads until it has a result."""

    differs: bool
    """The result is a failure: what else is typed belongs to no command."""

    after_cr: bool
    """The last byte may have been the first half of CR LF."""

    def take(self, data: bytearray) -> bytes | None:
        """Consume what it wants of `data`; what to print when it has read enough."""


class Sum:
    """`sum N`: the SHA-256 of the next N bytes."""

    differs = False
    after_cr = False

    def __init__(self, count: int) -> None:
        self._left = count
        self._hash = hashlib.sha256()

    def take(self, data: bytearray) -> bytes | None:
        """Hash."""
        piece = data[: self._left]
        del data[: self._left]
        self._hash.update(piece)
        self._left -= len(piece)
        return None if self._left else self._hash.hexdigest().encode()


class Expect:
    """`expect N`: numbered lines from 0 to N-1, each ended by CR, LF or CR LF."""

    after_cr = True

    def __init__(self, count: int) -> None:
        self.differs = False
        self._count = count
        self._next = 0
        self._line = bytearray()

    def take(self, data: bytearray) -> bytes | None:
        """Compare, up to the first difference."""
        while data and self._next < self._count and not self.differs:
            self._byte(data)
        if self.differs:
            return b"differs at line %d: %r" % (self._next, bytes(self._line[:_SHOWN]))
        return b"ok %d" % self._count if self._next == self._count else None

    def _byte(self, data: bytearray) -> None:
        end = min((at for at in (data.find(b"\r"), data.find(b"\n")) if at >= 0), default=-1)
        if end != 0:
            size = end if end > 0 else len(data)
            self._line += data[:size]
            del data[:size]
            self.differs = not (NUMBER % self._next).startswith(bytes(self._line))
            return
        newline = bytes(data[:1]) == b"\n"
        del data[:1]
        if not self._line and newline:
            return  # the second half of CR LF, or an empty line
        self.differs = bytes(self._line) != NUMBER % self._next
        if not self.differs:
            self._line.clear()
            self._next += 1


class Discard:
    """Reads and forgets; the guest ends it after a silence."""

    differs = False
    after_cr = False

    def take(self, data: bytearray) -> bytes | None:
        """Nothing comes of it."""
        data.clear()
        return None
