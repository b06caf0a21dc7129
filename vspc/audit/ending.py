"""How a file of JSON lines ends: what its last whole line is, and what a crash left behind it."""

import json
from contextlib import suppress
from pathlib import Path

from attrs import frozen

from vspc.audit.disk import AuditDisk

TAIL = 256 * 1024
"""Bytes at the end that are looked at; a line of ours is shorter than half of it."""

_BEGIN = b'{"time": "'


@frozen
class Ending:
    """`size` bytes are in the file, the last `torn` of them belong to no line.

    `seq` is the last number in it, or 0. `ours`: whether what is torn may be cut off; `whole`: it
    lacks nothing but the end of the line.
    """

    size: int = 0
    torn: int = 0
    seq: int = 0
    ours: bool = True
    whole: bool = False


def ending(disk: AuditDisk, descriptor: int) -> Ending:
    """Look at an open file. Raises OSError."""
    size = disk.size(descriptor)
    tail = disk.read(descriptor, TAIL, max(0, size - TAIL))
    *lines, rest = tail.split(b"\n")
    number = number_of(rest)
    if number:
        return Ending(size, len(rest), number, whole=True)
    seq = next((found for line in reversed(lines) if (found := number_of(line))), 0)
    # Zeros are what some file systems have after a power cut, where the data did not get there.
    begins = rest.lstrip(b"\0")[: len(_BEGIN)]
    ours = len(rest) < TAIL and _BEGIN.startswith(begins)
    return Ending(size, len(rest), seq, ours)


def number_of(line: bytes) -> int:
    """The number of a line; 0 if it is none of ours."""
    try:
        found = json.loads(line)
    except ValueError:
        return 0
    seq = found.get("seq") if isinstance(found, dict) else None
    return seq if isinstance(seq, int) and not isinstance(seq, bool) and seq > 0 else 0


def ending_of(disk: AuditDisk, path: Path) -> Ending:
    """The same of a file that is not open; one that is not there, or not to be read, is empty."""
    try:
        descriptor = disk.look(path)
    except OSError:
        return Ending()
    try:
        return ending(disk, descriptor)
    except OSError:
        return Ending()
    finally:
        with suppress(OSError):  # it is closed, whatever that says
            disk.close(descriptor)
