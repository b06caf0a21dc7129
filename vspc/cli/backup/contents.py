"""Which files of a running server's state_dir are in a backup, and up to where.

Small files are replaced as a whole, so that one that is open stays as it was. Files that are
appended to are taken up to their size when they were opened, the audit file up to a whole line.
The files of the log's journal are opened before the segments that it moves to, so that what moves
meanwhile is in them, and are read after these, up to what was appended then: the journal has what
the segments have, and more. A start knows from kills that something is in both.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from attrs import define, field, frozen

from vspc.cli.backup.archive import CHUNK, is_safe
from vspc.common.files import READ, Disk
from vspc.doors.control import CONTROL
from vspc.server.log_side import PANICS

LOG, JOURNAL = "log", "journal"
"""The directory of the log, and that of its journal in it."""

BEFORE = "before-"
"""The beginning of the name of a directory with what was there before a restore, in a mount."""

AGAIN = 5
"""Times that a directory is read again because files vanished: they have another name then."""

_LEFT_OUT = frozenset({"lock", CONTROL})
_DRAFT = ".new"


@frozen
class OpenFile:
    """A file that is read up to `size`; close `descriptor`."""

    path: str
    descriptor: int
    size: int
    mtime: float


def open_files(state: Path, logs: bool, audit: Path) -> Iterator[OpenFile]:
    """All of them, opened one after the other; `audit` is the audit file. OSError."""
    state.stat()  # it is there
    for directory in [Path(), *_below(state, Path())]:
        if not _is_apart(directory):
            yield from _files(state, directory, audit)
    if logs:
        yield from _logs(state, audit)


def _is_apart(directory: Path) -> bool:
    """Whether it is the log's, or what a restore put aside."""
    first = next(iter(directory.parts), "")
    return first in (LOG, PANICS) or first.startswith(BEFORE)


def _logs(state: Path, audit: Path) -> Iterator[OpenFile]:
    journal = _Journal(state)
    try:
        journal.look()
        for directory in (Path(LOG), Path(PANICS)):
            for below in [directory, *_below(state, directory)]:
                if below != journal.directory:
                    for file in _files(state, below, audit):
                        yield file
                        journal.look()
        yield from journal.take()
    finally:
        journal.close()


@define(eq=False)
class _Journal:
    """Files of the journal, which stay open: the server deletes them."""

    state: Path
    directory: Path = Path(LOG, JOURNAL)
    _open: dict[str, int] = field(factory=dict, init=False)

    def look(self) -> None:
        """Open what is new. OSError."""
        for name in _names(self.state / self.directory):
            path = self.directory / name
            if name not in self._open and is_safe(path.as_posix()):
                with suppress(FileNotFoundError):
                    self._open[name] = Disk(spare=0).regular(self.state / path, READ)

    def take(self) -> Iterator[OpenFile]:
        """Each, up to its size now; whoever takes one closes it."""
        for name in sorted(self._open):
            yield _opened(self._open.pop(name), (self.directory / name).as_posix(), False)

    def close(self) -> None:
        """What was not taken."""
        while self._open:
            os.close(self._open.popitem()[1])


def _below(state: Path, directory: Path) -> Iterator[Path]:
    """The directories in one, a directory in front of those that are in it."""
    try:
        with os.scandir(state / directory) as found:
            names = sorted(one.name for one in found if one.is_dir(follow_symlinks=False))
    except FileNotFoundError:  # the log of a console is deleted
        return
    for name in names:
        yield directory / name
        yield from _below(state, directory / name)


def _files(state: Path, directory: Path, audit: Path) -> Iterator[OpenFile]:
    done: set[str] = set()
    for _ in range(AGAIN):
        vanished = False
        for name in _names(state / directory):
            path = directory / name
            if name in done or not is_safe(path.as_posix()):
                continue
            done.add(name)
            try:
                yield _open(state / path, path.as_posix(), state / path == audit)
            except FileNotFoundError:
                vanished = True
        if not vanished:
            return


def _names(directory: Path) -> list[str]:
    try:
        with os.scandir(directory) as found:
            return sorted(
                one.name
                for one in found
                if one.is_file(follow_symlinks=False)
                and one.name not in _LEFT_OUT
                and not one.name.endswith(_DRAFT)
            )
    except FileNotFoundError:
        return []


def _open(path: Path, name: str, by_lines: bool) -> OpenFile:
    return _opened(Disk(spare=0).regular(path, READ), name, by_lines)


def _opened(descriptor: int, name: str, by_lines: bool) -> OpenFile:
    try:
        found = os.fstat(descriptor)
        size = _whole_lines(descriptor, found.st_size) if by_lines else found.st_size
        return OpenFile(name, descriptor, size, found.st_mtime)
    except BaseException:
        os.close(descriptor)
        raise


def _whole_lines(descriptor: int, size: int) -> int:
    """Where the last whole line before `size` ends."""
    while size:
        begin = max(0, size - CHUNK)
        found = os.pread(descriptor, size - begin, begin).rfind(b"\n")
        if found >= 0:
            return begin + found + 1
        size = begin
    return 0
