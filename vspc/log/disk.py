"""The file layer: the few calls that can fail or stall, in one place so that tests can make them.

Files are 0600 and directories 0700 whatever the umask.
"""

import os
from pathlib import Path


class Disk:
    """The real one."""

    def append(self, path: Path) -> int:
        """A descriptor that appends to `path`, made if it is not there."""
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        return os.open(path, flags, 0o600)

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
        descriptor = os.open(temporary, flags, 0o600)
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
