"""The two byte streams of a connection: version line and packets, numbered. Pure."""

from vspc.ssh.crypto.ciphers import Clear, PacketCipher
from vspc.wire.ssh import MalformedSsh

VERSION_LIMIT = 255
"""Bytes of a client's first line, its end included (RFC 4253 section 4.2)."""

_SEQUENCES = 1 << 32
_VERSIONS = (b"SSH-2.0-", b"SSH-1.99-")


def read_version(line: bytes) -> bytes:
    """A client's version without its line end; raises `MalformedSsh`."""
    version = line.rstrip(b"\r\n")
    if not version.startswith(_VERSIONS):
        raise MalformedSsh("the first line is not an SSH version")
    if not all(0x20 <= byte < 0x7F for byte in version):
        raise MalformedSsh("an SSH version with unprintable characters")
    return version


class Incoming:
    """What a client sends. Keeps at most one unfinished packet and what came behind it."""

    __slots__ = ("_head_read", "_length", "_opener", "_received", "count", "sequence")

    def __init__(self) -> None:
        self._received = bytearray()
        self._opener: PacketCipher = Clear()
        self._length = 0
        self._head_read = False
        self.sequence = 0
        """Of the next packet."""
        self.count = 0
        """Bytes opened with the present keys."""

    def feed(self, data: bytes) -> None:
        """Bytes as they came."""
        self._received += data

    def forget(self) -> None:
        """Discard what was received."""
        self._received.clear()

    def version(self) -> bytes | None:
        """The first line, once it is whole; raises `MalformedSsh`."""
        end = self._received.find(b"\n", 0, VERSION_LIMIT)
        if end < 0:
            if len(self._received) >= VERSION_LIMIT:
                raise MalformedSsh("a first line that is too long")
            return None
        line = self._take(end + 1)
        return read_version(line)

    def packet(self) -> bytes | None:
        """The next whole packet's payload, at least one byte; raises `MalformedSsh`."""
        if not self._head_read:
            if len(self._received) < self._opener.head:
                return None
            head = bytes(self._received[: self._opener.head])
            self._length = self._opener.measure(self.sequence, head)
            self._head_read = True
        if len(self._received) < self._length:
            return None
        self._head_read = False
        payload = self._opener.open(self.sequence, self._take(self._length))
        self.count += self._length
        self.sequence = (self.sequence + 1) % _SEQUENCES
        return payload

    def _take(self, count: int) -> bytes:
        taken = bytes(self._received[:count])
        del self._received[:count]
        return taken

    def rekey(self, opener: PacketCipher, *, reset: bool) -> None:
        """From the next packet on `opener`; `reset`: numbered from 0 (strict key exchange)."""
        self._opener = opener
        self.count = 0
        if reset:
            self.sequence = 0


class Outgoing:
    """What the server sends."""

    __slots__ = ("_sealer", "count", "sequence")

    def __init__(self) -> None:
        self._sealer: PacketCipher = Clear()
        self.sequence = 0
        self.count = 0
        """Bytes sealed with the present keys."""

    def seal(self, payload: bytes) -> bytes:
        """A packet around `payload`."""
        packet = self._sealer.seal(self.sequence, payload)
        self.sequence = (self.sequence + 1) % _SEQUENCES
        self.count += len(packet)
        return packet

    def rekey(self, sealer: PacketCipher, *, reset: bool) -> None:
        """As `Incoming.rekey`."""
        self._sealer = sealer
        self.count = 0
        if reset:
            self.sequence = 0
