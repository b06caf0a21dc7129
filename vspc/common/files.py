"""Files: the calls that can fail or stall, in one place so that tests can make them.

Files are made 0600 and directories 0700, whatever the umask.
"""

import errno
import os
import re
import stat
from contextlib import suppress
from pathlib import Path
from threading import Lock

SPARE = 4
"""Descriptors that a `Disk` keeps for when the process has no others."""

APPEND = os.O_RDWR | os.O_APPEND | os.O_CREAT
MODIFY = os.O_RDWR | os.O_CREAT
READ = os.O_RDONLY

PARTS = 1024
"""Parts that the kernel writes in one call at most (IOV_MAX); others follow one by one."""


def out_of_memory() -> OSError:
    """What a MemoryError is to those who know what to do about a disk that fails."""
    return OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))


class Disk:
    """Every method may raise OSError.

    Connections may use up all file descriptors. Files of the log and the audit must be opened all
    the same: a `Disk` keeps `spare` descriptors, and closes them when there are no others.
    """

    def __init__(self, spare: int = SPARE) -> None:
        self._wanted = spare
        self._spare: list[int] = []
        self._lock = Lock()

    def release(self) -> None:
        """Close the spare descriptors."""
        with self._lock:
            while self._spare:
                os.close(self._spare.pop())

    def __del__(self) -> None:
        self.release()

    def append(self, path: Path) -> int:
        """A descriptor that appends to `path`, which may be a FIFO or a device."""
        return self._open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def regular(self, path: Path, flags: int) -> int:
        """A descriptor of a regular file; `flags` are `APPEND`, `MODIFY` or `READ`."""
        descriptor = self._open(path, flags | os.O_NONBLOCK)
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            return descriptor
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a regular file", str(path))

    def _open(self, path: Path, flags: int) -> int:
        flags |= os.O_CLOEXEC | os.O_NOFOLLOW
        with self._lock:
            try:
                descriptor = os.open(path, flags, 0o600)
            except OSError as error:
                if error.errno not in (errno.EMFILE, errno.ENFILE) or not self._spare:
                    raise
                os.close(self._spare.pop())
                return os.open(path, flags, 0o600)
            with suppress(OSError):
                while len(self._spare) < self._wanted:
                    self._spare.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
            return descriptor

    def write(self, descriptor: int, *parts: bytes) -> None:
        """All parts, in one call if it can be. After an error some of them may be in the file.

        Memory that runs out meanwhile is an OSError, too: what is in the file is then undone.
        """
        try:
            self._write(descriptor, parts)
        except MemoryError:
            raise out_of_memory() from None

    @staticmethod
    def _write(descriptor: int, parts: tuple[bytes, ...]) -> None:
        written = os.writev(descriptor, parts[:PARTS])
        for part in parts:
            if written >= len(part):
                written -= len(part)
                continue
            rest = memoryview(part)[written:]
            written = 0
            while rest:
                count = os.write(descriptor, rest)
                if not count:
                    raise OSError(errno.ENOSPC, "nothing was written")
                rest = rest[count:]

    def overwrite(self, descriptor: int, data: bytes) -> None:
        """`data` at the beginning of the file."""
        os.pwrite(descriptor, data, 0)

    def read(self, descriptor: int, count: int, offset: int) -> bytes:
        """At most `count` bytes from `offset`."""
        return os.pread(descriptor, count, offset)

    def size(self, descriptor: int) -> int:
        """Bytes in the file."""
        return os.fstat(descriptor).st_size

    def truncate(self, descriptor: int, size: int) -> None:
        """Keep the first `size` bytes only."""
        os.ftruncate(descriptor, size)

    def sync(self, descriptor: int) -> None:
        """Wait until the data is on the disk."""
        os.fdatasync(descriptor)

    def sync_directory(self, path: Path) -> None:
        """Wait until the names of the files in the directory `path` are on the disk."""
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def close(self, descriptor: int) -> None:
        """Close it; the number is free even if this raises."""
        os.close(descriptor)

    def is_at(self, path: Path, descriptor: int) -> bool:
        """Whether the open file is still the one at `path`: logrotate may have moved it away."""
        try:
            there = os.stat(path, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return os.path.samestat(there, os.fstat(descriptor))

    def make(self, path: Path) -> None:
        """The directory `path`, with those above it."""
        for directory in [*reversed(path.parents), path]:
            if not directory.is_dir():
                directory.mkdir(mode=0o700, exist_ok=True)

    def replace(self, path: Path, data: bytes, sync: bool = False, exclusive: bool = False) -> None:
        """Put `data` at `path` in one step: a crash leaves the old file or the new one.

        With `sync` the data is on the disk before that, though perhaps not yet under its name: see
        `sync_directory`. With `exclusive` a file that exists is not replaced.
        """
        draft = path.with_name(f"{path.name}.{os.getpid()}.new")
        draft.unlink(missing_ok=True)
        descriptor = self._open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        try:
            try:
                self.write(descriptor, data)
                if sync:
                    self.sync(descriptor)
            finally:
                os.close(descriptor)
            if exclusive:
                with suppress(FileExistsError):
                    os.link(draft, path)
            else:
                draft.replace(path)
        finally:
            with suppress(OSError):
                draft.unlink(missing_ok=True)

    def free(self, path: Path) -> tuple[int, int]:
        """Bytes that are free for us in the file system of `path`, and its size."""
        found = os.statvfs(path)
        return found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize


_DRAFT = re.compile(r".+\.([0-9]{1,10})\.new")


def is_abandoned(name: str) -> bool:
    """Whether `name` is that of a draft whose process was killed in `Disk.replace`. For a process
    that starts: one of its own number is of an earlier one, as in a container.
    """
    draft = _DRAFT.fullmatch(name)
    if draft is None:
        return False
    pid = int(draft[1])
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):  # it runs, as another user
        return False
    return pid == os.getpid()


def replace(path: Path, data: bytes, exclusive: bool = False) -> None:
    """`Disk.replace` with `sync`, for files that are written once in a while."""
    Disk(spare=0).replace(path, data, sync=True, exclusive=exclusive)
