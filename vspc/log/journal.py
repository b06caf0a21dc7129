"""The journal: the output of all consoles, in the order in which it came, in few large files.

One write a batch, however many consoles have output. A file that is full is followed by the next
one and deleted once all that is in it has moved to the consoles' own segments.
"""

import os
import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from attrs import define, field

from vspc.common.files import Disk
from vspc.log import records
from vspc.log.records import (
    NO_CONSOLE,
    START,
    Damage,
    MalformedRecord,
    Record,
    UnknownVersion,
)

MAGIC = b"vspcjrn1"

SUFFIX = ".journal"

FILE_LIMIT = 64 * 1024 * 1024
"""Bytes after which the next file begins."""

_SERIAL_BITS = 36
_SERIALS = (1 << _SERIAL_BITS) - 1
_TAG_BITS = 28
"""A batch's number has a random tag above it, the same in all of a file: output may look
like a frame, and is not taken for one where the frame that holds it is torn.
"""


@define(eq=False)
class Journal:
    """The files in `directory`. One thread appends."""

    directory: Path
    disk: Disk
    report_problem: Callable[[str, str], None]  # a kebab-case event, and what it is about
    serial: int = field(default=0, init=False)
    size: int = field(default=0, init=False)  # bytes of the file that is written now
    number: int = field(default=0, init=False)  # of that file
    replayed: int = field(default=0, init=False)  # the last batch that was read at a start
    damages: int = field(default=0, init=False)  # places where something is missing
    torn: dict[Path, int] = field(factory=dict, init=False)  # bytes at the ends of files
    _tag: int = field(default=0, init=False)
    _descriptor: int | None = field(default=None, init=False)
    _unread: set[Path] = field(factory=set, init=False)

    def files(self) -> list[Path]:
        """Those there are, oldest first."""
        found = self.directory.glob(f"*{SUFFIX}") if self.directory.is_dir() else []
        return sorted(path for path in found if path.stem.isdecimal())

    # What an earlier process left

    def replay(self) -> Iterator[tuple[int, Record]]:
        """Every whole record of all files, with the serial number of its batch."""
        for path in self.files():
            self.number = max(self.number, int(path.stem))
            try:
                yield from self._replay_file(path)
            except (OSError, UnknownVersion) as error:
                self._unread.add(path)
                self.damages += 1
                self.report_problem("log-journal-unreadable", str(error))

    def _replay_file(self, path: Path) -> Iterator[tuple[int, Record]]:
        data = path.read_bytes()
        if len(data) < records.MAGIC_SIZE:  # it was killed when it had made the file
            return
        if data[: records.MAGIC_SIZE] != MAGIC:
            if data.startswith(MAGIC[:-1]) and not _is_ours(data):
                raise UnknownVersion(f"{path} is of an unknown version and is left alone")
            self._report_problem(f"{path}: bytes 0 to {records.MAGIC_SIZE} are damaged")
        whole = records.MAGIC_SIZE  # up to here everything was
        for end, begin, tagged, batch in self._batches(path, data):
            if begin > whole:
                # The end of a file is torn by any kill; the middle only by what deserves a word.
                self._report_problem(f"{path}: bytes {whole} to {begin} are damaged")
            whole, serial = end, tagged & _SERIALS
            if self.replayed and serial > self.replayed + 1:
                self._report_problem(
                    f"{path}: batches {self.replayed + 1} to {serial - 1} are missing"
                )
            for record in batch:
                yield serial, record
            self.replayed = serial
            self.serial = max(self.serial, serial)
        if whole < len(data):
            self.torn[path] = len(data) - whole

    def _batches(self, path: Path, data: bytes) -> Iterator[tuple[int, int, int, list[Record]]]:
        """Where each whole frame ends and begins, its number with its tag, and its records.

        One with another tag is in a frame that is torn: output of a VM.
        """
        tag: int | None = None
        for found in records.frames_of(data):
            if isinstance(found, Damage):
                continue
            try:
                tagged, records_of_it = records.unpack_batch(found.body)
                batch = list(records_of_it)
            except MalformedRecord as error:
                self._report_problem(f"{path} at {found.start}: {error}")
                continue
            tag = tagged >> _SERIAL_BITS if tag is None else tag
            if tagged >> _SERIAL_BITS == tag:
                yield found.end, found.start, tagged, batch

    def _report_problem(self, what: str) -> None:
        self.damages += 1
        self.report_problem("log-journal-damaged", what)

    # Writing

    def append(self, batch: Iterable[Record]) -> int:
        """Write `batch` as one frame, in one write; its serial number. Raises OSError.

        After an error nothing of it counts: what is there of it is cut off, or skipped as torn.
        """
        if self._descriptor is None:
            self._begin()
        assert self._descriptor is not None
        body = records.batch_parts(self._tag << _SERIAL_BITS | self.serial + 1, batch)
        head = records.frame_head(*body)
        after = self.serial + 1, self.size + len(head) + sum(map(len, body))
        try:
            self.disk.write(self._descriptor, head, *body)
        except OSError:
            self._undo()
            raise
        self.serial, self.size = after  # without a need for memory
        return self.serial

    def _begin(self) -> None:
        self.disk.make(self.directory)
        self.number += 1
        descriptor = self.disk.append(self.directory / f"{self.number:08d}{SUFFIX}")
        try:
            self.disk.write(descriptor, MAGIC)
        except OSError:
            os.close(descriptor)
            raise
        self._descriptor, self.size = descriptor, len(MAGIC)
        self._tag = secrets.randbits(_TAG_BITS)

    def _undo(self) -> None:
        assert self._descriptor is not None
        try:
            os.ftruncate(self._descriptor, self.size)
        except OSError:
            self.close()  # the next batch begins a file of its own

    def duplicate(self) -> int | None:
        """A descriptor of its own to sync the file with; None if none is open."""
        return None if self._descriptor is None else os.dup(self._descriptor)

    def roll(self) -> int:
        """End the file that is written now; its number."""
        self.close()
        return self.number

    def close(self) -> None:
        """Close it; the next batch begins another one."""
        if self._descriptor is not None:
            descriptor, self._descriptor = self._descriptor, None
            with suppress(OSError):
                os.close(descriptor)
            self.size = 0

    def drop(self, number: int) -> None:
        """Delete the files up to `number`: all that was in them is elsewhere.

        A file that could not be read, or is of another version, stays.
        """
        for path in self.files():
            if int(path.stem) <= number and path not in self._unread:
                path.unlink(missing_ok=True)


def start(boot_id: str, now: int) -> Record:
    """What a file begins with. It names the format, too: a flipped bit in the first bytes of a file
    does not make it one of another version.
    """
    return Record(START, NO_CONSOLE, 0, now, f"{boot_id}\n".encode() + MAGIC)


def _is_ours(data: bytes) -> bool:
    first = next(records.frames_of(data), None)
    if first is None or isinstance(first, Damage):
        return False
    try:
        begins = next(records.unpack_batch(first.body)[1], None)
    except MalformedRecord:
        return False
    return begins is not None and begins.code == START and begins.payload.endswith(MAGIC)
