"""An index of a closed segment, compressed: one frame of zstandard (RFC 8878) with a checksum.

Servers before `vspc.log.blocks` compressed the bytes of a segment in the same way.
"""

import zstandard

LARGEST = 256 * 1024 * 1024
"""Bytes that a compressed file can have held: an index of single bytes is the longest."""

_PIECE = 16 * 1024
"""Bytes that are unpacked at once: what comes before damage is got in pieces of this size."""


def pack(data: bytes) -> bytes:
    """One frame."""
    return zstandard.ZstdCompressor(level=3, write_checksum=True).compress(data)


def unpack(data: bytes) -> bytes:
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

    What comes before damage may be wrong itself: whoever uses it has checksums for it.
    """
    try:
        return unpack(data), bool(data)
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
