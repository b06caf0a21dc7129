"""SSH's data types (RFC 4251 section 5): the one reader and the one writer.

Packets, public keys, certificates, key revocation lists and signatures are made of them. Conch's
own readers return what is left where a field is too short; this one refuses it.
"""

import struct

_UINT32 = struct.Struct(">L")

CERTIFICATE = b"-cert-v01@openssh.com"
"""The end of a certificate's type (OpenSSH's PROTOCOL.certkeys)."""

_OLD_CERTIFICATE = b"-cert-v00@openssh.com"
"""The same before OpenSSH 5.6; none is accepted any more."""

_TYPE_LIMIT = 128
"""Bytes of a blob that its type is looked for in."""


class MalformedSsh(ValueError):
    """Bytes that break the format, or a peer that breaks the protocol.

    The text never holds what was read.
    """


class SshReader:
    """Takes the fields of `data`, first to last; raises `MalformedSsh` if one is truncated."""

    __slots__ = ("_data", "at")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.at = 0
        """Bytes that were taken."""

    def take(self, count: int) -> bytes:
        """Exactly `count` bytes."""
        end = self.at + count
        if end > len(self._data):
            raise MalformedSsh("a field is truncated")
        taken = self._data[self.at : end]
        self.at = end
        return taken

    def byte(self) -> int:
        """A number of one byte."""
        return self.take(1)[0]

    def uint32(self) -> int:
        """A number of four bytes."""
        at = self.at
        try:
            number: int = _UINT32.unpack_from(self._data, at)[0]
        except struct.error:
            raise MalformedSsh("a field is truncated") from None
        self.at = at + 4
        return number

    def uint64(self) -> int:
        """A number of eight bytes."""
        return int.from_bytes(self.take(8), "big")

    def boolean(self) -> bool:
        """One byte; everything but 0 is true."""
        return self.take(1) != b"\0"

    def string(self, limit: int | None = None) -> bytes:
        """A counted string of at most `limit` bytes."""
        count = self.uint32()
        if limit is not None and count > limit:
            raise MalformedSsh(f"a string of {count} bytes where {limit} are the limit")
        return self.take(count)

    def nested(self) -> "SshReader":
        """A counted string that has fields of its own."""
        return SshReader(self.string())

    def mpint(self) -> int:
        """A signed number of any length; its encoding need not be the shortest."""
        return int.from_bytes(self.string(), "big", signed=True)

    def names(self) -> tuple[bytes, ...]:
        """A name-list: names between commas; an empty one has none."""
        listed = self.string()
        return tuple(listed.split(b",")) if listed else ()

    def rest(self) -> bytes:
        """All that is left."""
        return self.take(len(self._data) - self.at)

    @property
    def ended(self) -> bool:
        """Whether nothing is left."""
        return self.at == len(self._data)

    def end(self) -> None:
        """Nothing may be left."""
        if self.at != len(self._data):
            raise MalformedSsh("trailing bytes after the last field")


def uint32(number: int) -> bytes:
    """A number of four bytes."""
    return _UINT32.pack(number)


def string(data: bytes) -> bytes:
    """A counted string."""
    return _UINT32.pack(len(data)) + data


def key_type(blob: bytes) -> bytes:
    """The type of a public key or certificate, as it says; empty if there is none. Never raises."""
    try:
        return SshReader(blob[:_TYPE_LIMIT]).string()
    except MalformedSsh:
        return b""


def is_certificate(blob: bytes) -> bool:
    """Whether `blob` says that it is a certificate, of whatever kind. Never raises."""
    return key_type(blob).endswith((CERTIFICATE, _OLD_CERTIFICATE))
