"""What an SSH payload holds, read strictly (RFC 4251 section 5).

Conch's own readers return what is left where a packet is too short; these refuse it.
"""

import struct

_UINT32 = struct.Struct(">L")


class MalformedSsh(Exception):
    """The peer broke the protocol: the connection ends, with one log line.

    The text never holds what the packet held.
    """


class SshReader:
    """Takes the fields of one payload, first to last; raises `MalformedSsh` if one is missing."""

    __slots__ = ("_at", "_payload")

    def __init__(self, payload: bytes) -> None:
        self._payload = payload
        self._at = 0

    def take(self, count: int) -> bytes:
        """Exactly `count` bytes."""
        end = self._at + count
        if end > len(self._payload):
            raise MalformedSsh("a field reaches beyond its packet")
        taken = self._payload[self._at : end]
        self._at = end
        return taken

    def uint32(self) -> int:
        """A number of four bytes."""
        return int(_UINT32.unpack(self.take(4))[0])

    def boolean(self) -> bool:
        """One byte; everything but 0 is true."""
        return self.take(1) != b"\0"

    def string(self, limit: int | None = None) -> bytes:
        """A counted string of at most `limit` bytes."""
        count = self.uint32()
        if limit is not None and count > limit:
            raise MalformedSsh(f"a string of {count} bytes where {limit} are the limit")
        return self.take(count)

    def names(self) -> tuple[bytes, ...]:
        """A name-list: names between commas; an empty one has none."""
        listed = self.string()
        return tuple(listed.split(b",")) if listed else ()

    def rest(self) -> bytes:
        """All that is left."""
        return self.take(len(self._payload) - self._at)

    @property
    def ended(self) -> bool:
        """Whether nothing is left."""
        return self._at == len(self._payload)

    def end(self) -> None:
        """Nothing may be left."""
        if not self.ended:
            raise MalformedSsh("bytes behind the last field of a packet")


def uint32(number: int) -> bytes:
    """A number of four bytes."""
    return _UINT32.pack(number)


def string(data: bytes) -> bytes:
    """A counted string."""
    return _UINT32.pack(len(data)) + data
