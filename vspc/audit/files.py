"""Reads the audit file for people: the events since some time that somebody looks for.

Of the files that are there only the present one and the one before it are read. Everything here
may raise OSError, and is for a thread.
"""

import errno
import json
import os
from collections.abc import Iterator
from contextlib import ExitStack
from fnmatch import fnmatchcase
from pathlib import Path

from attrs import define, evolve, field

from vspc.audit.fields import moment
from vspc.audit.file import former, number_of
from vspc.common.files import READ, Disk
from vspc.common.text import safe
from vspc.console.audit import AuditPage, AuditPosition, AuditQuery

PIECE = 256 * 1024
"""Bytes that are read at once; a line is shorter."""

SCANNED = 4 * 1024 * 1024
"""Bytes that are looked through for one page."""

ANSWER = 64 * 1024
"""Bytes of events in a page; the last one may go over it."""

SLACK = 3600.0
"""Seconds that a clock may have been set back by, without an event being missed."""

_NAMED = ("time", "event")
_TIME = slice(len('{"time": "'), len('{"time": "2026-11-21T08:30:00.000000Z'))


@define(eq=False)
class _Files:
    """The files at and before `path`, open, by their numbers; the present one last."""

    path: Path
    disk: Disk = field(factory=Disk)
    open: dict[int, int] = field(factory=dict, init=False)

    def __enter__(self) -> "_Files":
        with ExitStack() as undo:
            undo.callback(self.__exit__)
            for path in (former(self.path), self.path):
                try:
                    descriptor = self.disk.regular(path, READ)
                except OSError as error:
                    if error.errno == errno.ENOENT or path != self.path:
                        continue
                    raise
                number = os.fstat(descriptor).st_ino
                if number in self.open:  # it was moved away just now
                    self.disk.close(descriptor)
                else:
                    self.open[number] = descriptor
            undo.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        while self.open:
            self.disk.close(self.open.popitem()[1])

    def after(self, number: int) -> int | None:
        """The file that follows."""
        numbers = list(self.open)
        at = numbers.index(number) + 1
        return numbers[at] if at < len(numbers) else None


def read(
    path: Path, sought: AuditQuery, place: AuditPosition | None, disk: Disk | None = None
) -> AuditPage:
    """What is at `place`, or the first page since `sought.since`."""
    disk = disk or Disk()
    with _Files(path, disk) as files:
        if not files.open:
            return AuditPage((), AuditPosition(0, 0), True)
        if place is not None:
            return _page(files, sought, _found(files, place))
        at = _beginning(files, sought.since)
        return evolve(_page(files, sought, at), begins=_late(files, sought.since))


def _found(files: _Files, place: AuditPosition) -> AuditPosition:
    """Where `place` is now; a file that is gone is followed by the first that is there."""
    descriptor = files.open.get(place.file)
    if descriptor is None or files.disk.size(descriptor) < place.offset:
        return AuditPosition(next(iter(files.open)) if descriptor is None else place.file, 0)
    return place


def _beginning(files: _Files, since: float) -> AuditPosition:
    """Some place before the first event since then."""
    wanted = moment(since - SLACK).encode()
    numbers = list(files.open)
    for number in reversed(numbers):
        descriptor = files.open[number]
        at = files.disk.size(descriptor) // PIECE * PIECE
        while at > 0:
            first = _whole(files.disk.read(descriptor, PIECE, at))
            if first is not None and first[1] < wanted:
                return AuditPosition(number, at + first[0])
            at -= PIECE
    return AuditPosition(numbers[0], 0)


def _late(files: _Files, since: float) -> str:
    """The time of the first line of all, if others came before it that are since then, too."""
    first = next(iter(files.open.values()))
    line = files.disk.read(first, PIECE, 0).partition(b"\n")[0]
    if number_of(line) <= 1 or line[_TIME] <= moment(since).encode():
        return ""
    return safe(line[_TIME])


def _whole(piece: bytes) -> tuple[int, bytes] | None:
    """Where the first line that begins in `piece` does, and its time."""
    begin = piece.find(b"\n") + 1
    line = piece[begin : begin + _TIME.stop]
    return (begin, line[_TIME]) if begin and line.startswith(b'{"time": "') else None


def _page(files: _Files, sought: AuditQuery, place: AuditPosition) -> AuditPage:
    found: list[str] = []
    size = scanned = 0
    earliest = moment(sought.since).encode()
    number, offset = place.file, place.offset
    while size < ANSWER and scanned < SCANNED:
        piece = files.disk.read(files.open[number], PIECE, offset)
        whole = piece[: piece.rfind(b"\n") + 1]
        if not whole and len(piece) == PIECE:  # no line of ours is as long: this is no text
            whole = piece
        if not whole:
            following = files.after(number)
            if following is None:
                return AuditPage(found, AuditPosition(number, offset), True)
            number, offset = following, 0
            continue
        for line in whole.splitlines(keepends=True):
            offset += len(line)
            scanned += len(line)
            if line[_TIME] >= earliest and _is_sought(sought, line):
                found.append(line.decode("utf-8", "replace").rstrip("\n"))
                size += len(line)
                if size >= ANSWER:
                    break
    return AuditPage(found, AuditPosition(number, offset), False)


def _is_sought(sought: AuditQuery, line: bytes) -> bool:
    try:
        event = json.loads(line)
    except ValueError:  # what a crash has left
        return False
    if not isinstance(event, dict) or not all(isinstance(event.get(n), str) for n in _NAMED):
        return False
    return all(_matches(event, name, wanted) for name, wanted in _wanted(sought))


def _wanted(sought: AuditQuery) -> Iterator[tuple[str, str | None]]:
    yield "operator", sought.operator
    yield "event", sought.event
    yield "name", sought.console


def _matches(event: dict[str, object], name: str, wanted: str | None) -> bool:
    if wanted is None:
        return True
    found = event.get(name)
    if not isinstance(found, str):
        return False
    if name != "name":
        return found == wanted
    zoned = f"{event.get('zone')}/{found}"
    glob = wanted.casefold()
    return fnmatchcase(found.casefold(), glob) or fnmatchcase(zoned.casefold(), glob)
