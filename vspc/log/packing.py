"""Files of closed segments, compressed: one frame of zstandard (RFC 8878) with a checksum."""

import zstandard

LARGEST = 256 * 1024 * 1024
"""Bytes that a compressed file can have held: an index of single bytes is the longest."""


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
    return zstandard.ZstdDecompressor().decompress(data, max_output_size=LARGEST)
