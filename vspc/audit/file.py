"""The audit file: whole lines with numbers that have no gap, whatever happened before."""

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from attrs import define, field, frozen

from vspc.common.files import APPEND, MODIFY, READ, Disk

Entry = tuple[str, str]
"""JSON of an event: what comes before its number, and what comes after."""

EventReporter = Callable[[str, dict[str, object]], None]


def beside(path: Path) -> Path:
    """The small file that has the last number, too: `audit.seq` for `audit.jsonl`."""
    found = path.with_suffix(".seq")
    return found if found != path else path.with_name(f"{path.name}.seq")


def former(path: Path) -> Path:
    """Where logrotate leaves the file before this one."""
    return path.with_name(f"{path.name}.1")


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


def ending(disk: Disk, descriptor: int) -> Ending:
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
    except (ValueError, RecursionError):
        return 0
    seq = found.get("seq") if isinstance(found, dict) else None
    return seq if isinstance(seq, int) and not isinstance(seq, bool) and seq > 0 else 0


def ending_of(disk: Disk, path: Path) -> Ending:
    """The same of a file that is not open; one that is not there, or not to be read, is empty."""
    try:
        descriptor = disk.regular(path, READ)
    except OSError:
        return Ending()
    try:
        return ending(disk, descriptor)
    except OSError:
        return Ending()
    finally:
        with suppress(OSError):  # it is closed, whatever that says
            disk.close(descriptor)


@frozen
class Written:
    """The lines that the file has now, without their ends, and why the others are not there."""

    lines: tuple[bytes, ...]
    error: OSError | None = None


@define(eq=False)
class AuditFile:
    """Used by one thread. `seq` is the last number that was given."""

    path: Path
    report: EventReporter
    disk: Disk = field(factory=Disk)
    seq: int = field(default=0, init=False)
    _open: int | None = field(default=None, init=False)
    _beside: int | None = field(default=None, init=False)
    _unended: bool = field(default=False, init=False)  # the last line has no end

    @property
    def is_open(self) -> bool:
        """Whether it can be written."""
        return self._open is not None

    def open(self) -> int:
        """Open what is at `path` and go on behind its last whole line; how much was torn.

        Raises OSError; then whatever was open stays so.
        """
        fresh = self.disk.regular(self.path, APPEND)
        try:
            found = ending(self.disk, fresh)
            torn = self._heal(fresh, found.size - found.torn, found.torn, found.ours, found.whole)
        except BaseException:
            self.disk.close(fresh)
            raise
        self._unended = bool(found.torn) and torn < 0
        if not found.size:
            with suppress(OSError):
                self.disk.sync_directory(self.path.parent)
        self._close_file()
        self._open = fresh
        before = 0 if found.seq else ending_of(self.disk, former(self.path)).seq
        self.seq = max(self.seq, found.seq, before, self._open_beside())
        return 0 if found.whole else found.torn

    def _heal(self, descriptor: int, size: int, torn: int, ours: bool, whole: bool) -> int:
        """Cut off what is torn; below 0 if the next line has to end it instead."""
        if not torn:
            return 0
        if ours and not whole:
            with suppress(OSError):  # it can only be appended to, perhaps
                self.disk.truncate(descriptor, size)
                return torn
        return -1

    def _open_beside(self) -> int:
        """The number that stands there."""
        path = beside(self.path)
        self._close_beside()
        try:
            self._beside = self.disk.regular(path, MODIFY)
            text = self.disk.read(self._beside, 32, 0).partition(b"\n")[0]
        except OSError as error:
            self._report_beside(error)
            return 0
        return int(text) if text.isdigit() else 0

    def _report_beside(self, error: OSError) -> None:
        what = error.strerror or str(error)
        self.report("audit-seq-failing", {"error": what, "file": str(beside(self.path))})

    def is_moved(self) -> bool:
        """Whether another file is at `path` now, or none. Raises OSError."""
        return self._open is not None and not self.disk.is_at(self.path, self._open)

    def append(self, entries: Sequence[Entry]) -> Written:
        """Write them behind each other, each whole or not at all."""
        assert self._open is not None
        lines = [
            f'{head}, "seq": {self.seq + number}, {tail}'.encode()
            for number, (head, tail) in enumerate(entries, 1)
        ]
        data, every = b"".join(line + b"\n" for line in lines), tuple(lines)
        prefix = b"\n" if self._unended else b""
        size, done, error = 0, 0, None
        try:
            size = self.disk.size(self._open)
            self.disk.write(self._open, prefix, data)
            done = len(prefix) + len(data)
        except OSError as problem:
            error = problem
            done = max(0, self.disk.size(self._open) - size)
        if done and prefix:
            self._unended = False
        count = self._settle(size + len(prefix), data[: max(0, done - len(prefix))], lines)
        self._note(count)
        # Without a need for memory: lines that are there and seem not to be are written twice.
        return Written(every if count == len(every) else every[:count], error)

    def _settle(self, size: int, data: bytes, lines: Sequence[bytes]) -> int:
        """How many lines are there; what is there of another one goes."""
        assert self._open is not None
        count = data.count(b"\n")
        rest = data[data.rfind(b"\n") + 1 :]
        if not rest:
            return count
        try:
            self.disk.truncate(self._open, size + len(data) - len(rest))
        except OSError:
            self._unended = True
            return count + (rest == lines[count])
        return count

    def _note(self, count: int) -> None:
        if not count:
            return
        self.seq += count
        if self._beside is None:
            return
        try:
            self.disk.overwrite(self._beside, b"%020d\n" % self.seq)
        except OSError as error:
            self._report_beside(error)
            self._close_beside()

    def sync(self) -> None:
        """Wait until the disk has it. Raises OSError."""
        if self._open is not None:
            self.disk.sync(self._open)
        if self._beside is not None:
            with suppress(OSError):  # the file itself has the number
                self.disk.sync(self._beside)

    def _close_file(self) -> None:
        descriptor, self._open = self._open, None
        if descriptor is not None:
            with suppress(OSError):
                self.disk.sync(descriptor)
            self._release(descriptor)

    def _close_beside(self) -> None:
        descriptor, self._beside = self._beside, None
        if descriptor is not None:
            self._release(descriptor)

    def _release(self, descriptor: int) -> None:
        """The number is free even where closing fails: the next file to be opened may have it."""
        with suppress(OSError):
            self.disk.close(descriptor)

    def close(self) -> None:
        """The end; what is not synced is."""
        self._close_file()
        self._close_beside()
