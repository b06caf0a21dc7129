"""`vspc.console.audit.AuditReader` over the audit file: threads read, the reactor answers.

Of the files that are there only the present one and the one before it are read.
"""

import errno
import json
import os
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack
from fnmatch import fnmatchcase
from pathlib import Path

from attrs import define, evolve, field
from twisted.internet.defer import Deferred

from vspc.audit.file import EventReporter, former, number_of
from vspc.audit.refusals import RecentRefusals
from vspc.audit.schema import EVENTS, moment
from vspc.common.files import READ, Disk
from vspc.common.text import safe
from vspc.common.worker import WorkerPool
from vspc.console.audit import (
    AccessRefusal,
    AuditPage,
    AuditPosition,
    AuditQuery,
    AuditUnavailable,
)
from vspc.net.waiting import ThreadAnswer

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
    may_be = _prefilter(sought)
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
            if line[_TIME] >= earliest and may_be(line) and _is_sought(sought, line):
                found.append(line.decode("utf-8", "replace").rstrip("\n"))
                size += len(line)
                if size >= ANSWER:
                    break
    return AuditPage(found, AuditPosition(number, offset), False)


def _prefilter(sought: AuditQuery) -> Callable[[bytes], object]:
    """What finds lines that may be sought, in less time than reading them takes."""
    words = [re.escape(name.encode()) for name in sorted(sought.events)]
    if sought.session is not None:
        words = [re.escape(json.dumps(sought.session)[1:-1].encode())]
    return re.compile(b"|".join(words)).search


def _is_sought(sought: AuditQuery, line: bytes) -> bool:
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):  # what a crash has left
        return False
    if not isinstance(event, dict) or not all(isinstance(event.get(n), str) for n in _NAMED):
        return False
    if sought.events and event["event"] not in sought.events:
        return False
    return all(_matches(event, name, wanted) for name, wanted in _wanted(sought))


def _wanted(sought: AuditQuery) -> Iterator[tuple[str, str | None]]:
    yield "operator", sought.operator
    yield "session", sought.session
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


READS = 64
"""Reads under way at once."""

FOLLOWERS = 256
"""Sessions that follow the file at once."""


BUSY = "too many sessions read the audit file now; try again"
UNREADABLE = "the audit file cannot be read now"
FOLLOWED = "too many sessions follow the audit file now"


PendingRead = ThreadAnswer[AuditPage | None]


@define(eq=False)
class FileAuditReader:
    """`in_reactor` calls something in the reactor's thread; `reader` is threads."""

    path: Path
    refused: RecentRefusals
    report: EventReporter
    in_reactor: Callable[[Callable[[], None]], None]
    reader: WorkerPool
    _reading: dict[PendingRead, None] = field(factory=dict, init=False)
    _waiting: dict["Deferred[None]", None] = field(factory=dict, init=False)
    _writes: int = field(default=0, init=False)

    # In the reactor's thread

    async def read(self, query: AuditQuery, position: AuditPosition | None) -> AuditPage:
        """The events from `position` on. Raises `AuditUnavailable`."""
        # One that was cancelled counts until a thread has seen it: a disk may stall.
        if len(self._reading) >= READS:
            raise AuditUnavailable(BUSY)
        pending = PendingRead(self.in_reactor)
        self._reading[pending] = None
        try:
            self.reader.submit(self._read, pending, query, position)
        except RuntimeError:  # the system has no thread for it
            del self._reading[pending]
            raise AuditUnavailable(BUSY) from None
        page = await pending.wait()
        if page is None:
            raise AuditUnavailable(UNREADABLE)
        return page

    async def wait(self, page: AuditPage) -> None:
        """Return when there is more than `page` has. Raises `AuditUnavailable`."""
        if len(self._waiting) >= FOLLOWERS:
            raise AuditUnavailable(FOLLOWED)
        written: Deferred[None] = Deferred()
        self._waiting[written] = None
        if self._writes != page.writes:  # since it was read
            self.in_reactor(self._wake)
        try:
            await written
        finally:
            self._waiting.pop(written, None)

    def refusals(self) -> Sequence[AccessRefusal]:
        """The latest refusals."""
        return self.refused.latest()

    def events(self) -> Collection[str]:
        """The names of all there are."""
        return EVENTS

    def _wake(self) -> None:
        for written in list(self._waiting):
            if self._waiting.pop(written, self) is not self:
                written.callback(None)

    def close(self) -> None:
        """Answer nothing more."""
        for pending in self._reading:
            pending.over = True
        self._reading.clear()
        self._waiting.clear()
        self.reader.close()

    # In a reader's thread

    def _read(
        self, pending: PendingRead, query: AuditQuery, position: AuditPosition | None
    ) -> None:
        page = None
        try:
            writes = self._writes
            if not pending.over:
                page = evolve(read(self.path, query, position), writes=writes)
        except OSError as error:
            self.report("audit-unreadable", {"error": error.strerror or str(error)})
        finally:
            self.in_reactor(lambda: self._reading.pop(pending, None))
            pending.give(page)

    # In the writer's thread

    def written(self, lines: Sequence[bytes]) -> None:
        """The file has more."""
        self._writes += len(lines)
        if self._waiting:
            self.in_reactor(self._wake)
