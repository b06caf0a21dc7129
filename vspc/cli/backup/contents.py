"""Which files of a running server's state_dir are in a backup, and up to where.

Small files are replaced as a whole, so that one that is open stays as it was. Files that are
appended to are taken up to their size when they were opened, the audit file up to a whole line.
The journal of the log is read before the segments that it moves to: what moved meanwhile is there
twice, which a start knows from kills, and never in neither.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from attrs import frozen

from vspc.cli.backup.archive import CHUNK, is_safe
from vspc.common.files import READ, Disk
from vspc.doors.control import CONTROL
from vspc.server.log_side import PANICS

LOG, JOURNAL = "log", "journal"
"""The directory of the log, and that of its journal in it."""

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
        if directory.parts[:1] not in ((LOG,), (PANICS,)):
            yield from _files(state, directory, audit)
    if logs:
        journal = Path(LOG, JOURNAL)
        for directory in (journal, Path(LOG), Path(PANICS)):
            yield from _files(state, directory, audit)
            for below in _below(state, directory):
                if below != journal:
                    yield from _files(state, below, audit)


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
    descriptor = Disk(spare=0).regular(path, READ)
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
