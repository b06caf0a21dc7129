"""Key revocation lists in the binary format of `ssh-keygen -k` (OpenSSH's PROTOCOL.krl).

No library reads them, and `ssh-keygen -Q` would be a process for each login.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from vspc.auth.certkeys import foreign
from vspc.auth.revoked import Draft, Revoked
from vspc.common.text import safe
from vspc.wire.ssh import SshReader

MAGIC = b"SSHKRL\n\0"
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
    if reader.take(len(MAGIC)) != MAGIC:
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
