"""Revoked keys, and certificates by authority, serial number and key ID: a value, and the binary
lists of `ssh-keygen -k` that it is read from (OpenSSH's PROTOCOL.krl).

No library reads these, and `ssh-keygen -Q` would be a process for each login.
"""

from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import sha1, sha256
from heapq import merge
from sys import byteorder
from types import MappingProxyType
from typing import TypeVar

from attrs import define, field, frozen

from vspc.auth.certkeys import foreign
from vspc.common.text import safe
from vspc.config.credentials import fingerprint
from vspc.wire.ssh import SshReader, is_certificate

ANY = b""
"""In place of an authority's key: all of them."""

LARGEST = 2**64 - 1
"""Of serial numbers."""

_PAGE = 1024  # bits of a bitmap that are kept as one number
_PIECE = 16384  # numbers that are sorted at once

T = TypeVar("T", int, tuple[int, int])


def _numbers(values: Iterable[int] = ()) -> "array[int]":
    return array("Q", values)


@frozen
class Issued:
    """Revoked certificates of one authority. Single numbers and ranges are sorted, ranges do not
    overlap; each check is a table look-up.
    """

    single: "array[int]" = field(factory=_numbers)
    first: "array[int]" = field(factory=_numbers)
    last: "array[int]" = field(factory=_numbers)
    pages: Mapping[int, int] = field(factory=lambda: MappingProxyType({}))
    ids: frozenset[str] = frozenset()

    def has(self, serial: int) -> bool:
        """Whether the number is revoked; 0, which stands for none, never is."""
        if not 0 < serial <= LARGEST:
            return False
        at = bisect_right(self.single, serial) - 1
        if at >= 0 and self.single[at] == serial:
            return True
        at = bisect_right(self.first, serial) - 1
        if at >= 0 and serial <= self.last[at]:
            return True
        return bool(self.pages.get(serial // _PAGE, 0) >> serial % _PAGE & 1)


@frozen
class Revoked:
    """Keys by the digests of their blobs, and certificates by their authority's key."""

    sha256: frozenset[bytes] = frozenset()
    sha1: frozenset[bytes] = frozenset()
    issued: Mapping[bytes, Issued] = field(factory=lambda: MappingProxyType({}))

    def reason(
        self, key: bytes, authority: bytes | None = None, serial: int = 0, key_id: str = ""
    ) -> str:
        """Why a key, or a certificate of `authority` for it, is revoked; empty if it is not.

        `key` and `authority` are blobs of plain keys.
        """
        if self._has(key):
            return f"the key {fingerprint(key)} is revoked"
        if authority is None:
            return ""
        if self._has(authority):
            return f"its authority {fingerprint(authority)} is revoked"
        for issuer in (authority, ANY):
            issued = self.issued.get(issuer)
            if issued is not None and issued.has(serial):
                return f"the serial number {serial} is revoked"
            if issued is not None and key_id in issued.ids:
                return "its key ID is revoked"
        return ""

    def _has(self, key: bytes) -> bool:
        if self.sha256 and sha256(key).digest() in self.sha256:
            return True
        return bool(self.sha1) and sha1(key, usedforsecurity=False).digest() in self.sha1


@define
class _Gathered:
    """What was read about one authority so far."""

    single: "array[int]" = field(factory=_numbers)
    ranges: list[tuple[int, int]] = field(factory=list)
    pages: dict[int, int] = field(factory=dict)
    ids: set[str] = field(factory=set)

    def done(self) -> Issued:
        first, last = _merged(self.ranges)
        single = _numbers(_in_order(self.single))
        return Issued(single, first, last, MappingProxyType(self.pages), frozenset(self.ids))


def _in_order(values: Sequence[T]) -> Iterable[T]:
    """Sorted in pieces: one sort of millions would hold the interpreter's lock too long."""
    pieces = (values[at : at + _PIECE] for at in range(0, len(values), _PIECE))
    return merge(*map(sorted, pieces))


def _merged(ranges: list[tuple[int, int]]) -> "tuple[array[int], array[int]]":
    first, last = _numbers(), _numbers()
    for low, high in _in_order(ranges):
        if last and low <= last[-1]:
            last[-1] = max(last[-1], high)
        else:
            first.append(low)
            last.append(high)
    return first, last


class Draft:
    """Gathers what is revoked while it is read. Its methods raise ValueError for invalid values."""

    def __init__(self) -> None:
        self._sha256: set[bytes] = set()
        self._sha1: set[bytes] = set()
        self._issued: dict[bytes, _Gathered] = {}

    def key(self, blob: bytes) -> None:
        """A plain key; if it is an authority's, all certificates that it signed."""
        SshReader(blob).string()
        if is_certificate(blob):
            raise ValueError("expected a key, found a certificate")
        self._sha256.add(sha256(blob).digest())

    def digest(self, digest: bytes) -> None:
        """A key by the SHA-256, or by its length the SHA-1, of its blob."""
        if len(digest) not in (20, 32):
            raise ValueError("a fingerprint has the wrong length")
        (self._sha256 if len(digest) == 32 else self._sha1).add(digest)

    def serials(self, authority: bytes, packed: bytes) -> None:
        """Serial numbers of eight bytes each, one after the other."""
        numbers = _numbers()
        if len(packed) % 8:
            raise ValueError("a list of serial numbers is cut short")
        numbers.frombytes(packed)
        if byteorder == "little":
            numbers.byteswap()
        if 0 in numbers:
            raise ValueError("the serial number 0 stands for none and cannot be revoked")
        self._of(authority).single.extend(numbers)

    def range(self, authority: bytes, first: int, last: int) -> None:
        """All serial numbers from `first` to `last`."""
        if not 0 < first <= last <= LARGEST:
            raise ValueError("a range of serial numbers is empty, or begins with 0")
        self._of(authority).ranges.append((first, last))

    def bitmap(self, authority: bytes, start: int, bits: bytes) -> None:
        """Serial numbers whose bits are set; the lowest, the last byte's, stands for `start`."""
        number = int.from_bytes(bits, "big")
        if start + number.bit_length() - 1 > LARGEST or (start == 0 and number & 1):
            raise ValueError("a bitmap has invalid serial numbers")
        number <<= start % _PAGE
        data = number.to_bytes(-(-number.bit_length() // 8), "little")
        pages, size = self._of(authority).pages, _PAGE // 8
        for at in range(0, len(data), size):
            page = int.from_bytes(data[at : at + size], "little")
            if page:
                where = start // _PAGE + at // size
                pages[where] = pages.get(where, 0) | page

    def key_id(self, authority: bytes, key_id: str) -> None:
        """All certificates with this key ID."""
        self._of(authority).ids.add(key_id)

    def done(self) -> Revoked:
        """All of it."""
        issued = {authority: each.done() for authority, each in self._issued.items()}
        return Revoked(frozenset(self._sha256), frozenset(self._sha1), MappingProxyType(issued))

    def _of(self, authority: bytes) -> _Gathered:
        return self._issued.setdefault(authority, _Gathered())


# Binary lists

KRL_MAGIC = b"SSHKRL\n\0"
"""The first bytes of such a file."""

BITMAP_LIMIT = 1 << 24
"""Bits of one bitmap; OpenSSH's own limit."""

_VERSION = 1

_CERTIFICATES = 1
_KEYS = 2
_SHA1 = 3
_SIGNATURE = 4
_SHA256 = 5
_EXTENSION = 255

_SERIALS = 0x20
_RANGE = 0x21
_BITMAP = 0x22
_KEY_IDS = 0x23
_ISSUED_EXTENSION = 0x39


def read_krl(data: bytes) -> Revoked:
    """What a list revokes. Raises ValueError: it is damaged, has an unknown section, or is signed,
    which OpenSSH does not accept since 9.4 either (section 6).
    """
    reader = SshReader(data)
    if reader.take(len(KRL_MAGIC)) != KRL_MAGIC:
        raise ValueError("it is not a key revocation list")
    version = reader.uint32()
    if version != _VERSION:
        raise ValueError(f"its format is version {version}, not {_VERSION}")
    reader.take(24)  # its own version, date and flags, all unused
    reader.string()
    reader.string()  # a comment
    draft = Draft()
    while not reader.ended:
        kind = reader.byte()
        _section(kind, reader.nested(), draft)
    return draft.done()


def _section(kind: int, section: SshReader, draft: Draft) -> None:
    if kind == _SIGNATURE:
        raise ValueError("it is signed, which is not supported")
    if kind == _EXTENSION:
        _extension(section)
    elif kind == _CERTIFICATES:
        _certificates(section, draft)
    elif kind == _KEYS:
        while not section.ended:
            draft.key(section.string())
    elif kind in (_SHA1, _SHA256):
        _digests(section, 20 if kind == _SHA1 else 32, draft)
    else:
        raise ValueError(f"it has a section of unknown type {kind}")
    section.end()


def _digests(section: SshReader, size: int, draft: Draft) -> None:
    while not section.ended:
        digest = section.string()
        if len(digest) != size:
            raise ValueError("a fingerprint has the wrong length")
        draft.digest(digest)


def _extension(section: SshReader) -> None:
    """Sections 5 and 2.5. Those that OpenSSH writes only make look-ups faster."""
    name, critical = section.string(), section.byte()
    section.string()
    if critical:
        raise ValueError(f"its critical extension {safe(name, 60)} is unknown")


def _certificates(section: SshReader, draft: Draft) -> None:
    """Section 2: of one authority, or of all where its key is empty."""
    authority = section.string()
    if authority:
        SshReader(authority).string()
    section.string()
    while not section.ended:
        kind = section.byte()
        issued = section.nested()
        if kind not in _ISSUED:
            raise ValueError(f"it has a section of unknown type {kind} about certificates")
        _ISSUED[kind](issued, authority, draft)
        issued.end()


def _serials(section: SshReader, authority: bytes, draft: Draft) -> None:
    draft.serials(authority, section.rest())


def _range(section: SshReader, authority: bytes, draft: Draft) -> None:
    draft.range(authority, section.uint64(), section.uint64())


def _bitmap(section: SshReader, authority: bytes, draft: Draft) -> None:
    start, bits = section.uint64(), section.string()
    if bits[:1] > b"\x7f":
        raise ValueError("a bitmap is a negative number")
    if len(bits.lstrip(b"\0")) * 8 > BITMAP_LIMIT:
        raise ValueError(f"a bitmap has more than {BITMAP_LIMIT} bits")
    draft.bitmap(authority, start, bits)


def _key_ids(section: SshReader, authority: bytes, draft: Draft) -> None:
    while not section.ended:
        draft.key_id(authority, foreign(section.string()))


def _issued_extension(section: SshReader, authority: bytes, draft: Draft) -> None:
    _extension(section)


_ISSUED: Mapping[int, Callable[[SshReader, bytes, Draft], None]] = MappingProxyType(
    {
        _SERIALS: _serials,
        _RANGE: _range,
        _BITMAP: _bitmap,
        _KEY_IDS: _key_ids,
        _ISSUED_EXTENSION: _issued_extension,
    }
)
"""Subsections about the certificates of one authority: sections 2.1 to 2.5."""
