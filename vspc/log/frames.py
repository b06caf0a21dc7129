"""Frames: how the journal and the indexes keep whole records apart from torn ones.

A file begins with eight bytes that say what it is and in which version. Then come frames: a mark
of four bytes, the length of the body and its CRC-32 (both 32 bits, big-endian), the body. What a
crash, a full disk or a flipped bit leaves is found by its checksum and skipped up to the next
frame that is whole. docs/logs.md has the formats.
"""

import struct
import zlib
from collections.abc import Iterator

from attrs import frozen

MAGIC = 8
"""Bytes at the beginning of a file."""

_MARK = b"\xf5vf\n"
_HEAD = struct.Struct(">4sII")

BODY_LIMIT = 128 * 1024 * 1024
"""Bytes of a body; a length over it is damage."""


class UnknownVersion(Exception):
    """A file of a newer version, or none of ours: it is left alone. The text names it."""


@frozen
class Frame:
    """A whole frame: where it begins and ends in its file, and what is in it."""

    start: int
    end: int
    body: bytes


@frozen
class Damage:
    """Bytes of a file, from `start` to `end`, that are no whole frame."""

    start: int
    end: int


def head(body: bytes) -> bytes:
    """What comes before `body` in a frame."""
    return _HEAD.pack(_MARK, len(body), zlib.crc32(body))


def pack(body: bytes) -> bytes:
    """`body` as a frame."""
    return head(body) + body


def unpack(data: bytes, start: int = MAGIC) -> Iterator[Frame | Damage]:
    """The frames in `data` from `start`, in order, with what is damaged between them."""
    at = start
    while at < len(data):
        frame = _frame_at(data, at)
        if frame is not None:
            yield frame
            at = frame.end
            continue
        behind = _behind(data, at)
        yield Damage(at, behind)
        at = behind


def _behind(data: bytes, at: int) -> int:
    """Where what is damaged from `at` ends: behind the body, if the head still says where that is,
    so that nothing in a body is taken for a frame; else before the next one that is whole.
    """
    if len(data) - at >= _HEAD.size:
        mark, length, _ = _HEAD.unpack_from(data, at)
        end = at + _HEAD.size + int(length)
        if mark == _MARK and length <= BODY_LIMIT and _frame_at(data, end) is not None:
            return end
    return _next_frame(data, at + 1)


def following(data: bytes, expected: int, at: int) -> Frame | None:
    """The frame at `expected`, or else the first whole one from `at` on; None if there is none."""
    found = _frame_at(data, expected)
    return found if found is not None else _frame_at(data, _next_frame(data, at))


def _frame_at(data: bytes, at: int) -> Frame | None:
    if len(data) - at < _HEAD.size:
        return None
    mark, length, checksum = _HEAD.unpack_from(data, at)
    begin = at + _HEAD.size
    if mark != _MARK or length > BODY_LIMIT or begin + length > len(data):
        return None
    body = data[begin : begin + length]
    return Frame(at, begin + length, body) if zlib.crc32(body) == checksum else None


def _next_frame(data: bytes, at: int) -> int:
    while (found := data.find(_MARK, at)) >= 0:
        if _frame_at(data, found) is not None:
            return found
        at = found + 1
    return len(data)


def check_magic(data: bytes, magic: bytes, name: str) -> bool:
    """Whether `data` begins with `magic`; False if it is too short to say.

    Raises `UnknownVersion` where it is something else.
    """
    if len(data) < MAGIC:
        return False
    if data[:MAGIC] != magic:
        raise UnknownVersion(f"{name} is of an unknown version and is left alone")
    return True
