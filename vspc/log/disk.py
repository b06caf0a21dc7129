"""The file layer: the few calls that can fail or stall, in one place so that tests can make them.

Files are 0600 and directories 0700 whatever the umask.
"""

import errno
import os
from contextlib import suppress
from pathlib import Path
from threading import Lock

SPARE = 4
"""Descriptors that are kept for when there are no others."""

OF_THE_DISK = frozenset(
    {
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EIO,
        errno.EROFS,
        errno.ENOMEM,
        errno.EMFILE,
        errno.ENFILE,
        errno.EFBIG,
    }
)
"""Errors that the log of any console would have: not of one file or directory alone."""


class LogDisk:
    """The real one."""

    def __init__(self) -> None:
        # A crowd of connections may take every descriptor there is; a log must go on.
        self._spare: list[int] = []
        self._lock = Lock()

    def close(self) -> None:
        """Give back what was kept."""
        with self._lock:
            while self._spare:
                os.close(self._spare.pop())

    def __del__(self) -> None:
        self.close()

    def append(self, path: Path) -> int:
        """A descriptor that appends to `path`, made if it is not there."""
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        return self._open(path, flags)

    def _open(self, path: Path, flags: int) -> int:
        with self._lock:
            try:
                descriptor = os.open(path, flags, 0o600)
            except OSError as error:
                if error.errno not in (errno.EMFILE, errno.ENFILE) or not self._spare:
                    raise
                os.close(self._spare.pop())
                return os.open(path, flags, 0o600)
            with suppress(OSError):
                while len(self._spare) < SPARE:
                    self._spare.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
            return descriptor

    def write(self, descriptor: int, *parts: bytes) -> None:
        """All parts, in one call if it can be. Raises OSError, after which some may be there."""
        written = os.writev(descriptor, parts)
        for part in parts:
            if written >= len(part):
                written -= len(part)
                continue
            rest = memoryview(part)[written:]
            written = 0
            while rest:
                rest = rest[os.write(descriptor, rest) :]

    def sync(self, descriptor: int) -> None:
        """Wait until the disk has it."""
        os.fdatasync(descriptor)

    def make(self, path: Path) -> None:
        """A directory, with those above it."""
        for directory in [*reversed(path.parents), path]:
            if not directory.is_dir():
                directory.mkdir(mode=0o700, exist_ok=True)

    def replace(self, path: Path, data: bytes, sync: bool = False) -> None:
        """Put `data` at `path` in one step: the old file or the new one is there, no half."""
        temporary = path.with_name(path.name + ".new")
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = self._open(temporary, flags)
        try:
            self.write(descriptor, data)
            if sync:
                self.sync(descriptor)
        finally:
            os.close(descriptor)
        temporary.replace(path)

    def free(self, path: Path) -> tuple[int, int]:
        """Bytes that are free for us on the file system of `path`, and those it has in all."""
        found = os.statvfs(path)
        return found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize
