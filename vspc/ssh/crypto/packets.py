"""The two byte streams of a connection: a version line, then packets, numbered, sealed and opened
(RFC 4253 section 6). Pure.

Packets are sealed in four ways: AES-GCM (RFC 5647 as OpenSSH's PROTOCOL section 1.6 has it),
ChaCha20 with Poly1305 (OpenSSH's PROTOCOL.chacha20poly1305, which is not RFC 8439), AES-CTR with a
MAC over the cipher text (`-etm`, PROTOCOL section 1.5) and AES-CTR with a MAC over the clear text.
Before the first key exchange packets are clear.
"""

import hmac
import os
import struct
from abc import ABC, abstractmethod
from collections.abc import Sequence

from cryptography.exceptions import InvalidSignature, InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.poly1305 import Poly1305

from vspc.wire.ssh import MalformedSsh

CHACHA = b"chacha20-poly1305@openssh.com"

PACKET_LIMIT = 65536
"""Bytes in one packet, its length field and MAC not counted (RFC 4253 section 6.1: 35000)."""

_BLOCK = 16
_LENGTH = struct.Struct(">L")
_COUNTER = struct.Struct(">Q")
_COUNTER_END = 1 << 64
_COUNTER_ZERO = bytes(8)
_SEQUENCE_MASK = 0xFFFFFFFF
_PADDINGS = tuple(bytes((length,)) for length in range(2 * _BLOCK))
_RANDOM = 256


Part = bytes | memoryview
"""Of a payload."""


class PacketCipher(ABC):
    """One direction of a connection: makes packets of payloads, or payloads of packets.

    `sequence` is the number of the packet. Reading raises `MalformedSsh`.
    """

    head = 4
    """Bytes of a packet from which its length is known."""

    _block = _BLOCK
    _uncounted = 4
    """Bytes of the head that are no part of a block."""

    _tag = 16
    """Bytes behind what the length counts."""

    _random = b""
    """Bytes for padding: one call for many packets."""

    @abstractmethod
    def seal(self, sequence: int, *payload: Part) -> bytes:
        """A packet; the payload may come in parts, which are copied once."""

    def measure(self, sequence: int, head: bytes) -> int:
        """The length of all of a packet, of its first `head` bytes; once for each packet."""
        (length,) = _LENGTH.unpack_from(self._clear_head(sequence, head))
        if not 5 <= length <= PACKET_LIMIT or (length + 4 - self._uncounted) % self._block:
            raise MalformedSsh(f"invalid packet length {length}")
        return int(4 + length + self._tag)

    def _clear_head(self, sequence: int, head: bytes) -> bytes:
        del sequence
        return head

    @abstractmethod
    def open(self, sequence: int, packet: bytes) -> bytes:
        """The payload of a whole packet."""

    def _padded(self, payload: Sequence[Part]) -> bytes:
        """Padding length, payload and padding."""
        padding = self._block - (5 - self._uncounted + sum(map(len, payload))) % self._block
        if padding < 4:
            padding += self._block
        random = self._random
        if len(random) < padding:
            random = os.urandom(_RANDOM)
        self._random = random[padding:]
        return b"".join((_PADDINGS[padding], *payload, random[:padding]))


def _payload(body: bytes) -> bytes:
    """The payload between padding length and padding."""
    padding = body[0]
    if padding < 4 or padding + 2 > len(body):
        raise MalformedSsh(f"invalid padding of {padding} bytes")
    return body[1 : len(body) - padding]


def _unauthentic() -> MalformedSsh:
    return MalformedSsh("packet authentication failed")


class Clear(PacketCipher):
    """Neither secret nor authentic: until the first NEWKEYS."""

    _block = 8
    _uncounted = _tag = 0

    def seal(self, sequence: int, *payload: Part) -> bytes:
        del sequence
        body = self._padded(payload)
        return _LENGTH.pack(len(body)) + body

    def open(self, sequence: int, packet: bytes) -> bytes:
        del sequence
        return _payload(packet[4:])


class Gcm(PacketCipher):
    """AES-GCM: the length is authentic but clear, no MAC besides the tag. It counts for itself."""

    def __init__(self, key: bytes, vector: bytes) -> None:
        self._cipher = AESGCM(key)
        self._fixed = vector[:4]
        self._count = int.from_bytes(vector[4:12], "big")

    def _nonce(self) -> bytes:
        nonce = self._fixed + _COUNTER.pack(self._count)
        self._count = (self._count + 1) % _COUNTER_END
        return nonce

    def seal(self, sequence: int, *payload: Part) -> bytes:
        del sequence
        body = self._padded(payload)
        length = _LENGTH.pack(len(body))
        return length + self._cipher.encrypt(self._nonce(), body, length)

    def open(self, sequence: int, packet: bytes) -> bytes:
        del sequence
        try:
            return _payload(self._cipher.decrypt(self._nonce(), packet[4:], packet[:4]))
        except InvalidTag:
            raise _unauthentic() from None


class ChaCha(PacketCipher):
    """ChaCha20 with Poly1305: two keys, one of which hides the length alone.

    The packet's number is the nonce. The first block of the stream is the key of the tag, the
    payload begins with the second one.
    """

    _block = 8
    _FIRST = bytes(64)

    def __init__(self, key: bytes) -> None:
        # Setting the nonce anew costs half of what a new context does.
        self._main = Cipher(algorithms.ChaCha20(key[:32], bytes(16)), None).encryptor()
        self._lengths = Cipher(algorithms.ChaCha20(key[32:64], bytes(16)), None).encryptor()

    def seal(self, sequence: int, *payload: Part) -> bytes:
        body = self._padded(payload)
        nonce = _nonce(sequence)
        main, lengths = self._main, self._lengths
        main.reset_nonce(nonce)
        lengths.reset_nonce(nonce)
        key = main.update(self._FIRST)[:32]
        sealed = lengths.update(_LENGTH.pack(len(body))) + main.update(body)
        return sealed + Poly1305.generate_tag(key, sealed)

    def _clear_head(self, sequence: int, head: bytes) -> bytes:
        """A stream cipher is its own inverse."""
        self._lengths.reset_nonce(_nonce(sequence))
        return self._lengths.update(head)

    def open(self, sequence: int, packet: bytes) -> bytes:
        """Nothing is deciphered before it is known to be authentic."""
        main = self._main
        main.reset_nonce(_nonce(sequence))
        key = main.update(self._FIRST)[:32]
        sealed = packet[: -self._tag]
        try:
            Poly1305.verify_tag(key, sealed, packet[-self._tag :])
        except InvalidSignature:
            raise _unauthentic() from None
        return _payload(main.update(sealed[4:]))


def _nonce(sequence: int) -> bytes:
    return _COUNTER_ZERO + _COUNTER.pack(sequence)


class CtrEtm(PacketCipher):
    """AES-CTR, the MAC over length and cipher text; the length is clear."""

    def __init__(self, key: bytes, vector: bytes, mac_key: bytes, digest: str) -> None:
        # Counter mode is its own inverse: one context serves either direction.
        self._stream = Cipher(algorithms.AES(key), modes.CTR(vector)).encryptor()
        self._mac_key = mac_key
        self._digest = digest
        self._tag = len(mac_key)

    def _mac(self, sequence: int, data: bytes) -> bytes:
        numbered = _LENGTH.pack(sequence & _SEQUENCE_MASK) + data
        return hmac.digest(self._mac_key, numbered, self._digest)

    def _verify(self, sequence: int, data: bytes, mac: bytes) -> None:
        if not hmac.compare_digest(self._mac(sequence, data), mac):
            raise _unauthentic()

    def seal(self, sequence: int, *payload: Part) -> bytes:
        body = self._padded(payload)
        sealed = _LENGTH.pack(len(body)) + self._stream.update(body)
        return sealed + self._mac(sequence, sealed)

    def open(self, sequence: int, packet: bytes) -> bytes:
        """Nothing is deciphered before it is known to be authentic."""
        sealed = packet[: -self._tag]
        self._verify(sequence, sealed, packet[-self._tag :])
        return _payload(self._stream.update(sealed[4:]))


class CtrMac(CtrEtm):
    """The same over everything, the MAC over the clear text (RFC 4253 section 6.4)."""

    head = _BLOCK
    _uncounted = 0
    _first = b""

    def seal(self, sequence: int, *payload: Part) -> bytes:
        body = self._padded(payload)
        packet = _LENGTH.pack(len(body)) + body
        return self._stream.update(packet) + self._mac(sequence, packet)

    def _clear_head(self, sequence: int, head: bytes) -> bytes:
        """It is kept for `open`."""
        del sequence
        self._first = self._stream.update(head)
        return self._first

    def open(self, sequence: int, packet: bytes) -> bytes:
        clear = self._first + self._stream.update(packet[_BLOCK : -self._tag])
        self._verify(sequence, clear, packet[-self._tag :])
        return _payload(clear[4:])


_ETM = b"-etm@openssh.com"
_DIGESTS = {b"hmac-sha2-256": ("sha256", 32), b"hmac-sha2-512": ("sha512", 64)}
_KEY_SIZES = {
    CHACHA: 64,
    b"aes256-gcm@openssh.com": 32,
    b"aes128-gcm@openssh.com": 16,
    b"aes256-ctr": 32,
    b"aes128-ctr": 16,
}


def authenticates(cipher: bytes) -> bool:
    """Whether `cipher` needs no MAC."""
    return cipher == CHACHA or cipher.endswith(b"-gcm@openssh.com")


def usable(cipher: bytes) -> bool:
    """Whether the OpenSSL below has what `cipher` needs; one in FIPS mode lacks ChaCha20."""
    try:
        direction(cipher, b"hmac-sha2-256", bytes(16), bytes(64), bytes(64)).seal(0, b"x")
    except UnsupportedAlgorithm:
        return False
    return True


def direction(cipher: bytes, mac: bytes, vector: bytes, key: bytes, mac_key: bytes) -> PacketCipher:
    """One direction with the agreed names; of vector and keys as much is taken as is needed."""
    key = key[: _KEY_SIZES[cipher]]
    if cipher == CHACHA:
        return ChaCha(key)
    if authenticates(cipher):
        return Gcm(key, vector)
    digest, size = _DIGESTS[mac.removesuffix(_ETM)]
    kind = CtrEtm if mac.endswith(_ETM) else CtrMac
    return kind(key, vector[:_BLOCK], mac_key[:size], digest)


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

    def seal(self, *payload: Part) -> bytes:
        """A packet around `payload`, which may come in parts."""
        packet = self._sealer.seal(self.sequence, *payload)
        self.sequence = (self.sequence + 1) % _SEQUENCES
        self.count += len(packet)
        return packet

    def rekey(self, sealer: PacketCipher, *, reset: bool) -> None:
        """As `Incoming.rekey`."""
        self._sealer = sealer
        self.count = 0
        if reset:
            self.sequence = 0
