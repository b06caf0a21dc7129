"""The bytes of a closed segment, compressed in blocks: damage costs a block and nothing else.

A file is a sequence of frames of zstandard (RFC 8878), each with a checksum, so that `zstdcat`
prints the bytes. A skippable frame at the beginning says whose bytes they are, one before each
block says to which offsets it belongs: without its index the file can be read all the same.
Servers before had one frame of zstandard in a file. docs/logs.md has the format.
"""

import struct
from collections.abc import Iterable, Sequence

import zstandard
from attrs import frozen

from vspc.log import records

BLOCK = 64 * 1024
"""Bytes of the VM in a block."""

LEVEL = 1
"""Of zstandard, for bytes of the VM: text gets no smaller with 3, which takes a third longer."""

INDEX_LEVEL = 3
"""The same for an index."""

_SINGLE = zstandard.FRAME_HEADER
_SKIPPABLE = struct.Struct("<II")
_SKIP = 0x184D2A5E
_HEAD, _BLOCK = b"H", b"B"
_FACTS = struct.Struct(">QQQII")


@frozen
class BlockRun:
    """Bytes from `offset`, which came `at`; `place` is where they lie in the segment."""

    offset: int
    at: int
    place: int
    data: bytes


@frozen
class Blocks:
    """What a file holds: `head` is JSON, or empty if there is none; `damaged` bytes of the file
    are not what was written.
    """

    head: str
    runs: tuple[BlockRun, ...]
    damaged: int

    @property
    def data(self) -> bytes:
        """The bytes of the segment; zeros where they are damaged."""
        joined = bytearray(max((run.place + len(run.data) for run in self.runs), default=0))
        for run in self.runs:
            joined[run.place : run.place + len(run.data)] = run.data
        return bytes(joined)


def pack(head: str, runs: Iterable[BlockRun]) -> bytes:
    """The file of `runs`, none of them longer than `BLOCK`."""
    compressor = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True)
    parts = [_skippable(_HEAD + head.encode())]
    for run in runs:
        packed = compressor.compress(run.data)
        facts = _FACTS.pack(run.offset, run.at, run.place, len(run.data), len(packed))
        parts += [_skippable(_BLOCK + facts), packed]
    return b"".join(parts)


def _skippable(body: bytes) -> bytes:
    frame = records.pack_frame(body)
    return _SKIPPABLE.pack(_SKIP, len(frame)) + frame


def unpack(data: bytes) -> Blocks | None:
    """What can be read of a file; None if it is one frame of zstandard."""
    if data.startswith(_SINGLE):
        return None
    head, runs, damaged, at = "", list[BlockRun](), 0, 0
    while at < len(data):
        found = records.following(data, at + _SKIPPABLE.size, at)
        if found is None:
            damaged += len(data) - at
            break
        header = found.start - _SKIPPABLE.size
        wrong = data[header : found.start] != _SKIPPABLE.pack(_SKIP, found.end - found.start)
        damaged += max(0, header - at) + wrong * _SKIPPABLE.size
        at, kind, facts = found.end, found.body[:1], found.body[1:]
        if kind == _HEAD and found.start == _SKIPPABLE.size:
            head = facts.decode("utf-8", "replace")
        elif kind == _BLOCK and len(facts) == _FACTS.size:
            offset, when, place, size, packed = _FACTS.unpack(facts)
            block = _unpack_block(data[at : at + packed], size)
            if block is None:
                damaged += packed
            else:
                runs.append(BlockRun(offset, when, place, block))
            at += packed
    return Blocks(head, tuple(_in_order(runs)), damaged)


def _unpack_block(packed: bytes, size: int) -> bytes | None:
    if size > BLOCK:
        return None
    try:
        found = zstandard.ZstdDecompressor().decompress(packed, max_output_size=size)
    except zstandard.ZstdError:
        return None
    return found if len(found) == size else None


def _in_order(runs: Sequence[BlockRun]) -> Iterable[BlockRun]:
    """Without those whose bytes are there already."""
    place = offset = 0
    for run in runs:
        if run.place >= place and run.offset >= offset:
            yield run
            place, offset = run.place + len(run.data), run.offset + len(run.data)


LARGEST = 256 * 1024 * 1024
"""Bytes that a compressed file can have held: an index of single bytes is the longest."""

_PIECE = 16 * 1024
"""Bytes that are unpacked at once: what comes before damage is got in pieces of this size."""


def pack_index(data: bytes) -> bytes:
    """One frame."""
    return zstandard.ZstdCompressor(level=INDEX_LEVEL, write_checksum=True).compress(data)


def unpack_index(data: bytes) -> bytes:
    """One frame of zstandard, which must be whole. Raises `zstandard.ZstdError`.

    What a frame says of its size is not believed beyond `LARGEST`: as much would be allocated.
    """
    if not data:
        return b""
    size = zstandard.frame_content_size(data)
    if size > LARGEST:
        raise zstandard.ZstdError(f"it says that it has {size} bytes; {LARGEST} are possible")
    unpacker = zstandard.ZstdDecompressor()
    return unpacker.decompress(data, max_output_size=LARGEST, allow_extra_data=False)


def unpack_some(data: bytes) -> tuple[bytes, bool]:
    """What can be unpacked of one frame, up to `LARGEST`, and whether that is all of it and right.

    What comes before damage may be wrong itself: the caller has checksums for it.
    """
    try:
        return unpack_index(data), bool(data)
    except (zstandard.ZstdError, MemoryError):
        pass
    unpacker = zstandard.ZstdDecompressor(max_window_size=LARGEST).decompressobj()
    parts: list[bytes] = []
    room = LARGEST
    for at in range(0, len(data), _PIECE):
        try:
            part = unpacker.decompress(data[at : at + _PIECE])
        except (zstandard.ZstdError, MemoryError):
            break
        parts.append(part[:room])
        room -= len(part)
        if room <= 0:
            break
    return b"".join(parts), False
