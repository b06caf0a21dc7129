"""The calls by which the audit file is written, in one place so that tests can let them fail."""

import errno
import json
import os
import stat
from contextlib import suppress
from pathlib import Path

from attrs import frozen

_APPEND = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_BESIDE = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


class AuditDisk:
    """The real one. Every method may raise OSError."""

    def append(self, path: Path) -> int:
        """A descriptor that appends to `path`, an ordinary file, made 0600 if it is not there."""
        return _ordinary(path, os.open(path, _APPEND, 0o600))

    def beside(self, path: Path) -> int:
        """A descriptor that writes into `path`, as small as it is."""
        return _ordinary(path, os.open(path, _BESIDE, 0o600))

    def look(self, path: Path) -> int:
        """A descriptor that only reads."""
        flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        return _ordinary(path, os.open(path, flags))

    def write(self, descriptor: int, data: bytes) -> int:
        """How many bytes were taken: perhaps not all."""
        return os.write(descriptor, data)

    def put(self, descriptor: int, data: bytes) -> None:
        """`data` at the beginning."""
        os.pwrite(descriptor, data, 0)

    def size(self, descriptor: int) -> int:
        """Bytes in the file."""
        return os.fstat(descriptor).st_size

    def read(self, descriptor: int, count: int, offset: int) -> bytes:
        """At most `count` bytes."""
        return os.pread(descriptor, count, offset)

    def cut(self, descriptor: int, size: int) -> None:
        """Only the first `size` bytes stay."""
        os.ftruncate(descriptor, size)

    def sync(self, descriptor: int) -> None:
        """Wait until the disk has it."""
        os.fdatasync(descriptor)

    def sync_directory(self, path: Path) -> None:
        """Wait until the disk knows that there is a file of that name."""
        descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def is_at(self, path: Path, descriptor: int) -> bool:
        """Whether the open file is still the one at `path`."""
        try:
            there = os.stat(path, follow_symlinks=False)
        except FileNotFoundError:
            return False
        ours = os.fstat(descriptor)
        return (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)

    def close(self, descriptor: int) -> None:
        """The end of it."""
        os.close(descriptor)


def _ordinary(path: Path, descriptor: int) -> int:
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise OSError(errno.EINVAL, "it is no ordinary file", str(path))


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
