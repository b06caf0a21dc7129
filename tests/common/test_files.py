"""Files: replaced in one step, opened where no descriptor is left, written whole."""

import errno
import os
import resource
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from vspc.common.files import APPEND, PARTS, READ, Disk, replace


class Failing(Disk):
    """Fails while it writes, or while it waits for the disk."""

    def __init__(self, which: str) -> None:
        super().__init__(spare=0)
        self.which = which

    def _fail(self, which: str) -> None:
        if which == self.which:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    def write(self, descriptor: int, *parts: bytes) -> None:
        super().write(descriptor, *(part[:1] for part in parts))
        self._fail("write")

    def sync(self, descriptor: int) -> None:
        del descriptor
        self._fail("sync")


class Files(SynchronousTestCase):
    def setUp(self) -> None:
        self.directory = Path(self.mktemp())
        self.directory.mkdir()
        self.path = self.directory / "file"

    def names(self) -> list[str]:
        return sorted(os.listdir(self.directory))

    def test_a_file_is_replaced_and_is_private(self) -> None:
        old = os.umask(0)
        self.addCleanup(os.umask, old)
        for data in (b"one", b"", b"three"):
            replace(self.path, data)
            self.assertEqual(self.path.read_bytes(), data)
            self.assertEqual(self.path.stat().st_mode & 0o777, 0o600)
        self.assertEqual(self.names(), ["file"])

    def test_after_an_error_the_old_file_is_there_and_nothing_else(self) -> None:
        self.path.write_bytes(b"old")
        for which in ("write", "sync"):
            self.assertRaises(OSError, Failing(which).replace, self.path, b"new", sync=True)
            self.assertEqual((self.path.read_bytes(), self.names()), (b"old", ["file"]))

    def test_what_a_killed_process_left_does_not_stand_in_the_way(self) -> None:
        draft = self.directory / f"file.{os.getpid()}.new"
        draft.symlink_to(self.directory / "elsewhere")
        replace(self.path, b"data")
        self.assertEqual((self.path.read_bytes(), self.names()), (b"data", ["file"]))

    def test_exclusive_never_replaces(self) -> None:
        replace(self.path, b"first", exclusive=True)
        replace(self.path, b"second", exclusive=True)
        self.assertEqual((self.path.read_bytes(), self.names()), (b"first", ["file"]))

    def test_only_a_regular_file_is_opened_as_one_and_a_fifo_does_not_block(self) -> None:
        os.mkfifo(self.path)
        self.assertRaises(OSError, Disk(spare=0).regular, self.path, APPEND)
        self.path.unlink()
        self.path.symlink_to(self.directory / "elsewhere")
        for flags in (APPEND, READ):
            self.assertRaises(OSError, Disk(spare=0).regular, self.path, flags)

    def test_without_a_free_descriptor_a_spare_one_serves(self) -> None:
        disk = Disk()
        self.addCleanup(disk.release)
        self.addCleanup(os.close, disk.append(self.path))
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        lowest = os.open(os.devnull, os.O_RDONLY)
        os.close(lowest)
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
        try:
            self.assertRaises(OSError, Disk(spare=0).append, self.path)
            descriptor = disk.append(self.path)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        disk.write(descriptor, b"one ", b"", b"two")
        os.close(descriptor)
        self.assertEqual(self.path.read_bytes(), b"one two")

    def test_more_parts_than_the_kernel_takes_at_once_are_written(self) -> None:
        disk = Disk()
        self.addCleanup(disk.release)
        descriptor = disk.append(self.path)
        self.addCleanup(os.close, descriptor)
        parts = [b"%d," % number for number in range(2 * PARTS)]
        disk.write(descriptor, *parts)
        self.assertEqual(self.path.read_bytes(), b"".join(parts))
